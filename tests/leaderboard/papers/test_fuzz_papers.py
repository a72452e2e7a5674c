"""Any paper file: a paper whose rows give runs, or one clean line."""

import io
import json
import tomllib
from importlib.resources import files
from pathlib import Path

from hypothesis import strategies as st
from rich.console import Console

from plasticity_bench.leaderboard.papers import report
from plasticity_bench.leaderboard.papers.measured import measured
from plasticity_bench.leaderboard.papers.paper import SCALES, Paper, Scale
from plasticity_bench.leaderboard.papers.paper_file import read_paper
from plasticity_bench.leaderboard.papers.runs import Chosen, cases
from tests.fuzzing import as_toml, check_shown, clean, fuzz, mutated, torn, tries

PAPER = """
paper = "Doe and Roe 2031, On Streams"
seeds = "0:10"
margins.taoa = { points = 0.5, why = "smaller gaps are read as ties" }
margins.wt_acc = { points = 1.0, why = "as printed" }

[tables.table1]
title = "Winning tickets"
origin = "Table 1"
controls = [{ method = "Dense, half", entrant = "dense", width = 0.5 }]

[tables.table1.rows.iid]
stream = "iid-digits(passes=5)"
claims = ["C1"]
elsewhere = { C1 = "digits are not MNIST" }
metrics = ["taoa"]
notes = "Made up."
set = { network = { hidden = [30, 30] }, grow = { events = 2 } }

[tables.table1.rows.iid.scales]
half = { set = { stream = { passes = 3 } } }
smoke = { stream = "permuted-digits(tasks=2)" }

[tables.table1.rows.iid.variants]
usual = { about = "as the preset says" }
other = { about = "more", append = { grow = "shrink-perturb" }, methods = { Grow = {} } }

[[tables.table1.rows.iid.entrants]]
method = "Grow"
entrant = "grow(compactness={c})+winning-ticket"
compactness = [0.2, 0.3]
half_width_at_most = 0.5
printed = { wt_acc = ["95.39 ± .13", "95.96 ± .07"], taoa = "10.9 .. 12.2" }

[[tables.table1.rows.iid.entrants]]
method = "Dense"
entrant = "dense"
mean = true
set = { optimizer = { lr = 0.1 } }
printed = { wt_acc = 95.39, taoa = "-" }
"""
PICTURES = (
    files("plasticity_bench.leaderboard") / "reproductions" / "lillo2026-pictures.toml"
).read_text(encoding="utf-8")
TEXTS = st.one_of(
    mutated(tomllib.loads(PAPER), "toml").map(as_toml),
    mutated(tomllib.loads(PAPER), "toml").map(as_toml),
    mutated(tomllib.loads(PICTURES), "toml").map(as_toml),
    torn(PAPER.encode()).map(lambda content: content.decode(errors="replace")),
)


def check_tables(paper: Paper, folder: Path) -> None:
    """The rows of a paper give runs, which are reported on where none of them is done."""
    for table in paper.tables.values():
        for row in table.rows.values():
            for variant in list(row.variants)[:2]:
                for scale in SCALES:
                    check_row(Chosen(paper, table, row, variant), scale, folder)


def check_row(chosen: Chosen, scale: Scale, folder: Path) -> None:
    asked = clean(lambda: cases([chosen], scale, (0,)))
    if asked:
        title = f"{chosen.paper.name}: {chosen.paper.source}"
        found = [(case, measured(case, {}, frozenset())) for case in asked]
        made = clean(lambda: report.report_of(title, "reproduce", scale, found))
        if made is not None:
            check_report(made, folder)


def check_report(made: report.Report, folder: Path) -> None:
    """Nothing that a report shows does harm."""
    shown = io.StringIO()
    Console(file=shown, width=100).print(report.terminal(made))
    check_shown(shown.getvalue())
    json.dumps(report.as_json(made), allow_nan=False)
    check_shown(report.write(made, folder).read_text(encoding="utf-8"))


@tries(20, 5_000)
def test_any_paper_file_gives_rows_and_runs_or_is_refused(tmp_path: Path, examples: int) -> None:
    def body(text: str) -> None:
        paper = clean(lambda: read_paper(text, "x"))
        if paper is not None:
            check_tables(paper, tmp_path)

    fuzz(body, TEXTS, examples)
