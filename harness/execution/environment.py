"""What a run was made with: versions and the kind of machine, nothing about who or where."""

import platform
from functools import cache
from importlib.metadata import version
from typing import Any

PACKAGES = ("plasticity-bench", "torch", "numpy", "avalanche-lib")


@cache
def environment(device: str) -> dict[str, Any]:
    """Return versions, platform, threads and device of this process: no names, no paths."""
    import torch

    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": _device_name(device),
        **{package: version(package) for package in PACKAGES},
    }


def _device_name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device
