"""Suites: files that name streams, entrants and seeds; `quick` comes with the project."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from math import inf, isfinite
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue

from ..errors import BenchError, shortened, unknown_name
from ..metrics import METRICS
from ..names import checked_name
from ..reading import read_file
from ..seeds import LARGEST_SEED
from .grammar import Settings, parse_call, parse_calls
from .named_code import named_code, named_place
from .spec import StrategySpec, StreamSpec, build_settings
from .toml_text import parsed_toml

T = TypeVar("T")

REMEDY = "Correct the file."
LONGEST_SEED = 20
"""Digits, with leading zeros."""
MOST_SEEDS = 10_000
"""A longer list of seeds is taken for a slip."""


@dataclass(frozen=True)
class EntrantRequest:
    """An entrant as it was asked for: what is not said is up to the stream."""

    name: str | None
    """None names it by its strategies."""
    strategies: tuple[StrategySpec, ...]
    network: Settings = field(default_factory=dict, hash=False)
    optimizer: Settings = field(default_factory=dict, hash=False)
    tuning_trials: int | None = None
    """Trials spent on choosing its settings; None where the suite's number holds."""


@dataclass(frozen=True)
class Suite:
    """Which entrants to run on which streams with which seeds, before settings are resolved."""

    name: str
    description: str
    streams: tuple[StreamSpec, ...]
    entrants: tuple[EntrantRequest, ...]
    seeds: tuple[int, ...]
    metric: str | None = None
    """Entrants are ranked by it unless another is asked for; None: by each stream's own metric."""
    anchors: Mapping[StreamSpec, tuple[float, float]] = field(default_factory=dict, hash=False)
    """Values of that metric that become 0 and 1 in the score over streams, by stream."""
    tolerance: float = 0.01
    """How far that metric may be from what was reported when a run is made again."""
    tolerances: Mapping[StreamSpec, float] = field(default_factory=dict, hash=False)
    """The same on streams on which tiny differences of rounding grow into large ones."""
    tuning_trials: int | None = None
    """Trials spent on choosing the settings of every entrant that says nothing else."""
    network: Settings = field(default_factory=dict, hash=False)
    """For all entrants, over what the stream says."""
    optimizer: Settings = field(default_factory=dict, hash=False)
    """For all entrants, over what the stream says."""


