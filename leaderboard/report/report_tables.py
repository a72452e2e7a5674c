"""The report's table of how accuracy develops over tasks: loss of plasticity."""

from collections.abc import Iterator, Mapping, Sequence
from math import isnan

import numpy as np

from ...harness.metrics.accuracy import fresh_gap
from ...harness.plural import plural
from ...harness.visible import in_markdown
from ..board.grouping import EntrantRuns, StreamRuns
from ..statistics.inference import summarise
from ..store.result import Result

FRESH = "reset"
"""The entrant that is a fresh network on every task, with the data and budget of all others."""

MOSTLY = 0.5
"""Share of the measured task ends above which a dead network is spoken of."""


def plasticity_table(stream: StreamRuns[Result]) -> Iterator[str]:
    """Yield a Markdown table of how accuracy develops over tasks, one line an entrant.

    The fresh gap takes the entrant `reset` as the freshly initialised copy, seed by seed; without
    it the column says so.
    """
    if all(_tasks(run) < 3 for entrant in stream.entrants for run in entrant.done):
        return
    fresh = next((e.done for e in stream.entrants if e.name == FRESH), ())
    yield (
        "Online accuracy over tasks, mean and 95 % interval over the runs that ended. Loss: best "
        "early tenth of the tasks minus the last tenth. Slope: per 100 tasks (Theil-Sen). Gap to "
        f"fresh: a network that is new on every task (`{FRESH}`, same seeds) minus the entrant.\n"
    )
    yield "| entrant | loss | slope | gap to fresh |"
    yield "|---|---|---|---|"
    for entrant in stream.entrants:
        loss, slope = (_metric(entrant, f"plasticity_{name}") for name in ("loss", "slope"))
        gap = _shown(list(gaps_to_fresh(entrant.done, fresh).values())) if fresh else "no `reset`"
        yield f"| {in_markdown(entrant.label)} | {loss} | {slope} | {gap} |"
    yield ""
    yield from _collapses(stream)


def gaps_to_fresh(runs: Sequence[Result], fresh: Sequence[Result]) -> Mapping[int, float]:
    """Return the mean fresh gap over tasks by seed, for the seeds that both have."""
    by_seed = {run.spec.seed: _online(run) for run in fresh}
    return {
        run.spec.seed: float(np.mean(fresh_gap(by_seed[run.spec.seed], _online(run))))
        for run in runs
        if run.spec.seed in by_seed
    }


def _collapses(stream: StreamRuns[Result]) -> Iterator[str]:
    """Say which entrants were dead for most of a run: nothing is left then that could be lost."""
    for entrant in stream.entrants:
        known = [v for run in entrant.done if (v := run.metrics.get("collapsed")) is not None]
        dead = sum(value > MOSTLY for value in known)
        if dead:
            name = in_markdown(entrant.label)
            yield (
                f"**{name} collapsed in {dead} of {plural(len(known), 'seed')}**: at most "
                "of the task ends that were measured no unit of a whole hidden layer fired on any "
                "sample, so that the network gave one answer to all. There, no loss and no slope "
                "mean that nothing was left to lose.\n"
            )


def _metric(entrant: EntrantRuns[Result], name: str) -> str:
    return _shown([v for run in entrant.done if (v := run.metrics.get(name)) is not None])


def _shown(values: Sequence[float]) -> str:
    if not values:
        return "-"
    summary = summarise(values)
    low, high = summary.interval.low, summary.interval.high
    limits = "" if isnan(low) else f" [{low:+z.3f}, {high:+z.3f}]"
    return f"{summary.mean:+z.3f}{limits}"


def _online(run: Result) -> list[float]:
    return [row["online_accuracy"] for row in run.rows if row["kind"] == "task"]


def _tasks(run: Result) -> int:
    return len(_online(run))
