"""All that the page shows, as plain JSON: the board, and what is behind each of its numbers."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

from ...harness.fingerprint import canonical
from ...harness.metrics import METRICS
from ..board.grouping import EntrantRuns, Marks, StreamRuns, grouped
from ..board.standings import HEADLINE_FROM, LEAST_STREAMS, PROVISIONAL_BELOW, Board
from ..board.table import as_json
from ..statistics.inference import ALPHA, CONFIDENCE
from ..store.result import Result, plain
from .lines import Json, learning_curves, parity, survival

DIGITS = 5
"""Significant digits of every number on the page but those that are only drawn."""
DRAWN_DIGITS = 4
"""Significant digits of curves."""

RUN_FIELDS = (
    "seed",
    "status",
    "reason",
    "value",
    "updates",
    "seconds",
    "environment",
    "fingerprint",
)
"""Columns of the list of runs; environment is a position in the page's list of them."""


def page_data(board: Board, results: Iterable[Result], built: datetime) -> Json:
    """Return what the page shows; finite numbers of `DIGITS` digits, names as they are.

    Args:
        board: the ranking.
        results: with their rows; those on streams that the board has not are left out.
        built: when the board was made.
    """
    runs = {
        stream.label: stream
        for stream in grouped(results, Marks(board.other_code.runs, board.unusual))
    }
    known = _Known()
    behind = [_behind(runs.get(stream.stream), stream.metric, known) for stream in board.streams]
    return {
        "format": 1,
        "built": built.isoformat(timespec="seconds"),
        "version": version("plasticity-bench"),
        "alpha": ALPHA,
        "confidence": CONFIDENCE,
        "provisional_below": PROVISIONAL_BELOW,
        "headline_from": HEADLINE_FROM,
        "metric": _metric(board.metric),
        "entrants": {label: identity(label) for label in labels(board)},
        "streams": {stream.stream: identity(stream.stream) for stream in board.streams},
        "board": _packed(as_json(board)),
        "ranks": _ranks(board),
        "behind": behind,
        "settings": known.settings,
        "environments": known.environments,
        "run_fields": list(RUN_FIELDS),
    }


def labels(board: Board) -> list[str]:
    """Return every entrant of the board once, best first where there is an overall ranking."""
    overall = board.overall.standings if board.overall else ()
    found = [standing.entrant for standing in overall]
    found += [standing.entrant for stream in board.streams for standing in stream.standings]
    return list(dict.fromkeys(found))


def identity(name: str) -> str:
    """Return what stands for a name in element ids and addresses: 10 digits of its hash."""
    return hashlib.sha256(name.encode()).hexdigest()[:10]


def rounded(value: Any, digits: int = DIGITS) -> Any:
    """Return JSON values with every float cut to so many significant digits.

    A p-value that this would put onto the level of the tests stays as it is: which side of it the
    value is on is the verdict.
    """
    match value:
        case float():
            short = float(f"{value:.{digits}g}")
            if short == ALPHA:
                return value
            return int(short) if short.is_integer() else short
        case Mapping():
            return {key: rounded(part, digits) for key, part in value.items()}
        case list() | tuple():
            return [rounded(part, digits) for part in value]
        case _:
            return value


class _Known:
    """Settings and environments, each kept once: most runs share them."""

    def __init__(self) -> None:
        self.settings: list[Any] = []
        self.environments: list[Any] = []
        self._places: dict[bytes, int] = {}

    def place(self, values: list[Any], value: Any) -> int:
        """Return where in the list the value is, after adding it if it is new."""
        key = bytes(str(id(values)), "ascii") + canonical(value)
        if key not in self._places:
            self._places[key] = len(values)
            values.append(value)
        return self._places[key]


def _ranks(board: Board) -> Json | None:
    """Return the diagram of mean ranks over streams as a picture, None where there is none."""
    if board.overall is None or len(board.streams) < LEAST_STREAMS:
        return None
    from ..report.critical_difference import (  # takes a second to import
        CAPTION,
        diagram,
        mean_ranks,
    )
    from ..report.pictures import svg

    figure = diagram(board.overall)
    if figure is None:
        return None
    return {
        "picture": f"data:image/svg+xml;base64,{base64.b64encode(svg(figure)).decode()}",
        "means": rounded(mean_ranks(board.overall).to_dict()),
        "caption": CAPTION,
    }


def _metric(name: str) -> Json:
    metric = METRICS.get(name)
    if metric is None:
        return {"name": name, "unit": "", "description": "", "source": ""}
    return {
        "name": name,
        "unit": metric.unit,
        "description": metric.description,
        "source": metric.source,
    }


def _behind(stream: StreamRuns[Result] | None, metric: str, known: _Known) -> Json:
    """Return curves and runs of one stream, by the entrants' labels."""
    if stream is None:
        return {"curves": None, "parity": {}, "survival": [], "entrants": {}}
    drawn = {
        "curves": learning_curves(stream),
        "parity": parity(stream),
        "survival": survival(stream),
    }
    entrants = {entrant.label: _entrant(entrant, metric, known) for entrant in stream.entrants}
    return {
        **rounded(plain(drawn), DRAWN_DIGITS),
        "entrants": rounded(plain(entrants)),
    }


def _entrant(entrant: EntrantRuns[Result], metric: str, known: _Known) -> Json:
    first = entrant.runs[0]
    return {
        "settings": known.place(known.settings, first.spec.entrant.model_dump()),
        "sources": known.place(known.settings, first.sources.model_dump(exclude_none=True)),
        "results_version": first.results_version,
        "runs": [_run(run, metric, known) for run in entrant.runs],
    }


def _run(run: Result, metric: str, known: _Known) -> list[Any]:
    """Return the values of `RUN_FIELDS`."""
    return [
        run.spec.seed,
        run.status,
        run.reason,
        run.metrics.get(metric),
        run.metrics.get("updates"),
        run.metrics.get("seconds"),
        known.place(known.environments, run.environment),
        run.fingerprint,
    ]


def _packed(board: Json) -> Json:
    """Return the board's JSON with pairs as rows of numbers: there are many of them."""
    for stream in board["streams"]:
        stream["pairs"] = _pairs(stream["pairs"], stream["standings"])
        for standing in stream["standings"]:
            del standing["runs"]  # the list of runs has them
    if board["overall"]:
        overall = board["overall"]
        overall["pairs"] = _pairs(overall["pairs"], overall["standings"])
    return dict(rounded(board))


def _pairs(pairs: Sequence[Json], standings: Sequence[Json]) -> Json:
    """Return pairs as a table; first and second are positions in the list of standings."""
    place = {standing["entrant"]: number for number, standing in enumerate(standings)}
    flat = [_flat(pair) for pair in pairs]
    return {
        "columns": list(flat[0]) if flat else [],
        "rows": [
            [place[pair["first"]], place[pair["second"]], *list(pair.values())[2:]] for pair in flat
        ],
    }


def _flat(pair: Json) -> Json:
    difference = dict(pair["difference"])
    interval = difference.pop("interval")
    return {
        "first": pair["first"],
        "second": pair["second"],
        **difference,
        **interval,
        "p_holm": pair["p_holm"],
    }
