import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from plasticity_bench.harness.process_state import kept_process_state


def drawn() -> list[float]:
    """Draw from the three global generators."""
    return [random.random(), float(np.random.rand()), float(torch.rand(()))]


def change_everything(folder: Path) -> None:
    with kept_process_state():
        drawn()
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        torch.use_deterministic_algorithms(True)
        torch.set_float32_matmul_precision("medium")
        torch.set_num_threads(torch.get_num_threads() + 1)
        np.seterr(all="raise")
        os.environ["ADDED"] = "1"
        os.environ.pop("PATH")
        os.chdir(folder)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise ZeroDivisionError


def test_all_is_as_it_was_even_after_an_exception(tmp_path: Path) -> None:
    folder, handler = Path.cwd(), signal.getsignal(signal.SIGTERM)
    with kept_process_state():
        expected = drawn()
    threads = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        change_everything(tmp_path)
    assert torch.zeros(1).dtype == torch.float32
    assert torch.zeros(1).device == torch.device("cpu")
    assert torch.is_grad_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_num_threads() == threads
    assert np.geterr()["divide"] == "warn"
    assert "ADDED" not in os.environ
    assert "PATH" in os.environ
    assert Path.cwd() == folder
    assert signal.getsignal(signal.SIGTERM) is handler
    assert drawn() == expected


def test_what_is_done_to_torch_while_it_is_loaded_is_undone_as_well() -> None:
    code = (
        "import sys\n"
        "from plasticity_bench.harness.process_state import kept_process_state\n"
        "assert 'torch' not in sys.modules\n"
        "with kept_process_state():\n"
        "    import torch\n"
        "    torch.set_default_dtype(torch.float64)\n"
        "    torch.set_default_device('meta')\n"
        "print(torch.zeros(1).dtype, torch.zeros(1).device)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "torch.float32 cpu\n"
