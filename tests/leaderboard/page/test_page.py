import json
from collections.abc import Callable
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.leaderboard.board.grouping import grouped
from plasticity_bench.leaderboard.curves.lines import accuracy_over_tasks, parity_by_age
from plasticity_bench.leaderboard.page import Page, page_data, render, write
from plasticity_bench.leaderboard.page.data import rounded
from plasticity_bench.leaderboard.page.lines import MOST_POINTS, thinned
from plasticity_bench.leaderboard.statistics.inference import ALPHA
from plasticity_bench.leaderboard.store.result import Result

from ..board.made_boards import made_board, made_results

BUILT = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return made_results(
        ["dense", "grow", "prune"], newborns=["grow"], lost={("prune", 1): "diverged"}
    )


@pytest.fixture(scope="module")
def data(results: list[Result]) -> dict[str, Any]:
    return page_data(made_board(results), results, BUILT)


def page_of(results: list[Result]) -> Page:
    return render(page_data(made_board(results), results, BUILT))


def test_pairs_are_those_of_the_board_as_rows(results: list[Result], data: dict[str, Any]) -> None:
    stream = made_board(results).streams[0]
    table = data["board"]["streams"][0]["pairs"]
    labels = [standing["entrant"] for standing in data["board"]["streams"][0]["standings"]]
    assert len(table["rows"]) == len(stream.pairs) == 3
    for row, pair in zip(table["rows"], stream.pairs, strict=True):
        named = dict(zip(table["columns"], row, strict=True))
        assert (labels[named["first"]], labels[named["second"]]) == (pair.first, pair.second)
        assert named["mean"] == pytest.approx(pair.difference.mean, rel=1e-4)
        low = pair.difference.interval.low
        assert named["low"] == (None if isnan(low) else pytest.approx(low, rel=1e-4))
        assert named["effect_size"] == pytest.approx(pair.difference.effect_size, rel=1e-4)
        assert named["p_holm"] == pytest.approx(pair.p_holm, rel=1e-4)
        assert named["paired"] is True


def test_every_run_is_listed_with_what_became_of_it(
    results: list[Result], data: dict[str, Any]
) -> None:
    listed = [
        dict(zip(data["run_fields"], run, strict=True))
        for stream in data["behind"]
        for entrant in stream["entrants"].values()
        for run in entrant["runs"]
    ]
    assert {run["fingerprint"] for run in listed} == {result.fingerprint for result in results}
    assert len(listed) == 18
    (diverged,) = [run for run in listed if run["status"] == "diverged"]
    assert (diverged["seed"], diverged["reason"], diverged["updates"]) == (1, "made up", 1002)
    assert data["environments"][diverged["environment"]] == results[0].environment


def test_entrants_have_settings_and_hashes_of_their_sources(data: dict[str, Any]) -> None:
    grow = data["behind"][0]["entrants"]["grow"]
    assert data["settings"][grow["settings"]]["strategies"] == [{"name": "grow", "settings": {}}]
    assert data["settings"][grow["sources"]]["strategies"] == {"grow": "c" * 64}
    again = data["behind"][1]["entrants"]["grow"]
    assert again["settings"] == grow["settings"], "what is the same is kept once"


def test_curves_are_those_of_the_figures(results: list[Result], data: dict[str, Any]) -> None:
    grow = next(entrant for entrant in grouped(results)[0].entrants if entrant.label == "grow")
    accuracy, parity = accuracy_over_tasks(grow.done), parity_by_age(grow.done, "gradient")
    assert accuracy is not None
    assert parity is not None
    behind = data["behind"][0]
    assert behind["curves"]["lines"]["grow"]["y"] == pytest.approx(accuracy.middle, rel=1e-3)
    assert behind["curves"]["lines"]["grow"]["high"] == pytest.approx(accuracy.high, rel=1e-3)
    assert behind["parity"]["gradient"]["grow"]["x"] == list(parity.x)
    assert behind["parity"]["gradient"]["grow"]["low"] == pytest.approx(parity.low, rel=1e-3)
    assert set(behind["parity"]["gradient"]) == {"grow"}


def test_survival_falls_from_one_and_names_its_median(data: dict[str, Any]) -> None:
    # Three births, each in three seeds, half way to parity at ages 25, 30 and 35.
    (half,) = [
        entry
        for entry in data["behind"][0]["survival"]
        if (entry["quantity"], entry["rho"]) == ("gradient", 0.5)
    ]
    line = half["lines"]["grow"]
    assert line["cohorts"] == 9
    assert line["x"] == [0, 30, 50]  # the first ages measured from there on
    assert line["y"] == [1, pytest.approx(1 / 3, rel=1e-3), 0]
    assert line["median"] == 30
    assert line["censored"] == 0


