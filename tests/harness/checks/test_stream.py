from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from plasticity_bench import BenchError, Stream, Verdict, check_stream
from plasticity_bench.harness.checks.process import digests_elsewhere
from plasticity_bench.harness.checks.stream import LAWS
from plasticity_bench.harness.cli import app
from tests.harness import made_streams

NUMBER, VIEWS, AGAIN, SEEDS, LATE, GENERATORS, LABELS, INDICES, UPDATES, MEMORY, ELSEWHERE = LAWS
HERE = [law for law in LAWS if law != ELSEWHERE]
"""A second process takes seconds to import torch."""


def failures(stream: Stream, folder: Path, laws: list[str] = HERE) -> dict[str, str]:
    verdicts = check_stream(stream, folder, laws=laws)
    assert [verdict.law for verdict in verdicts] == laws
    return {one.law: one.failure for one in verdicts if one.failure is not None}


@pytest.fixture(scope="module")
def found_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """Check a stream of `made_streams` by name, once for all that is asked of it."""
    folder = tmp_path_factory.mktemp("streams")
    return cache(lambda name: failures(getattr(made_streams, name)(), folder))


def test_a_sound_stream_keeps_every_law(tmp_path: Path) -> None:
    verdicts = check_stream(made_streams.Sound(), tmp_path)
    assert verdicts == [Verdict(law, None) for law in LAWS]


@pytest.mark.parametrize(
    ("name", "law", "sentence"),
    [
        ("OneTaskLess", NUMBER, "29 tasks are drawn, but task_updates has 30"),
        ("OtherBenchmark", VIEWS, "seed 0, task 0, train: sample 0 is another picture"),
        ("OtherLabels", VIEWS, "seed 0, task 0, test: sample 0 has the label 9 in the Avalanche"),
        ("OtherTaskIds", VIEWS, "seed 0, task 10, train: sample 0 has the task id 0 in the Aval"),
        ("Forgetful", AGAIN, "seed 0: task 0 is another when drawn again"),
        ("SameForAllSeeds", SEEDS, "seeds 0 and 1 give the same tasks"),
        ("SaysItDoesNotVary", SEEDS, "seeds 0 and 1 give other tasks, but varies_with_seed is F"),
        ("StartsOver", LATE, "seed 0: task 1 is another when started at task 1"),
        ("StopsShort", LATE, "seed 0: started at task 1, 1 task is missing at the end"),
        ("TouchesTorch", GENERATORS, "drawing tasks draws from the global generator of torch"),
        ("TouchesNumpy", GENERATORS, "drawing tasks draws from the global generator of NumPy"),
        ("TouchesPython", GENERATORS, "making the benchmark draws from the global generator of P"),
        ("LabelOutside", LABELS, "seed 0, task 4: training sample"),
        ("ClosedOutput", LABELS, "seed 0, task 2: training sample"),
        ("RowOutside", INDICES, "seed 0, task 3: test sample 359 is row 360 of 360"),
        ("NoMultiple", UPDATES, "task 5 has 7 updates in 2 passes"),
        ("AllAtOnce", MEMORY, "MB are held while 100 tasks are drawn"),
    ],
)
def test_a_faulty_stream_fails_the_law_it_breaks(
    found_in: Callable[[str], dict[str, str]], name: str, law: str, sentence: str
) -> None:
    found = found_in(name)
    assert law in found
    assert sentence in found[law]
    assert "\n" not in found[law]


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("OneTaskLess", {NUMBER}),
        ("OtherBenchmark", {VIEWS}),
        ("OtherLabels", {VIEWS}),
        ("OtherTaskIds", {VIEWS}),
        ("SameForAllSeeds", {SEEDS}),
        ("SaysItDoesNotVary", {SEEDS}),
        ("StartsOver", {LATE, VIEWS}),  # the benchmark starts at the task asked for
        ("TouchesTorch", {GENERATORS}),
        ("TouchesPython", {GENERATORS}),
        ("LabelOutside", {LABELS}),
        ("NoMultiple", {UPDATES}),
        ("AllAtOnce", {MEMORY}),
    ],
)
def test_it_fails_no_other_law(
    found_in: Callable[[str], dict[str, str]], name: str, broken: set[str]
) -> None:
    assert set(found_in(name)) == broken


def test_a_stream_that_depends_on_the_process_is_found_out(tmp_path: Path) -> None:
    found = failures(made_streams.OtherElsewhere(), tmp_path, [AGAIN, ELSEWHERE])
    assert list(found) == [ELSEWHERE]
    assert "seed 0: its hash is" in found[ELSEWHERE]


def test_a_stream_that_raises_is_reported_with_its_reason(tmp_path: Path) -> None:
    found = failures(made_streams.Breaks(), tmp_path, [AGAIN])
    told = found[AGAIN] or ""
    assert told.startswith("it raises IndexError: list index out of range (made_streams.py, line ")
    assert told.endswith(", in alter)")


def test_a_class_that_no_other_process_can_import_is_said_so(tmp_path: Path) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Local(made_streams.Sound):
        pass

    with pytest.raises(BenchError, match="Local cannot be imported by a second process"):
        digests_elsewhere(Local(), tmp_path, (0,))


def test_wrong_questions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no law 'memory'\. There is: both views have"):
        check_stream(made_streams.Sound(), tmp_path, laws=["memory"])
    with pytest.raises(BenchError, match="at least one"):
        check_stream(made_streams.Sound(), tmp_path, seeds=())


# the command


def test_the_command_says_of_each_law_whether_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = [Verdict(NUMBER, None), Verdict(LATE, "seed 0: task 1 is another")]
    asked = []

    def answer(stream: Stream, data_dir: Path, seeds: tuple[int, ...]) -> list[Verdict]:
        asked.append((getattr(stream, "tasks", None), stream.batch_size, data_dir, seeds))
        return verdicts

    monkeypatch.setattr("plasticity_bench.harness.checks.stream.check_stream", answer)
    words = ["check", "permuted-digits(tasks=3)", "--seeds", "4:6", "--data", str(tmp_path)]
    done = CliRunner().invoke(app, [*words, "--set", "stream.batch_size=7"])
    assert done.exit_code == 1
    assert asked == [(3, 7, tmp_path, (4, 5))]
    assert done.stdout.splitlines() == [
        f"passed {NUMBER}",
        f"FAILED {LATE}",
        "       seed 0: task 1 is another",
        "1 laws hold, 1 do not.",
    ]
    verdicts.pop()
    assert CliRunner().invoke(app, words).exit_code == 0


def test_the_command_refuses_a_stream_that_is_not_there() -> None:
    done = CliRunner().invoke(app, ["check", "permuted-digit"])
    assert done.exit_code == 2
    assert "did you mean 'permuted-digits'?" in done.output
