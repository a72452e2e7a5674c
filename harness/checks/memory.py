"""What is held in memory now, by Python, NumPy and torch on the CPU."""

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

from torch import Tensor

from ..stream import Task


@contextmanager
def tracing() -> Iterator[None]:
    """Let Python and NumPy count what they allocate, and set aside what is there already."""
    was_tracing = tracemalloc.is_tracing()
    gc.collect()
    gc.freeze()  # or every count would have to look at all that a process holds
    if not was_tracing:
        tracemalloc.start()
    try:
        yield
    finally:
        if not was_tracing:
            tracemalloc.stop()
        gc.unfreeze()


def held_memory() -> int:
    """Count the bytes that are allocated since `tracing` began, tensors included."""
    gc.collect()
    tensors = [thing for thing in gc.get_objects() if issubclass(type(thing), Tensor)]
    sizes: dict[int, int] = {}
    for tensor in tensors:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
    return tracemalloc.get_traced_memory()[0] + sum(sizes.values())


def size_of(task: Task) -> int:
    """Count the bytes of a task's tensors."""
    parts = (getattr(task, part.name) for part in fields(task))
    return sum(int(part.nbytes) for part in parts if isinstance(part, Tensor))
