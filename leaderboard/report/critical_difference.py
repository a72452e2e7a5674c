"""The critical-difference diagram: mean ranks over streams, and who is not told apart by them."""

import pandas as pd
import scikit_posthocs
from matplotlib.figure import Figure

from ..board.standings import LEAST_STREAMS, Overall
from ..statistics.inference import ALPHA
from .pictures import look
from .styles import drawn

CAPTION = (
    f"Bars join entrants whom Nemenyi's test does not tell apart at {ALPHA:.0%}, streams as blocks."
)
LONGEST_NAME = 40
"""Characters of a name in the diagram."""


def mean_ranks(overall: Overall) -> pd.Series:
    """Return every entrant's mean rank over streams, 1 is best; equal scores share their ranks."""
    return _scores(overall).rank(axis=1, ascending=False).mean()


def rank_tests(overall: Overall) -> pd.DataFrame:
    """Return the p-value of every two entrants by Nemenyi's test after Friedman's.

    Streams are the blocks. Source: Demsar 2006, "Statistical Comparisons of Classifiers over
    Multiple Data Sets".
    """
    scores = _scores(overall).reset_index(drop=True)
    return pd.DataFrame(scikit_posthocs.posthoc_nemenyi_friedman(scores))


def diagram(overall: Overall) -> Figure | None:
    """Draw the diagram: bars join entrants whom `rank_tests` does not tell apart at `ALPHA`.

    Returns:
        None for fewer than `LEAST_STREAMS` streams or three entrants, where it says nothing.
    """
    entrants = overall.standings
    if len(entrants) < 3 or len(entrants[0].by_stream) < LEAST_STREAMS:
        return None
    with look():
        figure = Figure(figsize=(8, 1.2 + 0.3 * len(entrants)), layout="constrained")
        axes = figure.subplots()
        names = dict(zip(_scores(overall), _names(overall), strict=True))
        ranks, tests = mean_ranks(overall), rank_tests(overall)
        scikit_posthocs.critical_difference_diagram(
            ranks.rename(names), tests.rename(index=names, columns=names), alpha=ALPHA, ax=axes
        )
        axes.set_title("mean rank over streams, 1 is best", fontsize=10)
    return figure


def _scores(overall: Overall) -> pd.DataFrame:
    """Return streams by entrants."""
    return pd.DataFrame({s.entrant: s.by_stream for s in overall.standings})


def _names(overall: Overall) -> list[str]:
    """Return short names in which nothing is hidden, each once."""
    names = [standing.entrant for standing in overall.standings]
    short = [n if len(n) <= LONGEST_NAME else f"{n[: LONGEST_NAME - 1]}…" for n in names]
    alike = len(set(short)) < len(short)
    numbered = [f"{number}. {name}" for number, name in enumerate(short, 1)] if alike else short
    return list(map(drawn, numbered))
