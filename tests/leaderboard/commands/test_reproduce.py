import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from plasticity_bench.harness.cli import app
from plasticity_bench.harness.fingerprint import fingerprint
from plasticity_bench.leaderboard.papers.runs import choose
from plasticity_bench.leaderboard.papers.times import row_times
from plasticity_bench.leaderboard.store.result_store import ResultStore

PAPER = """
paper = "Made up 2026"
seeds = "0:3"
margins = { acc = { points = 1, why = "made up" }, taa = { points = 1, why = "made up" } }
[tables.one]
title = "A small one"
origin = "made up"
[tables.one.rows.digits]
stream = "iid-digits(passes=9,batch_size=64)"
claims = ["C1", "C3"]
set = { network = { hidden = [16, 16] } }
scales = { smoke = { set = { stream = { passes = 2 } } } }
variants = { small-batch = {}, large-batch = { set = { stream = { batch_size = 128 } } } }
[[tables.one.rows.digits.entrants]]
method = "Dense"
entrant = "dense"
printed = { acc = "99 ± 1", taa = 40 }
[[tables.one.rows.digits.entrants]]
method = "Grow"
entrant = "grow(compactness={c})"
compactness = [0.2]
printed = { acc = "10 ± 20" }
"""


def call(*words: str, status: int = 0) -> Result:
    done = CliRunner().invoke(app, ["reproduce", *words], env={"COLUMNS": "120"})
    assert done.exit_code == status, done.output
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduction")
    (folder / "made.toml").write_text(PAPER, encoding="utf-8")
    return folder


def words(place: Path) -> list[str]:
    where = ["--results", str(place / "results"), "--out", str(place / "out"), "--workers", "1"]
    return [f"{place / 'made.toml'}/one", "--scale", "smoke", "--variant", "all", *where]


def test_a_table_is_run_reported_and_not_run_again(place: Path) -> None:
    done = call(*words(place), "--json")
    assert "one/digits: 6 runs to make, about" in done.stderr
    assert "6 from a short trial" in done.stderr
    assert "12 runs done, 0 were done before." in done.stderr
    report = json.loads(done.stdout)
    first = {(c["entry"], c["metric"]): c for c in report["rows"][0]["cells"]}
    assert first["Dense", "acc"]["verdict"] == "smoke scale: no verdict"
    assert first["Dense", "acc"]["difference"] is None
    assert first["Dense", "acc"]["count"] == 3
    assert first["Dense", "taa"]["printed"]["source"] == "alone"
    assert {claim["name"]: claim["verdict"] for claim in report["claims"]}["C1"] == "not decided"
    assert report["fits"] == {}
    page = Path(report["page"]).read_text(encoding="utf-8")
    assert "NOT the printed protocol" in page
    command = f"plasticity-bench reproduce {place / 'made.toml'}/one --variant all --scale smoke"
    assert report["command"] == command
    assert f"\n    {command}\n" in page
    assert "| Dense | cycle ACC, % | 99.00 ±1.00 (full protocol) |" in page
    assert {file.suffix for file in (place / "out").iterdir()} == {".md", ".png", ".svg"}
    again = call(*words(place))
    assert "All runs are done already." in again.stderr
    assert "0 runs done, 12 were done before." in again.stderr
    assert "smoke scale: no verdict" in again.stdout.replace("\n", " ")
    more = call(*words(place), "--seeds", "0:4")
    assert "one/digits: 2 runs to make" in more.stderr
    assert "2 estimated from results of the same shape" in more.stderr


def test_methods_are_asked_for_by_name_again_and_again(place: Path) -> None:
    found = call(*words(place), "--only-report", "--json", "--method", "Grow", "--method", "Dense")
    report = json.loads(found.stdout)
    assert "--variant all --method Grow --method Dense --scale smoke" in report["command"]
    one = json.loads(call(*words(place), "--only-report", "--json", "--method", "Dense").stdout)
    assert {cell["entry"] for row in one["rows"] for cell in row["cells"]} == {"Dense"}
    wrong = call(*words(place), "--only-report", "--method", "Gro", status=2)
    assert "no method of these rows named 'Gro'; did you mean 'Grow'?" in " ".join(
        wrong.output.split()
    )


