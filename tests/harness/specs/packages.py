"""Small packages of somebody else's, written to a folder and imported from there."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from plasticity_bench.harness.specs.source_code import Source, source_of

Files = Mapping[str, str | bytes]
"""Texts by path, or what the files hold."""


def written(folder: Path, files: Files) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Import from a folder for a while; nothing of it stays."""
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        tops = {path.name.removesuffix(".py") for path in folder.iterdir()}
        for name in [name for name in sys.modules if name.partition(".")[0] in tops]:
            del sys.modules[name]


def source(folder: Path, files: Files, target: str = "idea.main:Idea") -> Source:
    """Return the source of a class of a package that is written to a folder, a new one."""
    module, _, name = target.partition(":")
    with importable(written(folder, files)):
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        assert isinstance(found, type)
        made = source_of(found)
        assert len(made.digest) == 64
        return made
