import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch

from plasticity_bench.harness.stream import Samples
from plasticity_bench.streams.data import idx, sources


@pytest.fixture(autouse=True)
def _nothing_kept_between_tests() -> None:
    sources._load.cache_clear()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be downloaded but from this machine."""
    really_open = urllib.request.urlopen

    def refuse(request: urllib.request.Request, *rest: Any, **options: Any) -> Any:
        if request.host.startswith("127.0.0.1:"):
            return really_open(request, *rest, **options)
        raise URLError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch.hub.urlopen", refuse)


@pytest.fixture(autouse=True)
def _no_data_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(idx, "DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("PLASTICITY_BENCH_DATA", raising=False)


@pytest.fixture
def samples() -> Samples:
    """Make six classes of unequal size in two channels of 3 x 4 pixels."""
    random = np.random.RandomState(0)
    train_y = np.repeat(np.arange(6), [8, 9, 10, 11, 12, 13])
    test_y = np.tile(np.arange(6), 4)
    random.shuffle(train_y)
    return Samples(
        train_x=torch.from_numpy(random.randint(0, 256, (63, 2, 3, 4), dtype=np.uint8)),
        train_y=torch.from_numpy(train_y),
        test_x=torch.from_numpy(random.randint(0, 256, (24, 2, 3, 4), dtype=np.uint8)),
        test_y=torch.from_numpy(test_y),
        classes=6,
        scale=1 / 255,
        mean=(0.25, 0.5),
        std=(0.5, 0.125),
        digest="made up",
    )
