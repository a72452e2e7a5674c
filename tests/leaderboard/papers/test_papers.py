import re
from dataclasses import replace

import pytest

from plasticity_bench.harness.engine.strategy import Plan
from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.loop.controls import MATCHED, controls_of
from plasticity_bench.harness.loop.structure import rehearse
from plasticity_bench.harness.plugins.registry import load_strategy
from plasticity_bench.harness.plugins.resolve import resolved_stream
from plasticity_bench.harness.specs.suite import parse_stream
from plasticity_bench.leaderboard.papers.measured import measured
from plasticity_bench.leaderboard.papers.paper import SCALES, Entry, Printed, Scale
from plasticity_bench.leaderboard.papers.paper_file import load_paper, paper_names, read_paper
from plasticity_bench.leaderboard.papers.runs import Chosen, cases, choose, run_specs
from plasticity_bench.strategies.budget import ScheduledEdits

from ...harness.loop.test_run import DATA

STUDY = "lillo2026"
CONTINUAL = "lillo2026/continual"


def printed(table: str, row: str, label: str, metric: str) -> Printed:
    entries = load_paper(STUDY).tables[table].rows[row].entries
    return next(entry for entry in entries if entry.label == label).printed[metric]


@pytest.mark.parametrize(
    ("table", "row", "label", "metric", "value", "half", "source"),
    [
        ("table1", "split-fashion", "Prune", "wt_acc", 75.50, None, "alone"),
        ("table3", "mnist-iid", "Dense", "acc", 95.98, 0.09, "printed"),
        ("table3", "mnist-iid", "Grow 50 %", "delta_wt_cycle", -0.22, 0.22, "printed"),
        ("table3", "mnist-iid", "Prune 20 %", "wt_taa", 92.87, 0.12, "printed"),
        ("table3", "split-mnist", "Grow 50 %", "wt_acc", 85.81, None, "alone"),
        ("table3", "split-mnist", "Prune 30 %", "delta_wt_cycle", 7.9, 0.6, "range"),
        ("table3", "split-fashion", "Prune 20 %", "wt_taa", 86.32, None, "alone"),
        ("iid-cifar", "cifar-100", "Grow 40 %", "acc", 53.59, None, "alone"),
        ("iid-cifar", "cifar-10", "Prune 30 %", "wt_taa", 80.04, None, "alone"),
        ("table9", "cifar-100", "Grow, FC3-protect 50 %", "wt_acc", 49.42, None, "alone"),
        ("continual", "random-label-mnist", "Dense", "taoa", 39.2, 9.8, "printed"),
        ("continual", "random-label-cifar", "Grow+Moment 30 %", "taoa", 19.5, 4.4, "bound"),
        ("continual", "split-cifar100", "Grow+RSL 20 %", "taoa", 25.0, 4.4, "bound"),
        ("continual", "permuted-mnist", "Prune 50 %", "taoa", 87.2, 1.0, "bound"),
        ("continual", "continual-imagenet", "Grow+Net2Wider 40 %", "taoa", 68.5, 4.4, "bound"),
        (
            "continual",
            "five-plus-one-cifar",
            "Prune 20 %",
            "early_task_accuracy",
            24.1,
            1.0,
            "bound",
        ),
    ],
)
def test_numbers_are_the_printed_ones(
    table: str, row: str, label: str, metric: str, value: float, half: float | None, source: str
) -> None:
    found = printed(table, row, label, metric)
    assert found.value == pytest.approx(value)
    assert found.source == source
    assert found.half_width == (None if half is None else pytest.approx(half))


def test_every_number_of_the_study_is_there() -> None:
    tables = load_paper(STUDY).tables
    counts = {(t.name, r.name): r.numbers for t in tables.values() for r in t.rows.values()}
    assert counts["table3", "mnist-iid"] == 2 + 8 * 3
    assert counts["iid-cifar", "cifar-10"] == 4 + 8 * 4
    assert counts["table9", "cifar-100"] == 3 * 4 * 4
    continual = {row: number for (table, row), number in counts.items() if table == "continual"}
    assert len(continual) == 6
    # Dense, seven methods at four values of compactness; early in a task eight methods at 20 %
    assert set(continual.values()) == {1 + 7 * 4 + 8}
    assert sum(counts.values()) == 16 + 3 * 26 + 2 * 36 + 48 + 6 * 37


