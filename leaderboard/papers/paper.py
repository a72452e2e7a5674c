"""What a paper printed, and which runs stand for it: papers, tables, rows, entries, variants."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from ...harness.metrics import METRICS
from ...harness.specs.grammar import Settings
from ...harness.specs.spec import StreamSpec
from ...harness.specs.suite import EntrantRequest, parse_seeds

Scale = Literal["paper", "half", "smoke"]
"""As printed; with fewer passes or tasks; or so small that it says only that everything runs."""

SCALES: tuple[Scale, ...] = get_args(Scale)

PERCENT = 100.0
"""Results are shares; printed numbers and everything in a report are per cent."""

DIFFERENCES = frozenset({"delta_wt_cycle"})
"""Metrics that are differences of shares: points of per cent."""

WINDOWED = frozenset({"early_task_accuracy"})
"""Metrics over a window that the paper does not state: ours is another, so none is judged."""

Targets = Mapping[str, Settings]
"""Settings by what they belong to: stream, network, optimizer, or a strategy's name."""


@dataclass(frozen=True)
class Printed:
    """A printed number."""

    value: float
    """Per cent, or points of per cent."""
    half_width: float | None
    """At least 0, in the same unit; None where the number is printed alone."""
    source: Literal["printed", "bound", "range", "alone"]
    """What the half-width is: of the 95 % interval printed beside the number; a bound that is
    printed for many numbers at once; half of a range of which this is the middle; nothing."""

    @property
    def shown_half_width(self) -> float | None:
        """What a figure may draw around it: not a bound, which is of other numbers as well."""
        return self.half_width if self.source in ("printed", "range") else None

    def off(self, value: float) -> float:
        """Return how far a value is from the number: above it, or below; of a range, its ends."""
        ends = self.half_width if self.source == "range" and self.half_width else 0.0
        if abs(value - self.value) <= ends:
            return 0.0
        return value - self.value - (ends if value > self.value else -ends)


@dataclass(frozen=True)
class Margin:
    """By how much two values of a metric may differ and still mean the same."""

    points: float
    """Of per cent, above 0."""
    why: str
    """The reason for it, one sentence."""


@dataclass(frozen=True)
class Entry:
    """What one printed number, or several of one run, are of: a method at one compactness."""

    method: str
    """As the paper calls it; for what it has not, a plain name."""
    compactness: float | None
    """Share of the weights that is alive at the end; None where the method has none."""
    entrants: tuple[EntrantRequest, ...]
    """One; or several where what is printed is the mean over them."""
    printed: Mapping[str, Printed] = field(default_factory=dict, hash=False)
    """By metric; empty for what the paper does not have."""
    settings: Targets = field(default_factory=dict, hash=False)
    """Over those of the row."""
    width: float = 1.0
    """Factor on the width of every hidden layer, in (0, 1]."""
    control: bool = False
    """Whether it is a control that the paper lacks."""

    @property
    def label(self) -> str:
        """The method, and its compactness where it has one."""
        if self.compactness is None:
            return self.method
        return f"{self.method} {self.compactness * PERCENT:g} %"


@dataclass(frozen=True)
class Changes:
    """What a variant or a scale changes."""

    about: str = ""
    """One sentence: what it is and why it is plausible."""
    stream: StreamSpec | None = None
    """Instead of the row's."""
    settings: Targets = field(default_factory=dict, hash=False)
    """Over those of the row and the entry, as far as there is what they belong to."""
    append: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Strategies that join an entrant, by the strategy that it has to have."""
    methods: Mapping[str, Targets] = field(default_factory=dict, hash=False)
    """Settings of single methods, over all others."""
    elsewhere: Mapping[str, str] = field(default_factory=dict, hash=False)
    """As that of the row, and over it; an empty sentence takes back what the row says."""


@dataclass(frozen=True)
class Row:
    """A stream of a table, with the entries on it."""

    name: str
    stream: StreamSpec
    entries: tuple[Entry, ...]
    metrics: tuple[str, ...]
    """Those printed, and those shown beside them."""
    variants: Mapping[str, Changes] = field(hash=False)
    """Plausible ways to fill in what the source leaves open; the first is the default."""
    scales: Mapping[Scale, Changes] = field(hash=False)
    settings: Targets = field(default_factory=dict, hash=False)
    claims: tuple[str, ...] = ()
    """Claims that its results are for, as "C1"."""
    notes: str = ""
    elsewhere: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By claim, one sentence: how this setting differs from the one that the claim is about."""

    @property
    def numbers(self) -> int:
        """How many numbers are printed in it."""
        return sum(len(entry.printed) for entry in self.entries)


@dataclass(frozen=True)
class Table:
    """A table of a paper."""

    name: str
    title: str
    origin: str
    """Which table of the paper it is, or that its name is ours."""
    rows: Mapping[str, Row] = field(hash=False)


@dataclass(frozen=True)
class Paper:
    """A paper with the tables that can be repeated."""

    name: str
    source: str
    """Authors, year, title."""
    seeds: str
    """As many as its means and intervals are over, as a command takes them."""
    tables: Mapping[str, Table] = field(hash=False)
    margins: Mapping[str, Margin] = field(hash=False)
    """By metric: all that are printed and judged have one, and those that claims need."""

    @property
    def seed_count(self) -> int:
        """How many values a printed mean and its interval are over."""
        return len(parse_seeds(self.seeds))


def metric_title(metric: str) -> str:
    """Return what a metric is called in a report."""
    return _TITLES.get(metric, metric.replace("_", " "))


def is_parity(metric: str) -> bool:
    """Tell whether a metric is a ratio of newborns to incumbents, averaged as shares."""
    return metric.startswith("parity_")


def metric_unit(metric: str) -> str:
    """Return the unit in which a report shows a metric."""
    if metric in DIFFERENCES:
        return "points"
    known = METRICS.get(metric)
    return "%" if known is None or known.unit == "share" else known.unit


_TITLES = {
    "acc": "cycle ACC",
    "taa": "cycle TAA",
    "wt_acc": "ticket ACC",
    "wt_taa": "ticket TAA",
    "delta_wt_cycle": "ticket minus cycle",
    "taoa": "TAOA",
    "early_task_accuracy": "early in a task",
}
