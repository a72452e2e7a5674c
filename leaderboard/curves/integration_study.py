"""Integration time for a whole study: every cohort of every entrant, and tests between entrants.

One cohort's time is defined in `harness.metrics.integration`. Here the cohorts of a stream's
entrants are gathered, small ones pooled over seeds as everywhere, and compared.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ...harness.metrics.integration import (
    Ending,
    IntegrationTime,
    censored_share,
    integration_time,
    kaplan_meier,
    median_time,
    next_measured_age,
    restricted_mean,
)
from ...harness.metrics.pooling import pooled_curves
from ...harness.metrics.summary import (
    INTEGRATION_QUANTITIES,
    Row,
    cohort_curves,
    integration_time_of,
)
from ...harness.metrics.table import INTEGRATION_RHOS
from ..board.grouping import EntrantRuns, StreamRuns
from ..store.result import Result

QUESTIONS = tuple((name, rho) for name in INTEGRATION_QUANTITIES for rho in INTEGRATION_RHOS)
"""Every quantity and share of parity that integration is asked for."""


@dataclass(frozen=True)
class Cohort:
    """Newborns of one layer and birth, of one run; or of all seeds where they are few."""

    layer: str
    birth: int
    """Update after which they were born."""
    order: int
    """1 for the first birth of its layer in the run, 2 for the next."""
    rows: Sequence[Row]
    """Its measurements in the order of age; at least one."""
    ended: Ending
    """What ended the observation; of pooled seeds, what ended that of the first to end."""

    @cached_property
    def times(self) -> Mapping[tuple[str, float], IntegrationTime]:
        """Integration time by quantity and share of parity."""
        return {
            (name, rho): integration_time_of(self.rows, name, self.ended, rho)
            for name, rho in QUESTIONS
        }

    @cached_property
    def followed(self) -> float:
        """Last age in updates at which it could have been seen to integrate; 0 if at none."""
        ages = [row["age"] for row in self.rows]
        return integration_time(ages, [0.0] * len(ages), self.ended).age


def cohorts_in(runs: Sequence[Result]) -> list[Cohort]:
    """Return the cohorts of one entrant's runs that were born during training, small ones pooled.

    Cohorts born before the first update are left out: their incumbents are as new as they are.
    """
    facts: dict[tuple[str, int], dict[int, _Facts]] = defaultdict(dict)
    tagged = []
    for number, run in enumerate(runs):
        rows = [row for row in run.rows if row["kind"] == "cohort" and row["birth"] != 0]
        for place, fact in _facts(run.rows, rows):
            facts[place][number] = fact
        tagged.append([{**row, "run": number} for row in rows])
    cohorts = []
    for curve in pooled_curves(tagged):
        place = curve[0]["layer"], curve[0]["birth"]
        known = facts[place]
        # The rows of a cohort that stands alone say whose it is; pooled ones do not.
        whose = curve[0].get("run", min(known, key=lambda number: known[number].last_age))
        cohorts.append(Cohort(*place, known[whose].order, curve, known[whose].ended))
    return cohorts


@dataclass(frozen=True)
class _Facts:
    """What a run's other rows say about a cohort."""

    order: int
    last_age: int
    ended: Ending


def _facts(
    rows: Sequence[Row], measured: Sequence[Row]
) -> Iterator[tuple[tuple[str, int], _Facts]]:
    edits: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["kind"] == "edit" and row.get("layer") is not None:
            edits[row["layer"]].append(row)
    end = max((row["step"] for row in rows if row["kind"] == "task"), default=0)
    births: dict[str, list[int]] = defaultdict(list)
    for curve in cohort_curves(measured):
        layer, birth, last_age = curve[0]["layer"], curve[0]["birth"], curve[-1]["age"]
        births[layer].append(birth)
        ended = _ending(edits[layer], birth, last_age, end)
        yield (layer, birth), _Facts(len(births[layer]), last_age, ended)


def _ending(edits: Sequence[Row], birth: int, last_age: int, end: int) -> Ending:
    """Tell what ended a cohort's observation, from the edits of its layer.

    It died where the layer's next edit pruned or rewrote all of its units, and where a measurement
    is missing that was due before that edit or the end: then all weights were restarted.
    """
    following = min((edit["step"] for edit in edits if edit["step"] > birth), default=None)
    due = birth + next_measured_age(last_age)
    if due < (end if following is None else following):
        return "death"
    if following is None:
        return "end of run"
    born = _units(edits, birth, ("grow", "reset"))
    lost = _units(edits, following, ("prune", "reset"))
    return "death" if born and born <= lost else "edit"