def problem(one: Chosen, entry: Entry, scale: Scale) -> str:
    """Say why an entry does not resolve; nothing where it does."""
    try:
        runs = run_specs(one.row, one.variant, scale, entry, entry.entrants[0], [0, 1])
    except BenchError as error:
        return str(error)
    return "" if [run.seed for run in runs] == [0, 1] else "other seeds"


@pytest.mark.parametrize("one", choose(STUDY), ids=lambda one: one.label)
@pytest.mark.parametrize("scale", SCALES)
def test_every_stream_and_entrant_resolves(one: Chosen, scale: Scale) -> None:
    tried: set[str] = set()
    for entry in one.row.entries:
        # Other compactnesses differ in a number only, and half from paper in the stream only.
        if entry.method in tried or (scale == "half" and tried):
            continue
        tried.add(entry.method)
        assert problem(one, entry, scale) == "", entry.label


@pytest.mark.parametrize(
    ("row", "variant"),
    [(one.row.name, one.variant) for one in choose(CONTINUAL, (), "all")],
)
def test_every_variant_resolves(row: str, variant: str) -> None:
    one = next(found for found in choose(CONTINUAL, [row], "all") if found.variant == variant)
    entry = next(entry for entry in one.row.entries if entry.method == "Grow")
    (run,) = run_specs(one.row, variant, "paper", entry, entry.entrants[0], [0])
    tasks = run.stream.settings["tasks"]
    events = run.entrant.strategies[0].settings["events"]
    assert events == (tasks if variant == "every-task" or row == "split-cifar100" else 5)


def test_the_small_network_has_the_final_size_of_the_large_one() -> None:
    (one,) = choose("lillo2026/continual", ["permuted-mnist"])
    small = next(entry for entry in one.row.entries if entry.method == "Dense, small")
    (run,) = run_specs(one.row, one.variant, "paper", small, small.entrants[0], [0])
    assert run.entrant.network.hidden == (51, 51)
    assert run.entrant.name == "dense 51-51"
    assert small.control


@pytest.mark.parametrize("method", ["Prune", "Grow"])
def test_controls_are_those_that_a_run_would_add(method: str) -> None:
    (one,) = choose(CONTINUAL, ["permuted-mnist"])
    entries = [e for e in one.row.entries if e.control or e.label == f"{method} 20 %"]
    runs = {
        entry.label: run_specs(one.row, one.variant, "paper", entry, entry.entrants[0], [0])[0]
        for entry in entries
    }
    digits = resolved_stream(parse_stream("permuted-digits(tasks=500,tell_boundary=false)"))
    run = replace(runs.pop(f"{method} 20 %"), stream=digits)
    # Which units are chosen is no question of the study: it is left to `run --controls`.
    wanted = {
        control.entrant
        for control in controls_of(run, rehearse(run, DATA))
        if control.kind not in MATCHED
    }
    anonymous = {replace(run.entrant, name="") for run in runs.values()}
    assert len(wanted) == {"Prune": 7, "Grow": 6}[method]
    assert {replace(entrant, name="") for entrant in wanted} <= anonymous


def edit_updates(one: Chosen, entry: Entry, scale: Scale) -> list[int]:
    """Return after which updates an entry edits, had every pass over a task 100 updates."""
    (run,) = run_specs(one.row, one.variant, scale, entry, entry.entrants[0], [0])
    settings = run.stream.settings
    tasks, passes = (int(str(settings.get(name, 1))) for name in ("tasks", "passes"))
    plan = Plan((100 * passes,) * tasks, passes, 1)
    made = [load_strategy(each.name)(**each.settings) for each in run.entrant.strategies]
    return [
        update
        for each in made
        if isinstance(each, ScheduledEdits)
        for update in each.schedule(plan)
    ]


