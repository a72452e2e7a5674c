"""What W&B is told of a board: one entry run for each entrant, a table, a file, a report."""

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from ...harness.specs.fingerprint import digest
from ..board.standings import Board, Coverage, OverallStanding, Rank, Standing
from ..board.table import as_json
from ..store.result import plain
from .privacy import scrubbed
from .run_plan import RunPlan, shown

COLUMNS = (
    "stream",
    "rank",
    "rank_lo",
    "rank_hi",
    "entrant",
    "score",
    "ci_lo",
    "ci_hi",
    "iqm",
    "n_seeds",
    "coverage",
    "p_vs_leader",
    "provisional",
    "needs",
    "trust",
)
"""Of the table; `score` is normalised over all streams, and the metric itself on one stream."""
OVERALL = "all streams"
ENTRY_FIELDS = tuple(column for column in COLUMNS if column not in ("stream", "entrant"))


class BoardPlan(BaseModel):
    """A board on W&B."""

    model_config = ConfigDict(frozen=True)

    key: str
    """Of the suite and the metric: another metric is another board."""
    suite: str
    metric: str
    better: str
    artifact: str
    """Name of the artifact."""
    entries: list[RunPlan]
    table: list[list[JsonValue]]
    """Rows of `COLUMNS`."""
    streams: list[tuple[str, str]]
    """Label and key of every stream; see `run_plan.stream_key`."""
    content: dict[str, Any]
    """The board itself, as it is printed by `leaderboard --json`."""
    head: str | None

    @property
    def digest(self) -> str:
        """Return a hash over what the board says; not over the journal it was made from."""
        return digest([self.key, self.content, self.table])

    @property
    def report_digest(self) -> str:
        """Return a hash over what the report is made of; numbers it takes from the runs."""
        return digest([self.key, self.streams, self.better, self.normalised])

    @property
    def normalised(self) -> bool:
        """Say whether scores are over streams, where higher is better whatever the metric."""
        return self.content.get("overall") is not None

    @property
    def run(self) -> RunPlan:
        """Return the run that carries table and artifact."""
        return RunPlan(
            id=f"board-{self.key}",
            name=shown(f"leaderboard: {self.suite} by {self.metric}"),
            job_type="leaderboard-board",
            config={"board": self.key, "suite": self.suite, "metric": self.metric},
            summary={"board_digest": self.digest},
        )


def plan_board(board: Board, stream_keys: Mapping[str, str]) -> BoardPlan:
    """Plan a board.

    Args:
        board: as every view shows it.
        stream_keys: by label, for the streams that have runs.
    """
    key = digest([board.suite, board.metric])[:12]
    content = scrubbed(as_json(board))
    content.pop("head", None)
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", board.suite).strip("-.")[:40]
    return BoardPlan(
        key=key,
        suite=scrubbed(board.suite),
        metric=board.metric,
        better=board.better,
        artifact=f"leaderboard-{slug}-{key}",
        entries=list(_entries(board, key)),
        table=[list(scrubbed(row).values()) for row in _table(board)],
        streams=[
            (scrubbed(each.stream), stream_keys[each.stream])
            for each in board.streams
            if each.stream in stream_keys
        ],
        content=content,
        head=board.head,
    )


def _entries(board: Board, key: str) -> Iterator[RunPlan]:
    headline: dict[str, dict[str, JsonValue]] = {}
    for stream in board.streams:
        for standing in stream.standings:
            headline.setdefault(standing.entrant, {})
            if board.overall is None and len(board.streams) == 1:
                headline[standing.entrant] = _on_stream(stream.stream, standing)
    for overall in board.overall.standings if board.overall else ():
        headline[overall.entrant] = _over_streams(overall)
    for entrant, row in headline.items():
        summary: dict[str, JsonValue] = {"on_board": 1}
        summary |= {name: row[name] for name in ENTRY_FIELDS if row.get(name) is not None}
        yield RunPlan(
            id=entry_id(board.suite, board.metric, entrant),
            name=shown(scrubbed(entrant)),
            job_type="leaderboard-entry",
            config={
                "board": key,
                "suite": scrubbed(board.suite),
                "metric": board.metric,
                "entrant": scrubbed(entrant),
            },
            summary=summary,
        )


def entry_id(suite: str, metric: str, entrant: str) -> str:
    """Return the id of an entrant's entry on a board, the same for ever."""
    return f"entry-{digest([suite, metric, entrant])[:16]}"


def _table(board: Board) -> Iterator[dict[str, JsonValue]]:
    for overall in board.overall.standings if board.overall else ():
        yield _over_streams(overall)
    for stream in board.streams:
        for standing in stream.standings:
            yield _on_stream(stream.stream, standing)


def _over_streams(standing: OverallStanding) -> dict[str, JsonValue]:
    score = standing.score
    return _row(
        stream=OVERALL,
        entrant=standing.entrant,
        rank=standing.rank,
        score=(score.value, score.interval.low, score.interval.high),
        iqm=standing.iqm.value,
        n_seeds=standing.least_seeds,
        coverage=standing.coverage,
        standing=standing,
    )


def _on_stream(stream: str, standing: Standing) -> dict[str, JsonValue]:
    summary = standing.summary
    score = (
        (summary.mean, summary.interval.low, summary.interval.high)
        if summary is not None
        else (None, None, None)
    )
    return _row(
        stream=stream,
        entrant=standing.entrant,
        rank=standing.rank,
        score=score,
        iqm=None,
        n_seeds=len(standing.values),
        coverage=standing.coverage,
        standing=standing,
    )


def _row(
    *,
    stream: str,
    entrant: str,
    rank: Rank | None,
    score: tuple[float | None, float | None, float | None],
    iqm: float | None,
    n_seeds: int,
    coverage: Coverage,
    standing: Standing | OverallStanding,
) -> dict[str, JsonValue]:
    values = {
        "stream": stream,
        "rank": None if rank is None else rank.place,
        "rank_lo": None if rank is None else rank.low,
        "rank_hi": None if rank is None else rank.high,
        "entrant": entrant,
        "score": _finite(score[0]),
        "ci_lo": _finite(score[1]),
        "ci_hi": _finite(score[2]),
        "iqm": _finite(iqm),
        "n_seeds": n_seeds,
        "coverage": coverage.done / coverage.asked if coverage.asked else None,
        "p_vs_leader": _finite(standing.p_leader),
        "provisional": standing.provisional,
        "needs": ", ".join(standing.needs),
        "trust": standing.trust,
    }
    row: dict[str, JsonValue] = plain(values)
    assert tuple(row) == COLUMNS
    return row


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
