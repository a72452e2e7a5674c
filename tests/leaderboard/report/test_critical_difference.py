from collections.abc import Callable
from io import StringIO

import numpy as np
import pytest
from scipy import stats

from plasticity_bench.leaderboard.board.ranking import rank
from plasticity_bench.leaderboard.board.standings import Overall
from plasticity_bench.leaderboard.report.critical_difference import diagram, mean_ranks, rank_tests
from plasticity_bench.leaderboard.report.pictures import svg
from plasticity_bench.leaderboard.store.result import Result

MakeResult = Callable[..., Result]
SCORES = {"best": 0.9, "<i>$x$": 0.6, "worst": 0.1}


@pytest.fixture
def over_all(make_result: MakeResult) -> Callable[[int], Overall]:
    def make(streams: int) -> Overall:
        random = np.random.default_rng(0)
        results = [
            make_result(
                stream=f"stream-{stream}",
                entrant=name,
                seed=seed,
                metrics={"taoa": score + 0.05 * float(random.random())},
            )
            for stream in range(streams)
            for name, score in SCORES.items()
            for seed in range(2)
        ]
        board = rank(results)
        assert board.overall is not None
        return board.overall

    return make


def test_mean_ranks_are_means_of_ranks(over_all: Callable[[int], Overall]) -> None:
    overall = over_all(6)
    table = [list(standing.by_stream.values()) for standing in overall.standings]
    expected = stats.rankdata(-np.array(table), axis=0).mean(axis=1)
    assert mean_ranks(overall).tolist() == pytest.approx(expected.tolist())
    assert mean_ranks(overall)["best"] == 1


def test_p_values_are_nemenyis(over_all: Callable[[int], Overall]) -> None:
    streams, entrants = 8, len(SCORES)
    overall = over_all(streams)
    ranks = mean_ranks(overall)
    # Demsar 2006: the studentised range of a difference of mean ranks, over sqrt(2)
    error = np.sqrt(entrants * (entrants + 1) / (6 * streams))
    q = abs(ranks["best"] - ranks["worst"]) / error * np.sqrt(2)
    expected = stats.studentized_range.sf(q, entrants, np.inf)
    assert rank_tests(overall).loc["best", "worst"] == pytest.approx(expected, rel=1e-3)


def test_the_diagram_names_everybody(over_all: Callable[[int], Overall]) -> None:
    figure = diagram(over_all(6))
    assert figure is not None
    text = StringIO()
    figure.savefig(text, format="svg")
    shown = " ".join(label.get_text() for label in figure.axes[0].texts)
    assert all(name in shown for name in ("best", r"<i>\$x\$", "worst"))


def test_hidden_signs_are_shown_and_long_names_stay_apart(make_result: MakeResult) -> None:
    names = ("a\u202eb", "x" * 80 + "1", "x" * 80 + "2")
    board = rank(
        [
            make_result(stream=f"{stream}", entrant=name, metrics={"taoa": 0.5 + number / 10})
            for stream in range(6)
            for number, name in enumerate(names)
        ]
    )
    assert board.overall is not None
    figure = diagram(board.overall)
    assert figure is not None
    shown = [label.get_text() for label in figure.axes[0].texts]
    assert any("a\ufffdb" in text for text in shown)
    assert {text.count("x") for text in shown} == {0, 39}
    assert any("1. xxx" in text for text in shown)
    assert any("2. xxx" in text for text in shown)
    again = diagram(board.overall)
    assert again is not None
    assert svg(figure) == svg(again)


def test_fewer_than_six_streams_have_no_diagram(over_all: Callable[[int], Overall]) -> None:
    assert diagram(over_all(5)) is None
