import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasticity_bench.harness.engine.strategy import Plan
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.strategies.budget import ScheduledEdits, unit_targets, units_this_time

PLAN = Plan(task_updates=(40,) * 10, passes=2, batch_size=4)


@pytest.mark.parametrize("compactness", [0.2, 0.3, 0.4, 0.5])
def test_the_neutral_allocation_keeps_that_share_of_every_layer(compactness: float) -> None:
    mlp = unit_targets(compactness, (), (256, 256), (784, 256))
    assert mlp == [round(compactness * 256)] * 2
    convnet = unit_targets(compactness, (), (512, 512, 256), (4096, 512, 512))
    assert convnet == [round(compactness * units) for units in (512, 512, 256)]


def test_the_units_of_the_study_at_20_percent() -> None:
    assert unit_targets(0.2, (), (256, 256), (784, 256)) == [51, 51]
    assert unit_targets(0.2, (), (512, 512, 256), (4096, 512, 512)) == [102, 102, 51]


@pytest.mark.parametrize("biases", [(1.5, 1.5, 0.6), (0.6, 0.6, 1.5), (1.2, 0.6, 1.2)])
def test_biased_allocations_spend_the_same_weight_budget(biases: tuple[float, ...]) -> None:
    units, fan_in = (512, 512, 256), (4096, 512, 512)
    targets = unit_targets(0.2, biases, units, fan_in)
    spent = sum(t * f for t, f in zip(targets, fan_in, strict=True))
    budget = 0.2 * sum(u * f for u, f in zip(units, fan_in, strict=True))
    assert spent == pytest.approx(budget, abs=sum(fan_in) / 2)  # half a unit a layer
    shares = [t / u / b for t, u, b in zip(targets, units, biases, strict=True)]
    assert max(shares) == pytest.approx(min(shares), rel=0.03)


def test_targets_stay_within_the_layer() -> None:
    assert unit_targets(0.01, (), (10, 10), (100, 10)) == [1, 1]
    assert max(unit_targets(1.0, (0.1, 10.0), (10, 10), (100, 10))) == 10


def test_biases_must_match_the_layers() -> None:
    with pytest.raises(BenchError, match="allocation has 3 biases, but there are 2"):
        unit_targets(0.2, (1, 1, 1), (256, 256), (784, 256))


@given(missing=st.integers(0, 500), events=st.integers(1, 20))
def test_the_last_edit_always_meets_the_target(missing: int, events: int) -> None:
    left, counts = missing, []
    for event in range(events):
        counts.append(units_this_time(left, events - event))
        left -= counts[-1]
    assert left == 0
    assert max(counts) - min(counts) <= 1
    assert counts[0] == math.ceil(missing / events)


@pytest.mark.parametrize(
    ("settings", "updates"),
    [
        ({}, [0, 80, 160, 240, 320]),
        ({"events": 3}, [0, 133, 266]),
        ({"every_tasks": 3}, [0, 120, 240, 360]),
        ({"every_tasks": 1, "events": 3}, [0, 40, 80]),
        ({"every_passes": 5, "events": 3}, [0, 100, 200]),
        ({"at": (7, 399)}, [7, 399]),
    ],
)
def test_edits_are_placed_where_asked(settings: dict[str, int], updates: list[int]) -> None:
    edits = ScheduledEdits(**settings)  # type: ignore[arg-type]
    assert list(edits.edit_updates(PLAN)) == updates
    assert [edits.edits_left(PLAN, u) for u in updates] == list(range(len(updates), 0, -1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"compactness": 0}, r"compactness=0: give a share in \(0, 1\]"),
        ({"compactness": 1.5}, "compactness=1.5"),
        ({"events": 0}, "events=0"),
        ({"allocation": (1.0, -1.0)}, "every bias must be above 0"),
        ({"every_tasks": 1, "at": (3,)}, "only one of every_passes, every_tasks and at"),
        ({"every_passes": 0}, "must be at least 1"),
        ({"at": (5, 3)}, "ascending"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        ScheduledEdits(**settings)  # type: ignore[arg-type]
