"""Made-up stores, published to a stand-in, and what must then be there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any

from plasticity_bench.leaderboard.board.ranking import Question, rank
from plasticity_bench.leaderboard.board.standings import Board
from plasticity_bench.leaderboard.board.table import as_json
from plasticity_bench.leaderboard.page import Page
from plasticity_bench.leaderboard.publish.connect import connect
from plasticity_bench.leaderboard.publish.history import history
from plasticity_bench.leaderboard.publish.job import Job
from plasticity_bench.leaderboard.publish.publication import plan
from plasticity_bench.leaderboard.store.result import plain
from plasticity_bench.leaderboard.store.result_store import ResultStore
from tests.wandb_server import StandIn, State

from ..conftest import draft

PROJECT = "boards"
STREAM = "permuted-digits"


@dataclass
class Lab:
    """A store, a stand-in, and what is published from one to the other."""

    store: ResultStore
    server: StandIn

    def add(
        self, entrants: Mapping[str, float], seeds: Sequence[int], rows: int = 3, **parts: Any
    ) -> list[str]:
        """Write results whose score is the entrant's, a little more with each seed."""
        names = []
        for entrant, score in entrants.items():
            for seed in seeds:
                made = draft(
                    entrant=entrant,
                    seed=seed,
                    rows=made_rows(rows, score),
                    metrics={"taoa": score + seed / 100, "updates": 30.0, "plasticity_loss": None},
                    **parts,
                )
                self.store.write(made)
                names.append(made["fingerprint"])
        return names

    @property
    def fingerprints(self) -> list[str]:
        return sorted(path.stem for path in self.store.folder.glob("*.json"))

    @property
    def state(self) -> State:
        return self.server.state

    def board(self) -> Board:
        return rank(list(self.store.results()), Question(suite="quick"))

    def job(self, page: bytes | None = None) -> Job:
        target, _ = connect(None, PROJECT)
        whole = None if page is None else Page(page, b"{}", policy="", tag="")
        return plan(self.board(), self.store, self.fingerprints, whole, target)


def made_rows(count: int, score: float) -> list[dict[str, Any]]:
    """Rows of every sort: tasks, checkpoints, layers measured together, and one without curve."""
    rows: list[dict[str, Any]] = []
    for task in range(count):
        place = {"task": task, "step": 10 * (task + 1)}
        rows.append(
            {
                "kind": "task",
                **place,
                "online_accuracy": score + task / 1000,
                "loss": None,
                "scored": True,
                "alive": [5, 7],
            }
        )
        rows.append({"kind": "checkpoint", **place, "accuracy": 0.5, "per_task": [0.5]})
        rows += [{"kind": "health", **place, "layer": f"fc{n}", "dormant": n / 4} for n in (1, 2)]
        rows.append({"kind": "edit", **place, "what": "grow", "count": 3})
    return rows


def assert_all_there_once(lab: Lab, page: bytes | None = None) -> None:
    """Compare what the server has with the store and the board, whole."""
    _assert_runs(lab)
    _assert_board(lab, page)


def _assert_runs(lab: Lab) -> None:
    runs = lab.state.of_job("seed-run")
    by_fingerprint = {run.settings["fingerprint"]: run for run in runs}
    assert sorted(by_fingerprint) == lab.fingerprints
    assert len(runs) == len(lab.fingerprints), "a result is there twice"
    for result in lab.store.results():
        run = by_fingerprint[result.fingerprint]
        assert run.state == "finished"
        expected = [{"_step": n, **step} for n, step in enumerate(history(result.rows))]
        assert run.rows == expected
        for name, value in result.metrics.items():
            assert run.summary.get(f"score/{name}") == value, (run.name, run.summary)
        assert run.settings["seed"] == result.spec.seed
        assert run.settings["entrant"] == result.spec.entrant.name
        assert run.settings["optimizer"] == result.spec.entrant.optimizer
        [artifact] = lab.state.committed(f"result-{result.fingerprint}")
        path = lab.store.path(result.fingerprint)
        assert lab.state.content(artifact) == {"result.json": path.read_bytes()}


def _assert_board(lab: Lab, page: bytes | None) -> None:
    board, state = lab.board(), lab.state
    plan = lab.job().board
    entries = [run for run in state.of_job("leaderboard-entry") if run.summary.get("on_board")]
    assert all(run.state == "finished" for run in entries)
    ranks = {run.settings["entrant"]: run.summary["rank"] for run in entries}
    scores = {run.settings["entrant"]: run.summary["score"] for run in entries}
    assert len(ranks) == len(entries)
    standings = board.overall.standings if board.overall else board.streams[0].standings
    assert ranks == {each.entrant: each.rank.place for each in standings if each.rank}
    for row in plan.table:
        if row[0] == plan.table[0][0]:
            assert isclose(scores[str(row[4])], float(str(row[5])))
    [run] = state.of_job("leaderboard-board")
    assert run.state == "finished"
    assert table(lab) == plan.table
    content = state.content(state.committed(plan.artifact)[-1])
    expected = plain(as_json(board))
    expected.pop("head", None)
    assert json.loads(content["board.json"]) == expected
    assert content.get("leaderboard.html") == page
    [view] = state.views.values()
    assert plan.key in view.fields["spec"]


def table(lab: Lab) -> list[list[Any]]:
    """Return the rows of the newest table on the board's run."""
    [run] = lab.state.of_job("leaderboard-board")
    path = run.summary["leaderboard"]["path"]
    return list(json.loads(lab.state.blobs[run.files[path]])["data"])


def receipts(lab: Lab) -> dict[str, bytes]:
    """Return the receipts of all targets by path."""
    found = Path(lab.store.folder, "wandb").glob("*/receipts/*.json")
    return {path.name: path.read_bytes() for path in found}
