"""How often the intervals hold the truth: simulated boards, normal noise, 95 % promised."""

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np
import pytest

from plasticity_bench.leaderboard.statistics.inference import (
    Interval,
    difference_moments,
    moments,
    stratified,
    summarise,
)
from plasticity_bench.leaderboard.statistics.resampling import interquartile_mean, iqm_interval

pytestmark = pytest.mark.slow

BOARDS = 2_000
Values = list[list[float]]


def boards(streams: int, seeds: int, count: int = BOARDS) -> list[Values]:
    """Return values by stream and seed; stream k has mean k / 10 and its own spread."""
    random = np.random.default_rng(0)
    spreads = np.linspace(0.01, 0.03, streams)[:, None]
    means = np.arange(streams)[:, None] / 10
    return [
        (means + spreads * random.standard_normal((streams, seeds))).tolist() for _ in range(count)
    ]


def covered(made: Sequence[Values], interval: Callable[[Values], Interval], truth: float) -> float:
    found = [interval(values) for values in made]
    return float(np.mean([one.low <= truth <= one.high for one in found]))


def noise(probability: float, count: int) -> float:
    """Return three standard errors of a simulated share."""
    return 3 * sqrt(probability * (1 - probability) / count)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_students_interval_keeps_its_promise(seeds: int) -> None:
    share = covered(boards(1, seeds), lambda values: summarise(values[0]).interval, truth=0)
    assert share == pytest.approx(0.95, abs=noise(0.95, BOARDS))


@pytest.mark.parametrize(("streams", "seeds"), [(3, 5), (8, 5), (4, 3), (4, 10)])
def test_the_stratified_welch_interval_keeps_its_promise(streams: int, seeds: int) -> None:
    truth = np.mean(np.arange(streams) / 10)
    share = covered(
        boards(streams, seeds),
        lambda values: stratified(map(moments, values)).interval(),
        float(truth),
    )
    # Welch and Satterthwaite are approximate: at three seeds a little too wide.
    assert 0.95 - noise(0.95, BOARDS) <= share <= 0.985


def test_welchs_interval_of_a_difference_keeps_its_promise() -> None:
    def interval(values: Values) -> Interval:
        first, second = (dict(enumerate(part)) for part in values)
        apart = {seed + 100: value for seed, value in second.items()}
        return difference_moments(first, apart)[0].interval()

    share = covered(boards(2, 5), interval, truth=-0.1)
    assert share == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("seeds", "least", "most"), [(5, 0.87, 0.94), (10, 0.91, 0.96)])
def test_the_bootstrap_of_the_iqm_promises_too_much_below_ten_seeds(
    seeds: int, least: float, most: float
) -> None:
    streams, count = 4, 400
    made = boards(streams, seeds, count)
    # The IQM of infinitely many runs, by as many as fit.
    truth = float(interquartile_mean(np.concatenate(boards(streams, 200_000, 1)[0])))
    share = covered(made, lambda values: iqm_interval(values, seed=1), truth)
    assert least <= share <= most
