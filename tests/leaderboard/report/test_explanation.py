"""Pages that explain: curves over updates, sentences by their rules, looks of entrants."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from plasticity_bench.leaderboard.board.grouping import grouped
from plasticity_bench.leaderboard.board.ranking import rank
from plasticity_bench.leaderboard.curves.integration_study import cohorts_in, study_of
from plasticity_bench.leaderboard.curves.over_time import (
    alive_unit_steps,
    edit_steps,
    layer_names,
    newborn_ratio,
    over_time,
)
from plasticity_bench.leaderboard.report.explanation import explanations
from plasticity_bench.leaderboard.report.explanation_words import sentences
from plasticity_bench.leaderboard.report.styles import in_order, styles
from plasticity_bench.leaderboard.store.result import Result
from tests.leaderboard.conftest import MakeResult

Rows = list[dict[str, Any]]
RATIOS = ("activation", "gradient", "incoming_gradient", "utility", "gate_rate", "alignment")


def task(number: int, alive: Sequence[int], accuracy: float = 0.5) -> dict[str, Any]:
    place = {"kind": "task", "task": number, "step": 10 * (number + 1)}
    return {**place, "online_accuracy": accuracy, "alive": list(alive)}


def health(step: int, layer: str, dormant: float) -> dict[str, Any]:
    values = {"dormant": dormant, "effective_rank": 3.0}
    return {"kind": "health", "step": step, "layer": layer, **values}


def edit(step: int, layer: str, units: int, kind: str = "grow") -> dict[str, Any]:
    place = {"kind": "edit", "step": step, "edit": kind, "layer": layer}
    return {**place, "units": list(range(units)), "insertion_shock": 0.25}


def newborns(birth: int, ratio: float, layer: str = "fc1") -> Rows:
    return [
        {"kind": "cohort", "layer": layer, "birth": birth, "age": age, "newborns": 8}
        | dict.fromkeys(RATIOS, ratio)
        | {"activation": 1.1, "outgoing_norm": 0.2}
        for age in range(8)
    ]


def grown_rows() -> Rows:
    """Units 2, 3 from the start; 4 more in fc1 after 10 updates; 1 pruned in fc2 after 20."""
    return [
        task(0, [2, 3], 0.5),
        health(10, "fc1", 0.1),
        health(10, "fc2", 0.3),
        {"kind": "weights", "step": 10, "weight_norm": 2.0, "gradient_norm": 1.0},
        edit(10, "fc1", 4),
        *newborns(10, 0.3),
        task(1, [6, 3], 0.6),
        edit(20, "fc2", 1, "prune"),
        task(2, [6, 2], 0.7),
        health(30, "fc1", 0.5),
        health(30, "fc2", 0.7),
        {"kind": "weights", "step": 30, "weight_norm": 5.0, "gradient_norm": 1.0},
    ]


def test_cost_adds_up_the_units_that_were_alive(make_result: MakeResult) -> None:
    points = alive_unit_steps(make_result(rows=grown_rows()))
    assert points is not None
    assert dict(zip(points[0], points[1], strict=True)) == {0: 0, 10: 50, 20: 140, 30: 220}
    assert alive_unit_steps(make_result()) is None


def test_alive_units_are_those_of_each_layer(make_result: MakeResult) -> None:
    run = make_result(rows=grown_rows())
    assert layer_names([run]) == ["fc1", "fc2"]
    panels = {panel.title: panel for panel in over_time([run])}
    fc1, fc2 = panels["alive units by layer"].traces
    assert (fc1.name, fc1.mean[0].tolist(), fc1.mean[1].tolist()) == (
        "fc1",
        [0, 10, 20, 30],
        [2, 6, 6, 6],
    )
    assert fc2.mean[1].tolist() == [3, 3, 2, 2]
    assert edit_steps([run]) == {"grow": [10], "prune": [20]}


def test_curves_are_averaged_where_all_runs_were_measured(make_result: MakeResult) -> None:
    runs = [
        make_result(seed=0, rows=[task(n, [4], a) for n, a in enumerate((0.2, 0.4, 0.6))]),
        make_result(seed=1, rows=[task(n, [4], a) for n, a in enumerate((0.4, 0.6, 0.6, 0.9))]),
    ]
    panel = over_time(runs)[0]
    assert panel.title == "online accuracy"
    (trace,) = panel.traces
    assert trace.mean[0].tolist() == [10, 20, 30]
    assert trace.mean[1] == pytest.approx([0.3, 0.5, 0.6])
    assert over_time([make_result()]) == []
    assert layer_names(runs) == ["layer 0"]


def test_newborn_ratios_break_at_every_birth() -> None:
    rows: list[list[dict[str, Any]]]
    rows = [[{"birth": b, "age": a, "gradient": b + a} for a in (0, 1)] for b in (5, 9)]
    rows.append([{"birth": 5, "age": 1, "gradient": 8.0}])
    x, y = newborn_ratio(rows, "gradient")
    assert x.tolist() == [5, 5, 6, 9, 9, 10]
    np.testing.assert_equal(y, [np.nan, 5, 7, np.nan, 9, 10])


def said(results: Sequence[Result], label: str) -> str:
    (stream,) = grouped(results)
    entrant = next(one for one in stream.entrants if one.label == label)
    return "\n".join(sentences(stream, entrant, cohorts_in(entrant.done)))


def test_sentences_follow_from_the_numbers(make_result: MakeResult) -> None:
    made = [
        make_result(
            entrant=name,
            seed=seed,
            rows=grown_rows() if name == "grow" else [],
            metrics={"taoa": taoa + seed / 100, "plasticity_slope": -0.04 - seed / 1000}
            | {"flops": 4e6 if name == "dense" else 1e6},
        )
        for name, taoa in (("dense", 0.7), ("grow", 0.6))
        for seed in range(3)
    ]
    text = said(made, "grow")
    assert "Its mean online accuracy is 0.610 (95% CI 0.585 to 0.635) over 3 seeds." in text
    assert "That is below dense (-0.100 (95% CI -0.100 to -0.100), paired by seed)." in text
    assert "its online accuracy falls (-0.041 per 100 tasks (95% CI -0.043 to -0.039))." in text
    assert "It edits (grow) at 1 moment, 4 units a run in all; the loss changes by +0.250" in text
    assert "fire 1.10 times as often as incumbents and receive 0.30 of their gradient" in text
    assert "the smallest at birth is the outgoing norm" in text
    assert "Fewer than half of the cohorts are seen to reach half" in text
    assert "60% of units are dormant at the end, 20% at first." in text
    assert "2.50 times that at first" in text
    assert "1.00e+06 operations, 25% of dense's" in text


def test_what_chance_explains_is_not_called_a_trend_or_a_difference(
    make_result: MakeResult,
) -> None:
    made = [
        make_result(entrant=name, seed=seed, metrics={"taoa": value, "plasticity_slope": slope})
        for name, values in (("dense", (0.5, 0.6, 0.7)), ("reset", (0.6, 0.6, 0.6)))
        for seed, (value, slope) in enumerate(zip(values, (-0.1, 0.1, 0.02), strict=True))
    ]
    text = said(made, "dense")
    assert "That is not told apart from reset" in text
    assert "has no trend told from chance" in text
    assert "newborns" not in text
    assert "dormant" not in text


def test_means_that_leave_lost_runs_out_say_so_and_give_the_boards(make_result: MakeResult) -> None:
    made = [
        make_result(
            entrant=name,
            seed=seed,
            status="diverged" if name == "grow" and seed == 4 else "done",
            metrics={"taoa": value + seed / 100},
        )
        for name, value in (("dense", 0.7), ("grow", 0.6))
        for seed in range(5)
    ]
    text = said(made, "grow")
    (standing,) = [s for s in rank(made).streams[0].standings if s.entrant == "grow"]
    assert standing.summary is not None
    assert "over 4 seeds that ended." in text
    assert "1 lost run counts as the worst case, 0.000, and the mean is " in text
    assert f"the mean is {standing.summary.mean:.3f}." in text
    assert "paired by seed, over the runs that ended)." in text
    assert "that ended" not in said(made[:5], "dense")


def test_who_lost_runs_is_not_called_above_whom_the_board_puts_first(
    make_result: MakeResult,
) -> None:
    made = [
        make_result(
            entrant=name,
            seed=seed,
            status="failed" if name == "grow" and seed > 2 else "done",
            metrics={"taoa": value + seed / 1000},
        )
        for name, value in (("dense", 0.6), ("grow", 0.7))
        for seed in range(5)
    ]
    assert "That is above dense" not in said(made, "grow")
    assert "That is above dense" in said([one for one in made if one.spec.seed < 3], "grow")


def test_two_seeds_are_neither_tested_nor_given_an_interval(make_result: MakeResult) -> None:
    made = [
        make_result(entrant=name, seed=seed, metrics={"taoa": value, "plasticity_slope": -0.00001})
        for name, value in (("dense", 0.7), ("grow", 0.6))
        for seed in range(2)
    ]
    assert said(made, "grow").splitlines() == [
        "Its mean online accuracy is 0.600 over 2 seeds.",
        "That takes 3 seeds to be tested against dense (-0.100, paired by seed).",
        "For a trend over tasks it takes 3 seeds (+0.000 per 100 tasks).",
    ]


def test_what_was_measured_once_is_not_said_to_have_changed(make_result: MakeResult) -> None:
    rows = [task(0, [2]), health(10, "fc1", 0.25)]
    rows.append({"kind": "weights", "step": 10, "weight_norm": 2.0})
    text = said([make_result(rows=rows, metrics={"online_loss": 0.5, "flops": 1e6})], "dense")
    assert text.splitlines() == [
        "Its mean online loss is 0.500 over 1 seed.",
        "25% of units are dormant at the end.",
        "A layer's features have an effective rank of 3.0 at the end.",
        "A run costs 1.00e+06 operations.",
    ]


def test_an_entrant_without_a_finished_run_has_nothing_to_explain(make_result: MakeResult) -> None:
    assert "nothing to explain" in said([make_result(status="failed", metrics={})], "dense")


def test_the_page_shows_figures_tables_and_what_was_run(
    make_result: MakeResult, tmp_path: Path
) -> None:
    (stream,) = grouped([make_result(entrant="grow", seed=s, rows=grown_rows()) for s in (0, 1)])
    (links,) = explanations(stream, study_of(stream), tmp_path)
    assert "[grow](permuted-digits-grow-why.md)" in links
    text = (tmp_path / "permuted-digits-grow-why.md").read_text(encoding="utf-8")
    for name in ("time", "newborns"):
        assert f"(permuted-digits-grow-{name}.png)" in text
        with Image.open(tmp_path / f"permuted-digits-grow-{name}.png") as image:
            assert len(image.convert("RGB").getcolors(maxcolors=10**6) or ()) > 20
    assert "| 1 | done | 0.9 |" in text
    assert f"data {'d' * 12}, results version 2." in text
    assert '"hidden":[100,100]' in text
    assert "| all | at birth |" in text


def test_entrants_that_differ_in_their_number_of_edits_are_coloured_in_its_order(
    make_result: MakeResult,
) -> None:
    made = [
        make_result(entrant="grow", settings={"events": k, "compactness": 0.2}) for k in (5, 10, 20)
    ]
    made += [make_result(entrant="prune", settings={"events": 5}), make_result()]
    (stream,) = grouped(made)
    looks = styles(stream.entrants)
    colours = [looks[f"grow [grow.events={k}]"]["color"] for k in (5, 10, 20)]
    brightness = [sum(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in colours]
    assert brightness == sorted(brightness, reverse=True)
    assert len(set(colours)) == 3
    assert looks["dense"]["color"] == "black"
    assert looks["prune"]["color"] not in colours


def test_numbers_in_labels_ascend() -> None:
    assert in_order(["g(events=10)", "g(events=5)", "f", "g"]) == [
        "f",
        "g",
        "g(events=5)",
        "g(events=10)",
    ]