@dataclass(frozen=True, kw_only=True)
class _File:
    """What a suite file holds."""

    name: str
    description: str
    streams: list[str]
    entrants: list[str | dict[str, JsonValue]]
    seeds: str | list[int]
    metric: str | None = None
    anchors: dict[str, tuple[float, float]] = field(default_factory=dict)
    tolerance: float = 0.01
    tolerances: dict[str, float] = field(default_factory=dict)
    tuning_trials: int | None = None
    network: dict[str, JsonValue] = field(default_factory=dict)
    optimizer: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _EntrantTable:
    """An entrant in a suite file that has more than strategies."""

    strategies: str
    name: str | None = None
    network: dict[str, JsonValue] = field(default_factory=dict)
    optimizer: dict[str, JsonValue] = field(default_factory=dict)
    tuning_trials: int | None = None


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read seeds: "0:10" is 0 to 9, "0,1,5" and "3" name single ones, "0:5,100" does both.

    Raises:
        BenchError: a part is not a number or a range, a range is empty, or a seed comes twice.
    """
    seeds: list[int] = []
    for part in text.split(","):
        seeds += _seed_range(part.strip(), text)
    return _checked_seeds(seeds, text)


def parse_stream(text: str) -> StreamSpec:
    """Read a stream, for example `permuted-digits(tasks=50)`."""
    call = parse_call(text, "stream")
    return StreamSpec(call.name, call.settings)


def parse_entrant(text: str) -> EntrantRequest:
    """Read an entrant, for example `grow(compactness=0.2)+shrink-perturb`."""
    calls = parse_calls(text, "entrant")
    return EntrantRequest(None, tuple(StrategySpec(call.name, call.settings) for call in calls))


def suite_names() -> list[str]:
    """Return the names of the suites that come with the project."""
    return sorted(_stem(file) for file in _folder().iterdir() if file.name.endswith(".toml"))


def load_suite(name: str, *, trust: bool = False) -> Suite:
    """Return a suite by its name, or from the path of a `.toml` file.

    Args:
        name: or path.
        trust: whether streams of a file may be made by code that the file names, and of files in
            places that it names.

    Raises:
        BenchError: there is no such suite or file, or it says something that is not allowed.
    """
    if name in suite_names():
        return read_suite((_folder() / f"{name}.toml").read_text(encoding="utf-8"), name)
    path = Path(name)
    if path.suffix != ".toml":
        remedy = "Name one of these or give the path of a .toml file."
        raise unknown_name("suite", name, suite_names(), remedy)
    try:
        suite = read_suite(read_file(path).decode("utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BenchError(
            f"the suite file {name} cannot be read: {reason}. Check its path."
        ) from error
    if not trust:
        _check_trust(suite, name)
    return suite


def _check_trust(suite: Suite, where: str) -> None:
    for stream in suite.streams:
        code, place = named_code(stream), named_place(stream)
        if code or place:
            what = f"code, {code}" if code else f"a place on this machine, {place}"
            raise BenchError(
                f"a stream of the suite file {where} names {what}, and nothing that a file names "
                "is executed. If you know the file and that code, add --trust; or name the stream "
                "yourself with --stream."
            )


def read_suite(text: str, where: str) -> Suite:
    """Read the text of a suite file; `where` names it in errors."""
    content = parsed_toml(text, f"the suite file {where}", REMEDY)
    what = f"suite {where}"
    file = build_settings(_File, content, what, remedy=REMEDY)
    seeds = file.seeds
    return Suite(
        name=checked_name(file.name, f"the name of {what}", REMEDY),
        description=file.description,
        streams=_filled("streams", [parse_stream(stream) for stream in file.streams], what),
        entrants=_filled("entrants", [_entrant(entry, what) for entry in file.entrants], what),
        seeds=parse_seeds(seeds) if isinstance(seeds, str) else _checked_seeds(seeds, str(seeds)),
        metric=file.metric,
        anchors=_anchors(file, what),
        tolerance=_positive("tolerance", file.tolerance, what),
        tolerances=_tolerances(file, what),
        tuning_trials=file.tuning_trials,
        network=file.network,
        optimizer=file.optimizer,
    )


def _entrant(entry: str | Mapping[str, JsonValue], what: str) -> EntrantRequest:
    if isinstance(entry, str):
        return parse_entrant(entry)
    table = build_settings(_EntrantTable, entry, f"an entrant of {what}", remedy=REMEDY)
    if table.name is not None:
        checked_name(table.name, f"the name of an entrant of {what}", REMEDY)
    strategies = parse_entrant(table.strategies).strategies
    return EntrantRequest(
        table.name, strategies, table.network, table.optimizer, table.tuning_trials
    )


def _better(name: str, what: str) -> str | None:
    """Return which way of a metric is better, None of one that is not known: resolving says so."""
    if name not in METRICS:
        return None
    if METRICS[name].better == "diagnostic":
        ranking = [known for known, metric in METRICS.items() if metric.better != "diagnostic"]
        raise BenchError(
            f"the metric of {what}, {name}, is diagnostic: it explains a rank and makes none. "
            f"Rank by one of: {', '.join(ranking)}."
        )
    return METRICS[name].better


def _anchors(file: _File, what: str) -> dict[StreamSpec, tuple[float, float]]:
    better = None if file.metric is None else _better(file.metric, what)
    for stream, (worst, best) in file.anchors.items():
        _check_stream("anchors", stream, file, what)
        if worst == best or not (isfinite(worst) and isfinite(best)):
            raise BenchError(
                f"the anchors of {stream} in {what} are {worst} and {best}. Give the metric's "
                "value that becomes 0 and another one that becomes 1."
            )
        if better and (best > worst) != (better == "higher"):
            raise BenchError(
                f"the anchors of {stream} in {what} are {worst} and {best}, and {better} is better "
                f"by {file.metric}: the worse value comes first. Turn them round."
            )
    return {parse_stream(stream): anchors for stream, anchors in file.anchors.items()}


def _tolerances(file: _File, what: str) -> dict[StreamSpec, float]:
    for stream, tolerance in file.tolerances.items():
        _check_stream("a tolerance", stream, file, what)
        _positive(f"the tolerance on {stream}", tolerance, what)
    return {parse_stream(stream): tolerance for stream, tolerance in file.tolerances.items()}


def _check_stream(having: str, stream: str, file: _File, what: str) -> None:
    if stream not in file.streams:
        remedy = f"Write a stream of {what} as in its streams."
        raise unknown_name(f"stream with {having}", stream, file.streams, remedy)


def _positive(name: str, value: float, what: str) -> float:
    if not 0 < value < inf:
        raise BenchError(f"{name} = {value} in {what} is not a number above 0. Correct it.")
    return value


def _filled(name: str, parts: Sequence[T], what: str) -> tuple[T, ...]:
    if not parts:
        raise BenchError(f"{what} has no {name}. Name at least one.")
    return tuple(parts)


def _seed_range(part: str, text: str) -> range:
    first, colon, end = part.partition(":")
    if not first.isdecimal() or (colon and not end.isdecimal()):
        raise BenchError(
            f"'{shortened(part)}' in the seeds '{shortened(text)}' is not a seed or a range. "
            f"{_SEEDS}"
        )
    if max(len(first), len(end)) > LONGEST_SEED:
        raise BenchError(f"a seed of the seeds '{shortened(text)}' has too many digits. {_SEEDS}")
    start = int(first)
    stop = int(end) if colon else start + 1
    if not 0 < stop - start <= MOST_SEEDS:
        raise BenchError(
            f"the range '{part}' in the seeds '{text}' has {max(0, stop - start):,} seeds, and "
            f"1 to {MOST_SEEDS:,} are allowed; the end is left out. {_SEEDS}"
        )
    return range(start, stop)


def _checked_seeds(seeds: Sequence[int], text: str) -> tuple[int, ...]:
    if not seeds or min(seeds) < 0 or max(seeds) > LARGEST_SEED:
        raise BenchError(
            f"the seeds '{shortened(text)}' are not whole numbers from 0 to {LARGEST_SEED}. "
            f"{_SEEDS}"
        )
    seed, times = Counter(seeds).most_common(1)[0]
    if times > 1:
        raise BenchError(f"seed {seed} is named {times} times in '{text}'. {_SEEDS}")
    return tuple(seeds)


_SEEDS = "Write for example 0:10 (0 to 9), 0,1,5 or 0:5,100."


def _folder() -> Traversable:
    return files(f"{__name__.split('.')[0]}.leaderboard") / "suites"


def _stem(file: Traversable) -> str:
    return file.name.removesuffix(".toml")
