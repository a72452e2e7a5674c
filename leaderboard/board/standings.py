"""What every view shows: the board, as plain values, computed once by `ranking.rank`.

The terminal table, the HTML page, the exports and Weights & Biases all show this one object, so
that they cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from ..statistics.inference import ALPHA, Difference, Interval, Summary

PROVISIONAL_BELOW = 5
"""A standing on fewer seeds is marked as provisional."""
HEADLINE_FROM = 10
"""From this many seeds on a bootstrap interval keeps what it promises; below it is shown grey."""

LEAST_STREAMS = 6
"""With fewer streams a test of ranks over streams can hardly tell anybody apart."""

BESIDE = ("taoa", "acc", "taa")
"""Metrics shown beside the one that ranks, where they say something."""

Lost = Literal["diverged", "failed", "undefined"]
Trust = Literal["self-reported", "own", "reproduced", "verified"]
"""How far results have been checked by running some of them again; see `trust`."""


@dataclass(frozen=True)
class Cost:
    """What an entrant costs: means over its done runs, None where nothing says it."""

    updates: float | None
    flops: float | None
    """Operations of the masked network, products only."""
    seconds: float | None
    """Wall time, on whatever machine the runs were made."""
    tuning_trials: float | None
    """Trials spent on choosing the settings."""


@dataclass(frozen=True)
class Coverage:
    """How the runs that were asked for ended; numbers of runs."""

    done: int
    diverged: int
    failed: int
    undefined: int
    """Done, but without a value of the metric."""
    missing: int
    """Asked for and not run yet."""

    @property
    def asked(self) -> int:
        """All runs."""
        return self.done + self.diverged + self.failed + self.undefined + self.missing

    @property
    def lost(self) -> int:
        """Runs that ended without a value; each counts as the worst case."""
        return self.diverged + self.failed + self.undefined


@dataclass(frozen=True)
class Rank:
    """Where an entrant stands and how sure that is."""

    place: int
    """From 1; shared by those whom the tests do not tell apart from the best of their group."""
    low: int
    """1 + the number of entrants that are significantly better."""
    high: int
    """The number of entrants minus those that are significantly worse."""
    tied: bool
    """Whether others share the place."""


@dataclass(frozen=True)
class Standing:
    """Where one entrant stands on one stream."""

    entrant: str
    """Its label, the same on all streams of a board."""
    rank: Rank | None
    """None by a diagnostic metric, where nothing has ended, and where all runs that are done are
    without a value and none was lost otherwise."""
    summary: Summary | None
    """Over all seeds that ended, lost ones as the worst case; None where nothing counts."""
    values: Mapping[int, float]
    """The metric as measured, by seed."""
    lost: Mapping[int, Lost]
    """Seeds that ended without a value, and why."""
    missing: tuple[int, ...]
    """Seeds asked for that have no result."""
    other_tasks: tuple[int, ...]
    """Seeds on which it was given other tasks than most entrants: paired with nobody's."""
    runs: Mapping[int, str]
    """Fingerprints of the results by seed."""
    difference: Difference | None
    """To the reference; None for the reference itself and where either has no value."""
    p_holm: float
    """P-value of that difference, Holm-corrected over all pairs; NaN where it was not tested."""
    p_leader: float
    """P-value against the best entrant, Holm-corrected over all pairs; NaN where not tested."""
    detectable: float | None
    """Smallest difference to the next of those who share its place that these data would have told
    apart in 80 % of cases; None where it shares none, or the spread is zero or unknown."""
    needs: tuple[str, ...]
    """What the entrant has to be told."""
    cost: Cost
    coverage: Coverage
    trust: Trust
    environment: str
    """Libraries or kind of machine that its runs were made with and most of the stream's were not;
    empty where there are none."""
    beside: Mapping[str, float]
    """Means over done runs of the metrics in `BESIDE`, but for the one that ranks."""

    @property
    def significant(self) -> bool:
        """Whether the difference to the reference is unlikely to be chance, at `ALPHA`."""
        return self.p_holm < ALPHA

    @property
    def provisional(self) -> bool:
        """Whether there are too few seeds to rely on."""
        return len(self.values) < PROVISIONAL_BELOW


@dataclass(frozen=True)
class Pair:
    """Two entrants compared: the first minus the second."""

    first: str
    second: str
    difference: Difference
    p_holm: float
    """Holm-corrected over all pairs of the ranking."""


