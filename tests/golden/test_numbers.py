"""A change of the engine that changes numbers cannot keep the names of results."""

from collections.abc import Iterator
from typing import Any

import pytest

from plasticity_bench.harness.metrics import METRICS
from plasticity_bench.harness.plugins import engine_code
from plasticity_bench.harness.plugins.registry import families, find
from plasticity_bench.harness.plugins.sources import RESULTS_VERSION, code_of
from tests.golden import numbers as golden

AGAIN = "the engine has changed: call python -m tests.golden.numbers"


def test_the_engine_gives_the_golden_numbers_of_its_version() -> None:
    stored = golden.stored()
    assert stored["results_version"] == RESULTS_VERSION, AGAIN
    exactly = stored["kind"] == golden.kind()
    assert not golden.differences(stored["numbers"], golden.numbers(), exactly=exactly), AGAIN


def test_every_metric_but_of_time_is_among_them() -> None:
    cases = golden.stored()["numbers"].values()
    defined = {name for case in cases for name, value in case.items() if value is not None}
    assert defined == METRICS.keys() - {"seconds", "relative_cost"}


def test_every_family_of_streams_is_among_them() -> None:
    there = {find("stream", name.partition("(")[0]).family for name in golden.STREAMS}
    assert there >= {title for title in families("stream") if not title.startswith("Published")}


def test_the_code_is_noted_as_that_of_the_version() -> None:
    assert engine_code.changed_engine() is None, AGAIN


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The computing code as the bench finds it; the test changes it."""
    there = engine_code.computing_code()
    monkeypatch.setattr(engine_code, "computing_code", lambda: there)
    engine_code.changed_engine.cache_clear()
    yield there
    engine_code.changed_engine.cache_clear()


def test_comments_change_no_name(texts: dict[str, str]) -> None:
    texts["harness/engine/network.py"] += "\n# a remark\n"
    assert engine_code.changed_engine() is None
    assert "engine" not in code_of(["dense"], "permuted-digits")


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        ("harness/engine/optimizers.py", "SETTLED = 1e-8", "SETTLED = 1e-7"),
        ("harness/metrics/accuracy.py", "def acc(", "def acc_("),
        ("streams/base.py", "self", "own"),
        ("harness/randomness.py", "digest_size=8", "digest_size=9"),
    ],
)
def test_other_computing_code_is_in_the_name(
    texts: dict[str, str], place: str, old: str, new: str
) -> None:
    assert old in texts[place]
    texts[place] = texts[place].replace(old, new)
    found: Any = code_of(["dense"], "permuted-digits")
    assert len(found["engine"]) == 64


def test_a_difference_is_found_exactly_or_within_what_processors_may_differ_in() -> None:
    old = {"case": {"acc": 0.5, "taa": None}}
    near = {"case": {"acc": 0.5000001, "taa": None}}
    assert golden.differences(old, old, exactly=True) == []
    assert golden.differences(old, near, exactly=False) == []
    assert golden.differences(old, near, exactly=True) == ["case: acc was 0.5 and is 0.5000001"]
    far = {"case": {"acc": 0.6, "taa": 0.1}, "new": {"acc": 1.0}}
    assert len(golden.differences(old, far, exactly=False)) == 3