def _units(edits: Sequence[Row], step: int, kinds: Sequence[str]) -> set[int]:
    units: set[int] = set()
    for edit in edits:
        if edit["step"] == step and edit["edit"] in kinds:
            units.update(edit["units"])
    return units


@dataclass(frozen=True)
class Pace:
    """How fast a group of cohorts integrates, by one quantity at one share of parity."""

    cohorts: int
    median: float | None
    """Kaplan-Meier median in updates; None: not reached."""
    mean: float | None
    """Restricted mean in updates up to the common horizon; None where nothing is known."""
    bounded: bool
    """Whether the mean is an upper bound: the group was not followed up to the horizon."""
    censored: float
    """Share of cohorts not seen to integrate."""
    overshooting: float
    """Share of cohorts with a measurement above 1 / rho."""


def pace(cohorts: Sequence[Cohort], question: tuple[str, float], horizon: float) -> Pace:
    """Sum up at least one cohort.

    Args:
        cohorts: of one group.
        question: quantity and share of parity.
        horizon: updates, as of `EntrantStudy.followed`; 0 where nobody was followed.
    """
    times = [cohort.times[question] for cohort in cohorts]
    mean = restricted_mean(times, horizon) if horizon > 0 else None
    curve = kaplan_meier(times)
    followed = max(cohort.followed for cohort in cohorts)
    all_in = len(curve.not_integrated) and not curve.not_integrated[-1]
    return Pace(
        cohorts=len(times),
        median=median_time(times),
        mean=mean,
        bounded=mean is not None and followed < horizon and not all_in,
        censored=censored_share(times) or 0.0,
        overshooting=sum(time.overshoots > 0 for time in times) / len(times),
    )


Key = tuple[int, str | None]
"""Seed and digest of the tasks: where either differs, runs are not paired."""


@dataclass(frozen=True)
class EntrantStudy:
    """All cohorts of one entrant on one stream."""

    label: str
    cohorts: Sequence[Cohort]
    """Of all seeds, small ones pooled."""
    by_run: Mapping[Key, Sequence[Cohort]]
    """Those of each run alone; runs without any are left out."""

    @property
    def followed(self) -> float:
        """The longest age to which each run could follow at least one of its cohorts."""
        longest = [max(c.followed for c in own) for own in self.by_run.values()]
        return min((age for age in longest if age > 0), default=0.0)


@dataclass(frozen=True)
class Study:
    """Integration time on one stream."""

    entrants: Sequence[EntrantStudy]
    """Those with newborns."""
    horizon: float
    """Updates up to which mean integration times are taken: the longest age to which every run of
    every entrant followed at least one of its cohorts. 0 where none could be followed."""


def study_of(stream: StreamRuns[Result]) -> Study:
    """Gather the cohorts of every entrant that has newborns."""
    studies = [study for one in stream.entrants if (study := _entrant(one)).cohorts]
    return Study(studies, min((s.followed for s in studies if s.followed > 0), default=0.0))


def _entrant(entrant: EntrantRuns[Result]) -> EntrantStudy:
    own = {(run.spec.seed, run.stream_digest): cohorts_in([run]) for run in entrant.done}
    return EntrantStudy(
        entrant.label,
        cohorts_in(entrant.done),
        {key: cohorts for key, cohorts in own.items() if cohorts},
    )


MOST_GROUPS = 10
"""Births of more moments than this are gathered into as many groups."""


def groups(cohorts: Sequence[Cohort]) -> dict[str, list[Cohort]]:
    """Sort an entrant's cohorts into all, those of each layer, and those of each birth in order."""
    found: dict[str, list[Cohort]] = {"all": list(cohorts)}
    layers = list(dict.fromkeys(cohort.layer for cohort in cohorts))
    if len(layers) > 1:
        found |= _by(cohorts, lambda cohort: f"layer {cohort.layer}")
    last = max((cohort.order for cohort in cohorts), default=0)
    if last > 1:
        width = -(-last // MOST_GROUPS)
        found |= _by(
            sorted(cohorts, key=lambda cohort: cohort.order),
            lambda cohort: _births((cohort.order - 1) // width * width + 1, width, last),
        )
    return found


def _births(first: int, width: int, last: int) -> str:
    final = min(first + width - 1, last)
    return f"birth {first}" if first == final else f"births {first}-{final}"


def _by(cohorts: Sequence[Cohort], name: Callable[[Cohort], str]) -> dict[str, list[Cohort]]:
    found: dict[str, list[Cohort]] = defaultdict(list)
    for cohort in cohorts:
        found[name(cohort)].append(cohort)
    return dict(found)