@dataclass(frozen=True)
class StreamBoard:
    """The standings on one stream, best first."""

    stream: str
    """Its label: with data or results version behind the name where these differ."""
    name: str
    metric: str
    """What its entrants are ranked by."""
    better: Literal["higher", "lower", "diagnostic"]
    settings: Mapping[str, object]
    """All settings of the stream."""
    worst: float | None
    """What a lost seed counts as; None where nobody lost one."""
    anchors: tuple[float, float] | None
    """Values of the metric that become 0 and 1 in the score over streams."""
    reference: str | None
    """The entrant that differences are taken to; None where it has no value on this stream."""
    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    """Every two entrants with values, in the order of the standings."""
    undefined: str | None = None
    """Why runs that are done have no value of the metric; None where all have one."""


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % confidence interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class OverallStanding:
    """Where one entrant stands over all streams."""

    entrant: str
    rank: Rank
    score: Estimate
    """Mean over streams of the normalised means; stratified Welch interval, NaN where some stream
    has fewer than `FEWEST_SEEDS` seeds."""
    iqm: Estimate
    """Interquartile mean of all normalised values; stratified bootstrap interval, NaN as well."""
    by_stream: Mapping[str, float]
    """Normalised mean by stream."""
    p_leader: float
    """P-value against the best entrant, Holm-corrected over all pairs; NaN where not tested."""
    detectable: float | None
    """As of `Standing`, for scores."""
    least_seeds: int
    """Seeds with a value on the stream that has fewest."""
    needs: tuple[str, ...]
    cost: Cost
    """Sums over streams."""
    coverage: Coverage
    trust: Trust
    """The lowest over streams."""

    @property
    def provisional(self) -> bool:
        """Whether some stream has too few seeds to rely on."""
        return self.least_seeds < PROVISIONAL_BELOW


@dataclass(frozen=True)
class Profile:
    """Share of an entrant's runs whose normalised value is above each threshold."""

    entrant: str
    thresholds: tuple[float, ...]
    """From 0 to 1."""
    share: tuple[float, ...]
    low: tuple[float, ...]
    """Lower limits of a pointwise bootstrap band, NaN where the score has no interval."""
    high: tuple[float, ...]


@dataclass(frozen=True)
class Incomplete:
    """An entrant that has no place over all streams, since something is missing."""

    entrant: str
    missing: Mapping[str, tuple[int, ...]]
    """Seeds that were not run, by stream; empty for a stream on which nothing was asked of it, or
    on which the metric says nothing about it."""


@dataclass(frozen=True)
class Overall:
    """The standings over all streams, best first, of those who have ended all their runs."""

    standings: tuple[OverallStanding, ...]
    pairs: tuple[Pair, ...]
    """Differences of scores."""
    profiles: tuple[Profile, ...]
    incomplete: tuple[Incomplete, ...]
    """Everybody else, who is in no test over streams."""
    run: str
    """The command that makes what is missing."""


@dataclass(frozen=True)
class OtherCode:
    """Results that were made with other code than is installed here, as far as that is known."""

    left_out: Mapping[str, int] = field(default_factory=dict)
    """Number of results by entrant that are not shown: those of the code here are, or could be."""
    shown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Number of results by entrant and stream that are shown for want of others."""
    runs: tuple[str, ...] = ()
    """Fingerprints of all that are shown, for want of others or since they were asked for."""
    elsewhere: Mapping[str, int] = field(default_factory=dict)
    """Number of results by entrant on other samples or of another results version, not shown."""

    def __add__(self, other: "OtherCode") -> "OtherCode":
        """Put together what is to be said of two sets of results that share none."""
        names = sorted({*self.shown, *other.shown})
        return OtherCode(
            left_out=_sum(self.left_out, other.left_out),
            shown={
                name: {**self.shown.get(name, {}), **other.shown.get(name, {})} for name in names
            },
            runs=(*self.runs, *other.runs),
            elsewhere=_sum(self.elsewhere, other.elsewhere),
        )


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in sorted({*first, *second})}


@dataclass(frozen=True)
class Board:
    """The standings on every stream and over all of them, by one metric."""

    suite: str
    """Its name, or what the selection is called."""
    metric: str
    """One, or those of the streams with " / " between them."""
    better: Literal["higher", "lower", "diagnostic"]
    """Diagnostic: listed as information, by its value, without places."""
    streams: tuple[StreamBoard, ...]
    overall: Overall | None
    no_overall: str | None
    """Why there is none; None where there is one."""
    head: str | None
    """Hash over the store's journal when the board was made."""
    not_run: tuple[str, ...] = ()
    """Streams asked for on which nothing has a result; they are on no board above."""
    other_code: OtherCode = field(default_factory=OtherCode)
    """What is not shown, or is not of the code that is installed here."""
    unusual: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    """Settings of network and optimiser in which a learner is not the usual one, by fingerprint."""