def test_a_stream_without_newborns_has_no_parity(results: list[Result]) -> None:
    without = [result for result in results if result.spec.entrant.name != "grow"]
    behind = page_data(made_board(without), without, BUILT)["behind"][0]
    assert behind["parity"] == {}
    assert behind["survival"] == []


def test_few_long_tasks_are_drawn_over_updates() -> None:
    results = made_results(["dense"], ["permuted-digits"], tasks=2)
    curves = page_data(made_board(results), results, BUILT)["behind"][0]["curves"]
    assert curves["x"] == "updates"
    assert curves["lines"]["dense"]["x"] == [100, 200]


def test_results_on_streams_that_the_board_has_not_are_left_out(results: list[Result]) -> None:
    first = [one for one in results if one.spec.stream.name == "permuted-digits"]
    data = page_data(made_board(first), results, BUILT)
    assert list(data["streams"]) == ["permuted-digits"]
    assert len(data["behind"]) == 1


def test_a_board_without_the_results_still_has_a_page(results: list[Result]) -> None:
    data = page_data(made_board(results), [], BUILT)
    assert data["behind"][0] == {"curves": None, "parity": {}, "survival": [], "entrants": {}}
    assert b"dense" in render(data).html


def test_a_diagnostic_metric_has_a_page_without_ranks(results: list[Result]) -> None:
    data = page_data(made_board(results, "updates"), results, BUILT)
    assert data["board"]["better"] == "diagnostic"
    assert {one["rank"] for one in data["board"]["streams"][0]["standings"]} == {None}
    assert b"is diagnostic" in render(data).html


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (0.123456789, 0.12346),
        (46875.0, 46875),
        (1.5e12, 1500000000000),
        (-0.0, 0),
        (123456, 123456),
        ({"a": [1.000001, None, "1.000001", True]}, {"a": [1, None, "1.000001", True]}),
    ],
)
def test_numbers_keep_five_digits(value: object, short: object) -> None:
    assert rounded(value) == short


def test_a_thinned_curve_keeps_its_ends_and_order() -> None:
    assert thinned(3, 50) == [0, 1, 2]
    kept = thinned(1000, MOST_POINTS)
    assert (kept[0], kept[-1], len(kept)) == (0, 999, MOST_POINTS)
    assert kept == sorted(set(kept))


def test_the_page_and_its_data_are_written_beside_each_other(
    results: list[Result], tmp_path: Path
) -> None:
    page = page_of(results)
    path = write(page, tmp_path / "new" / "board")
    assert path == tmp_path / "new" / "board" / "index.html"
    assert path.read_bytes() == page.html
    assert json.loads((path.parent / "board.json").read_text(encoding="utf-8")) == json.loads(
        page.data
    )


def test_a_folder_that_is_a_file_is_an_error_that_says_what_to_do(
    results: list[Result], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match=r"cannot be written to .*file.*--out"):
        write(page_of(results), tmp_path / "file")


def test_the_page_says_how_lost_runs_count(results: list[Result]) -> None:
    text = page_of(results).html.decode()
    assert "17 of 18 done" in text
    assert "counts as the worst case" in text
    assert "3 pairs on each stream, 3 overall" in text


@pytest.fixture(scope="module")
def big() -> Callable[[], Page]:
    names = [f"an-entrant-with-a-name(number={number})" for number in range(50)]

    def make() -> Page:
        results = made_results(
            names,
            [f"a-stream-{number}" for number in range(10)],
            seeds=10,
            tasks=100,
            newborns=names,
            unchecked=True,
        )
        return page_of(results)

    return make


@pytest.mark.slow
def test_fifty_entrants_ten_streams_and_ten_seeds_are_under_five_megabytes(
    big: Callable[[], Page],
) -> None:
    size = len(big().html)
    assert 2e6 < size < 5e6


@pytest.mark.parametrize("p", [0.0499999, 0.05000001, 0.05])
def test_a_p_value_is_not_cut_onto_the_level_of_the_tests(p: float) -> None:
    assert (rounded({"p_holm": p})["p_holm"] < ALPHA) == (p < ALPHA)
    assert rounded({"p_holm": p})["p_holm"] == p


def test_the_page_says_why_a_metric_has_no_value_on_a_stream(
    make_result: Callable[..., Result],
) -> None:
    made = [
        make_result(entrant=name, seed=seed, metrics={"forgetting": None})
        for name in ("dense", "grow")
        for seed in range(3)
    ]
    data = page_data(made_board(made, "forgetting"), made, BUILT)
    assert "only on streams that test all tasks seen" in data["board"]["streams"][0]["undefined"]