@pytest.mark.parametrize(
    "one", [one for name in paper_names() for one in choose(name)], ids=lambda one: one.label
)
def test_a_half_scale_keeps_the_edits_where_they_are_or_says_so(one: Chosen) -> None:
    about = one.row.scales["half"].about
    for entry in one.row.entries:
        paper, half = (edit_updates(one, entry, scale) for scale in ("paper", "half"))
        assert paper == half or "edits" in about, entry.label


@pytest.mark.parametrize("one", choose(CONTINUAL), ids=lambda one: one.label)
def test_what_a_half_scale_says_of_its_edits_is_so(one: Chosen) -> None:
    grow = next(entry for entry in one.row.entries if entry.method == "Grow")
    scales: tuple[Scale, Scale] = ("half", "paper")
    for place, scale in enumerate(scales):
        (run,) = run_specs(one.row, one.variant, scale, grow, grow.entrants[0], [0])
        passes = int(str(run.stream.settings.get("passes", 1)))
        updates = edit_updates(one, grow, scale)
        tasks = [update / (100 * passes) for update in updates]
        about = one.row.scales["half"].about
        if "same tasks" in about:
            assert tasks == list(range(len(tasks)))
            continue
        every = re.findall(r"(\d+) tasks instead of (\d+)", about)
        assert tasks == [int(every[1][place]) * number for number in range(5)]
        assert tasks[-1] == int(every[2][place])


MADE = """
paper = "Made up"
seeds = "0:10"
margins = { acc = { points = 1.0, why = "made up" } }
[tables.one]
title = "t"
origin = "o"
[tables.one.rows.digits]
stream = "iid-digits(passes=7)"
set = { grow = { events = "{passes}" } }
claims = ["C5"]
elsewhere = { C5 = "digits" }
scales = { smoke = { set = { stream = { passes = 2 } } } }
[tables.one.rows.digits.variants]
plain = {}
quick = { set = { optimizer = { lr = 0.5 } } }
more = { append = { grow = "dense" } }
[tables.one.rows.digits.variants.tuned]
set = { optimizer = { lr = 0.5 } }
methods = { Grow = { optimizer = { lr = 0.25 } } }
elsewhere = { C5 = "" }
[[tables.one.rows.digits.entrants]]
method = "Grow"
entrant = "grow(compactness={c})"
compactness = [0.3, 0.5]
mean = true
printed = { acc = "50 ± 1" }
"""


def test_settings_win_in_their_order() -> None:
    row = read_paper(MADE, "made").tables["one"].rows["digits"]
    (entry,) = row.entries
    assert len(entry.entrants) == 2
    (run,) = run_specs(row, "quick", "smoke", entry, entry.entrants[0], [3])
    assert run.stream.settings["passes"] == 2
    assert run.entrant.strategies[0].settings["events"] == 2
    assert run.entrant.strategies[0].settings["compactness"] == 0.3
    assert run.entrant.optimizer.lr == 0.5
    (tuned,) = run_specs(row, "tuned", "paper", entry, entry.entrants[0], [3])
    assert tuned.entrant.optimizer.lr == 0.25
    assert tuned.entrant.strategies[0].settings["events"] == 7
    (other,) = run_specs(
        row, "tuned", "paper", replace(entry, method="Prune"), entry.entrants[0], [3]
    )
    assert other.entrant.optimizer.lr == 0.5
    (more,) = run_specs(row, "more", "paper", entry, entry.entrants[1], [3])
    assert [one.name for one in more.entrant.strategies] == ["grow", "dense"]
    assert more.stream.settings["passes"] == 7


def test_a_variant_may_take_back_that_a_setting_is_another() -> None:
    made = read_paper(MADE, "made")
    table = made.tables["one"]
    found = {
        variant: measured(one, {}, frozenset()).elsewhere
        for variant in table.rows["digits"].variants
        for one in cases([Chosen(made, table, table.rows["digits"], variant)], "smoke", [0])
    }
    assert found["plain"] == {"C5": "digits"}
    assert found["tuned"] == {}


