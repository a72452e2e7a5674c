"""What a process has one of, put back after code of others has run in it.

Runs have processes of their own. This is for the process that makes them ready: there plug-ins are
imported and asked for their settings, and what they do to it would reach what comes after.
"""

import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def kept_process_state() -> Iterator[None]:
    """Put back what may have been changed meanwhile, as far as it is loaded.

    That is torch's defaults (type, device, threads, gradients, determinism), numpy's error
    handling, the three global generators, the folder, the environment and the signal handlers.
    """
    restore = [*_python(), *_numpy(), *_torch()]
    had_torch = "torch" in sys.modules
    try:
        yield
    finally:
        for put_back in restore:
            put_back()
        if not had_torch and "torch" in sys.modules:
            _set_torch_defaults()


def _python() -> Iterator[Callable[[], Any]]:
    environ, state = dict(os.environ), random.getstate()
    yield lambda: random.setstate(state)
    yield lambda: _set_environ(environ)
    with suppress(OSError):  # the folder is gone: there is none to go back to
        folder = os.getcwd()
        yield lambda: os.chdir(folder)
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        yield lambda: _set_handlers(handlers)


def _set_environ(before: dict[str, str]) -> None:
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


def _set_handlers(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _numpy() -> Iterator[Callable[[], Any]]:
    if "numpy" not in sys.modules:
        return
    import numpy as np

    errors, state = np.geterr(), np.random.get_state()
    yield lambda: np.seterr(**errors)
    yield lambda: np.random.set_state(state)


def _torch() -> Iterator[Callable[[], Any]]:
    if "torch" not in sys.modules:
        return
    import torch

    dtype, state, threads = (
        torch.get_default_dtype(),
        torch.get_rng_state(),
        torch.get_num_threads(),
    )
    device, gradients = torch.get_default_device(), torch.is_grad_enabled()
    exact = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    precision = torch.get_float32_matmul_precision()
    yield lambda: torch.set_default_dtype(dtype)
    yield lambda: _set_default_device(device)
    yield lambda: torch.set_rng_state(state)
    yield lambda: _set_threads(threads)
    yield lambda: torch.set_grad_enabled(gradients)
    yield lambda: torch.use_deterministic_algorithms(exact, warn_only=warn_only)
    yield lambda: torch.set_float32_matmul_precision(precision)


def _set_torch_defaults() -> None:
    """Undo what was done to torch while it was being loaded: then its own defaults held."""
    import torch

    torch.set_default_dtype(torch.float32)
    _set_default_device(torch.device("cpu"))
    torch.set_grad_enabled(True)
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision("highest")


def _set_default_device(device: Any) -> None:
    import torch

    if torch.get_default_device() != device:
        torch.set_default_device(None if device == torch.device("cpu") else device)


def _set_threads(count: int) -> None:
    import torch

    if torch.get_num_threads() != count:
        torch.set_num_threads(count)
