"""Made-up results: whole and valid, with only the parts that a test is about set by it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plasticity_bench.harness.fingerprint import fingerprint
from plasticity_bench.harness.plugins.sources import RESULTS_VERSION
from plasticity_bench.leaderboard.store.result import Result, sealed

if TYPE_CHECKING:
    from plasticity_bench.leaderboard.publish.publication import Outcome

    from .publish.publishing import Lab

MakeDraft = Callable[..., dict[str, Any]]
MakeResult = Callable[..., Result]


def draft(
    *,
    stream: str = "permuted-digits",
    stream_settings: dict[str, Any] | None = None,
    entrant: str = "dense",
    settings: dict[str, Any] | None = None,
    lr: float = 0.01,
    seed: int = 0,
    status: str = "done",
    metrics: dict[str, Any] | None = None,
    rows: Sequence[dict[str, Any]] = (),
    needs: Sequence[str] = (),
    data: str = "d" * 64,
    results_version: int = RESULTS_VERSION,
) -> dict[str, Any]:
    spec = {
        "stream": {"name": stream, "settings": stream_settings or {"tasks": 10}},
        "entrant": {
            "name": entrant,
            "strategies": [{"name": entrant, "settings": settings or {}}],
            "network": {"kind": "mlp", "hidden": [100, 100]},
            "optimizer": {"name": "sgd", "lr": lr},
        },
        "seed": seed,
    }
    sources = {"data": data, "strategies": {entrant: "c" * 64}}
    return {
        "format": 1,
        "fingerprint": fingerprint(spec, sources, results_version),
        "spec": spec,
        "sources": sources,
        "results_version": results_version,
        "status": status,
        "reason": None if status == "done" else "made up",
        "needs": list(needs),
        "stream_digest": "e" * 64,
        "metrics": {"taoa": 0.9, "updates": 1000, "seconds": 2.5} if metrics is None else metrics,
        "rows": list(rows),
        "environment": {"python": "3.12.1", "torch": "2.9.0"},
    }


@pytest.fixture(scope="session")
def make_draft() -> MakeDraft:
    return draft


@pytest.fixture(scope="session")
def make_result() -> MakeResult:
    return lambda **parts: Result.model_validate(sealed(draft(**parts)))


@pytest.fixture
def undrawn_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make reports of empty pictures, for tests of their words."""
    from matplotlib.figure import Figure

    from tests.helpers import undrawn

    monkeypatch.setattr(Figure, "savefig", undrawn)


@pytest.fixture(scope="session")
def wandb_runs() -> None:
    """Skip where wandb's binary does not start, as on some systems."""
    command = [sys.executable, "-c", "import wandb; wandb.setup()"]
    try:
        started = subprocess.run(
            command, capture_output=True, timeout=60, env=os.environ | {"WANDB_SILENT": "true"}
        )
    except subprocess.TimeoutExpired:
        pytest.skip("wandb's service does not start here")
    if started.returncode:
        pytest.skip(f"wandb's service does not start here: {started.stderr.decode()[-200:]}")


@pytest.fixture
def lab(tmp_path: Path, account: None, at_once: None) -> "Iterator[Lab]":
    """A store and a stand-in that the account here is of."""
    from plasticity_bench.leaderboard.store.result_store import ResultStore
    from tests.wandb_server import StandIn

    from .publish.publishing import Lab

    with StandIn() as server:
        os.environ["WANDB_BASE_URL"] = server.url
        yield Lab(ResultStore(tmp_path / "store"), server)


@dataclass(frozen=True)
class Published:
    """A publish that went well, and what came of it."""

    lab: "Lab"
    outcome: "Outcome"


@pytest.fixture(scope="session")
def published_once(tmp_path_factory: pytest.TempPathFactory, wandb_runs: None) -> Published:
    """Publish two entrants with two seeds each; who changes anything takes `published`."""
    from plasticity_bench.leaderboard.publish.publication import publish
    from plasticity_bench.leaderboard.store.result_store import ResultStore
    from tests.wandb_server import StandIn

    from .publish.publishing import Lab

    folder = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as monkeypatch, StandIn() as server:
        be_alice(folder, monkeypatch)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        lab = Lab(ResultStore(folder / "store"), server)
        lab.add({"dense": 0.5, "grow": 0.7}, [0, 1])
        return Published(lab, publish(lab.job()))


@pytest.fixture
def published(
    published_once: Published, tmp_path: Path, account: None, at_once: None
) -> Iterator[Published]:
    """A copy of that publish, with its server at the place that its receipts are of."""
    from plasticity_bench.leaderboard.store.result_store import ResultStore
    from tests.wandb_server import StandIn

    from .publish.publishing import Lab

    once = published_once.lab
    shutil.copytree(once.store.folder, tmp_path / "store")
    with StandIn(state=once.state.copy(), port=once.server.port) as server:
        os.environ["WANDB_BASE_URL"] = server.url
        yield Published(Lab(ResultStore(tmp_path / "store"), server), published_once.outcome)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let attempts follow each other without the rest that a real server is given."""
    publication = "plasticity_bench.leaderboard.publish.publication"
    monkeypatch.setattr(f"{publication}.BETWEEN_ATTEMPTS", 0.1)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be somebody else, with a W&B account of the stand-in's and nothing else of W&B's."""
    be_alice(tmp_path, monkeypatch)


def be_alice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.wandb_server import KEY

    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    home = folder / "home-of-alice"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LOGNAME", "alicesmith")
    monkeypatch.setenv("USER", "alicesmith")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