def test_methods_leave_out_the_others() -> None:
    chosen = choose(CONTINUAL, ["permuted-mnist"])
    asked = ("Dense", "Prune, no rewind")
    found = cases(chosen, "smoke", [0], [0.2], asked)
    assert {case.entry.method for case in found} == set(asked)
    with pytest.raises(BenchError, match="no method of these rows named 'Dens'; did you mean"):
        cases(chosen, "smoke", [0], (), ["Dens"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("50 ± 1", "about 50", "cannot read the number 'about 50' of Grow, acc"),
        ('acc = "50 ± 1"', 'acc = ["1", "2"]', "2 numbers for 1 values of compactness"),
        ("smoke = {", "smok = {", "no scale of row digits of table made/one named 'smok'"),
        ("paper =", "papr =", "no setting of paper made named 'papr'"),
        ("[tables.one]", "[tables.one", "made is not TOML"),
        ('seeds = "0:10"', "", "paper made: seeds"),
        ("rows.digits", 'rows."di\\u202Egits"', "'di\\u202egits', has the character U+202E"),
        ('"Grow"', '"Gr\\u043ew"', "method of row digits of table made/one, 'Gr\\u043ew', has the"),
        ("margins = {", "margins = {}\nrest = {", "no setting of paper made named 'rest'"),
        ("{ acc = {", "{ ac = {", "no metric of paper made named 'ac'"),
        ('acc = "50 ± 1"', "acc = 1, taa = 2", "paper made prints taa and has no margin for it"),
        ("points = 1.0", "points = 0", "margin of acc in paper made needs points above 0"),
        ('why = "made up"', 'why = " "', "and a reason in why"),
        ('{ C5 = "digits" }', '{ C6 = "" }', "no claim of row digits of table made/one named 'C6'"),
        ('{ C5 = "" }', '{ C4 = "" }', "no claim of row digits of table made/one named 'C4'"),
        ("{ Grow = {", "{ Grw = {", "no method of row digits of table made/one named 'Grw'"),
    ],
)
def test_a_mistake_in_a_file_is_named(old: str, new: str, message: str) -> None:
    with pytest.raises(BenchError, match=re.escape(message)):
        read_paper(MADE.replace(old, new), "made")


@pytest.mark.parametrize(
    ("target", "rows", "variant", "message"),
    [
        ("lilo2026/table3", (), None, "no paper 'lilo2026'; did you mean 'lillo2026'?"),
        ("lillo2026/tabel3", (), None, "did you mean 'table3'?"),
        ("lillo2026/table3", ("mnist",), None, "did you mean 'mnist-iid'?"),
        ("lillo2026/table3", (), "batch-265", "did you mean 'batch-256'?"),
        ("nowhere/x.toml/one", (), None, "cannot be read: No such file"),
    ],
)
def test_a_wrong_name_is_told(
    target: str, rows: tuple[str, ...], variant: str | None, message: str
) -> None:
    with pytest.raises(BenchError, match=re.escape(message)):
        choose(target, rows, variant)


def test_entries_are_chosen_by_compactness() -> None:
    rows = choose("lillo2026/table3", ["mnist-iid"])
    labels = [case.entry.label for case in cases(rows, "paper", [0], [0.5, 0.2])]
    assert labels == ["Dense", "Grow 20 %", "Grow 50 %", "Prune 20 %", "Prune 50 %"]
    with pytest.raises(BenchError, match=r"compactness 0.25. There is: 0.2, 0.3, 0.4, 0.5"):
        cases(rows, "paper", [0], [0.25])


def test_a_mean_over_several_is_of_no_compactness() -> None:
    rows = choose("lillo2026/table1") + choose("lillo2026/table3")
    found = [
        case for case in cases(rows, "paper", [0], [0.2]) if case.chosen.table.name == "table1"
    ]
    assert {case.entry.label for case in found} == {"Dense"}


def test_what_cannot_be_resolved_is_said_with_its_row() -> None:
    paper = read_paper(MADE.replace("grow(comp", "grw(comp"), "made")
    chosen = Chosen(paper, paper.tables["one"], paper.tables["one"].rows["digits"], "plain")
    with pytest.raises(BenchError, match="one/digits, Grow: no strategy 'grw'"):
        cases([chosen], "smoke", [0])
