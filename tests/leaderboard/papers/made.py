"""Made-up measurements for claims and verdicts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from plasticity_bench.leaderboard.papers.measured import Measured
from plasticity_bench.leaderboard.papers.paper import Margin, Paper

NOISE = (0.0, 0.001, -0.001, 0.002, -0.002)


def entry(
    method: str,
    compactness: float | None = None,
    row: str = "mnist-iid",
    cohorts: Mapping[int, Sequence[Mapping[str, Any]]] | None = None,
    seeds: int = 5,
    network: str = "mlp",
    **means: float,
) -> Measured:
    """Make an entry whose seeds are a little apart, alike for every metric and entry."""
    metrics: dict[int, dict[str, float | None]] = {
        seed: {name: mean + NOISE[seed] for name, mean in means.items()} for seed in range(seeds)
    }
    margins: dict[str, float] = dict.fromkeys(("wt_acc", "wt_taa"), 0.006)
    return Measured(
        row, method, compactness, metrics, dict(cohorts or {}), margins=margins, network=network
    )


def paper(margin: float = 1.0, seeds: str = "0:10") -> Paper:
    """Make a paper that prints means over some seeds, with one margin in points for all metrics."""
    metrics = ("acc", "taa", "taoa", "delta_wt_cycle")
    return Paper("made", "", seeds, {}, dict.fromkeys(metrics, Margin(margin, "made up")))


def values(mean: float, half_width: float, count: int) -> dict[int, float]:
    """Make shares by seed whose mean and 95 % half-width, in per cent, are those given."""
    places = np.arange(count) - (count - 1) / 2
    error = places.std(ddof=1) / count**0.5 * stdtrit(count - 1, 0.975)
    return dict(enumerate(((mean + places * half_width / error) / 100).tolist()))


def cohort(
    births: Sequence[int], activation: float, gradient: float | None, rise: float = 0.0
) -> list[dict[str, Any]]:
    """Make the rows of cohorts of one layer; gradient parity rises by `rise` from age to age.

    None where incumbents are silent.
    """
    return [
        {
            "kind": "cohort",
            "layer": "hidden1",
            "birth": birth,
            "age": age,
            "activation": activation,
            "gradient": None if gradient is None else gradient + rise * place,
        }
        for birth in births
        for place, age in enumerate((0, 1, 2, 5, 10))
    ]