def test_only_report_runs_nothing(place: Path, tmp_path: Path) -> None:
    empty = ["--results", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    done = call(*words(place)[:5], "--only-report", *empty)
    assert "not run" in done.stdout
    assert not (tmp_path / "none").exists()


def test_a_report_is_of_the_code_that_is_here(place: Path, tmp_path: Path) -> None:
    here = [*words(place)[:5], "--only-report", "--json", "--out", str(tmp_path)]
    first = call(*here, "--results", str(place / "results"))
    assert first.stderr == ""
    store = ResultStore(tmp_path / "both")
    for result in ResultStore(place / "results").results():
        draft = json.loads(result.model_dump_json(exclude_unset=True))
        store.write(draft)
        if result.spec.entrant.name == "dense":
            draft["sources"]["strategies"] = {"dense": "b" * 64}
            draft["metrics"]["acc"] = 0.5
            parts = (draft["spec"], draft["sources"], draft["results_version"])
            store.write({**draft, "fingerprint": fingerprint(*parts)})
    second = call(*here, "--results", str(store.folder))
    assert second.stderr == "left out: 6 results of other code of dense\n"
    assert json.loads(second.stdout) == json.loads(first.stdout)


def test_wrong_names_are_told(place: Path) -> None:
    assert "did you mean 'table3'?" in call("lillo2026/table33", status=2).stderr
    assert (
        "no scale 'smok'; did you mean 'smoke'?"
        in call("lillo2026/table3", "--scale", "smok", status=2).stderr
    )


def test_the_list_says_what_a_row_has_and_takes(tmp_path: Path) -> None:
    where = ["--results", str(tmp_path / "none")]
    done = call("list", "--rows", "mnist-iid", "--json", "--data", str(tmp_path), *where)
    rows = {line["row"]: line for line in json.loads(done.stdout)}
    row = rows["lillo2026/table3 mnist-iid"]
    assert (row["numbers"], row["claims"]) == (26, "C1, C3, C4")
    assert row["paper"] == "no mnist"
    assert row["smoke"] == "unknown"
    assert not (tmp_path / "none").exists()


def test_times_in_the_list_are_from_results_of_the_same_shape(place: Path) -> None:
    chosen = choose(f"{place / 'made.toml'}/one", (), "small-batch")
    times = row_times(chosen, ResultStore(place / "results"), place, 1)
    seconds = [
        result.metrics["seconds"]
        for result in ResultStore(place / "results").results()
        if result.spec.stream.settings["batch_size"] == 64
    ]
    assert len(seconds) >= 6
    paper, smoke = times[chosen[0], "paper"], times[chosen[0], "smoke"]
    assert paper != smoke
    assert {paper, smoke}.isdisjoint({"unknown", "no digits"})


def test_a_wrong_row_of_the_list_is_told(tmp_path: Path) -> None:
    done = call("list", "--rows", "mnist-idd", "--results", str(tmp_path), status=2)
    assert "did you mean 'mnist-iid'?" in done.stderr


def test_numbers_stay_whole_in_a_narrow_terminal(place: Path, tmp_path: Path) -> None:
    where = ["--results", str(tmp_path / "none"), "--out", str(tmp_path / "out"), "--only-report"]
    done = CliRunner().invoke(
        app, ["reproduce", f"{place / 'made.toml'}/one", *where], env={"COLUMNS": "80"}
    )
    assert done.exit_code == 0, done.output
    assert "99.00 ±1.00 " in done.stdout
    assert "40.00 " in done.stdout
    assert "10.00 ±20.00 " in done.stdout
