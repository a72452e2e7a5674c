"""Integration times in the report: how long newborns take to learn as incumbents do."""

from collections.abc import Iterator, Sequence

from ..harness.metrics import integration
from ..harness.metrics.summary import INTEGRATION_QUANTITIES, Row, integration_times
from .curves import cohorts_of
from .grouping import StreamRuns

RHOS = (0.5, 0.8)


def integration_table(stream: StreamRuns) -> Iterator[str]:
    """Yield a Markdown table of integration times, one line an entrant with newborns."""
    curves = {entrant.label: cohorts_of(entrant.done) for entrant in stream.entrants}
    if not any(curves.values()):
        return
    names = [(name, rho) for name in INTEGRATION_QUANTITIES for rho in RHOS]
    yield (
        "Integration time in updates: Kaplan-Meier median over cohorts (pooled as in the parity "
        "figure), and in brackets the share of cohorts that were not seen to integrate. A cohort "
        "has integrated when 5 measurements in a row reach that share of parity.\n"
    )
    yield "| entrant | cohorts | " + " | ".join(f"{n} {rho:g}" for n, rho in names) + " |"
    yield "|---|---|" + "---|" * len(names)
    for label, cohorts in curves.items():
        if cohorts:
            cells = (_cell(cohorts, name, rho) for name, rho in names)
            yield f"| {label} | {len(cohorts)} | " + " | ".join(cells) + " |"
    yield ""


def _cell(cohorts: Sequence[Sequence[Row]], name: str, rho: float) -> str:
    times = integration_times(cohorts, name, rho)
    median, censored = integration.median_time(times), integration.censored_share(times)
    shown = "not reached" if median is None else f"{median:,.0f}"
    return f"{shown} ({censored or 0:.0%})"
