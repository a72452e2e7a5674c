import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from PIL import Image

from plasticity_bench.harness.errors import BenchError
from plasticity_bench.harness.visible import visible
from plasticity_bench.leaderboard.board.ranking import rank
from plasticity_bench.leaderboard.report.figures import report
from plasticity_bench.leaderboard.store.result import Result

MakeResult = Callable[..., Result]


def rows(tasks: int, grows: bool) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for task in range(tasks):
        step = 100 * task
        if grows and task:
            made.append({"kind": "edit", "step": step, "edit": "grow", "units": [task]})
            ratios = dict.fromkeys(("activation", "gradient", "incoming_gradient", "utility"), 0.1)
            made += [
                {"kind": "cohort", "layer": "hidden0", "birth": step, "age": age, "newborns": 8}
                | ratios
                for age in (0, 1, 10)
            ]
        made.append(
            {"kind": "task", "task": task, "step": step + 100, "online_accuracy": 0.9 - task / 100}
            | {"alive": [10 + task if grows else 20, 20]}
        )
        made.append({"kind": "checkpoint", "task": task, "step": step + 100, "accuracy": 0.8})
    return made


@pytest.fixture(scope="module")
def results(make_result: MakeResult) -> list[Result]:
    made = [
        make_result(entrant=entrant, seed=seed, rows=rows(3, entrant == "grow"))
        for entrant in ("dense", "grow", "reset")
        for seed in range(2)
    ]
    lost = make_result(entrant="dense", seed=2, status="diverged", rows=rows(1, False))
    long = [make_result(stream="permuted-mnist", seed=s, rows=rows(150, False)) for s in (0, 1)]
    single = make_result(stream="stationary-digits", rows=rows(1, False))
    return [*made, lost, *long, single]


@pytest.fixture(scope="module")
def page(results: list[Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(results, tmp_path_factory.mktemp("made") / "report")


def test_the_page_shows_every_figure_and_every_figure_is_there(page: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in page.parent.glob("*.md")]
    named = {name for text in texts for name in re.findall(r"\]\(([^)]+)\)", text)}
    assert named == {path.name for path in page.parent.iterdir()}
    linked = set(re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")))
    assert {name for name in linked if name.endswith(".png")} == {
        "permuted-digits-accuracy.png",
        "permuted-digits-integration.png",
        "permuted-digits-parity.png",
        "permuted-digits-alive.png",
        "permuted-mnist-accuracy.png",
        "permuted-mnist-alive.png",
        "stationary-digits-accuracy.png",
        "stationary-digits-alive.png",
    }
    for name in named:
        if name.endswith(".png"):
            with Image.open(page.parent / name) as image:
                colours = image.convert("RGB").getcolors(maxcolors=10**6)
                assert colours is not None
                assert len(colours) > 20


def test_captions_say_seeds_and_what_was_not_drawn(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "Seeds: dense 0,1; grow 0,1; reset 0,1." in text
    assert "Not drawn: dense seed 2, diverged: made up" in text
    assert "Cohorts: grow 4. Seeds: grow 0,1." in text
    assert 'Environment: `{"python":"3.12.1","torch":"2.9.0"}`' in text


def test_the_axis_names_the_smoothing_window(page: Path) -> None:
    def svg(stream: str) -> str:
        return page.with_name(f"{stream}-accuracy.svg").read_text(encoding="utf-8")

    assert "<!-- online accuracy, mean of 3 tasks -->" in svg("permuted-mnist")
    assert "<!-- online accuracy -->" in svg("permuted-digits")
    assert "<!-- test accuracy on tasks seen -->" in svg("stationary-digits")


def test_entrants_with_the_same_number_of_units_share_a_line(page: Path) -> None:
    svg = page.with_name("permuted-digits-alive.svg").read_text(encoding="utf-8")
    assert "<!-- dense, reset -->" in svg
    assert "<!-- grow -->" in svg


def test_the_same_results_give_the_same_bytes(
    results: list[Result], page: Path, tmp_path: Path
) -> None:
    report(reversed(results), tmp_path)
    for path in page.parent.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_variants_of_a_stream_have_files_of_their_own(
    make_result: MakeResult, tmp_path: Path
) -> None:
    variants = [
        make_result(stream_settings={"tasks": 3, "source": source}, rows=rows(3, False))
        for source in ("a/b", "a b")
    ]
    report(variants, tmp_path)
    assert len(list(tmp_path.glob("permuted-digits-source-a-b-*-accuracy.png"))) == 2


def test_a_stream_where_every_run_was_lost_has_no_figures(
    make_result: MakeResult, tmp_path: Path
) -> None:
    page = report([make_result(status="failed", metrics={})], tmp_path)
    assert "## permuted-digits" in page.read_text(encoding="utf-8")
    assert "Not drawn: dense seed 0, failed: made up" in page.read_text(encoding="utf-8")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["permuted-digits-dense-why.md", "report.md"]
    assert "nothing to explain" in (tmp_path / names[0]).read_text(encoding="utf-8")


def test_no_results_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no results to report on\. Run something first"):
        report([], tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_report_begins_with_the_board(make_result: MakeResult, tmp_path: Path) -> None:
    results = [
        make_result(
            stream=f"stream-{stream}",
            entrant=name,
            seed=seed,
            metrics={"taoa": score},
        )
        for stream in range(6)
        for name, score in (("dense", 0.5), ("grow", 0.4), ("reset", 0.9))
        for seed in range(2)
    ]
    text = report(results, tmp_path, rank(results)).read_text()
    assert text.index("## The board by taoa") < text.index("## stream-0")
    assert "| reset" in text
    assert "](results-ranks.png)" in text
    assert (tmp_path / "results-ranks.svg").stat().st_size > 1000
    few = [result for result in results if result.spec.stream.name in ("stream-0", "stream-1")]
    assert "are tested from 6 streams on" in report(few, tmp_path / "few", rank(few)).read_text()


HOSTILE = (
    r"a|b|c $\frac{$",
    "![picture](x.png) <script>alert(1)</script>",
    "[link](https://nowhere.invalid)",
    "`code` ``more`` **bold** _slanted_ ~~gone~~ &lt;b&gt;",
    "_two\nlines\n# heading esc\x1b[31m\u202egnp.exe",
)


def test_names_are_text_in_a_report_whatever_signs_they_have(
    make_result: MakeResult, tmp_path: Path
) -> None:
    """Results made before there was a rule for names may have such."""
    made = [make_result(entrant=name, stream=HOSTILE[2], rows=rows(3, True)) for name in HOSTILE]
    lost = make_result(entrant="lost", stream=HOSTILE[2], status="failed", rows=[])
    lost = lost.model_copy(update={"reason": " ".join(HOSTILE)})
    board = rank([*made, lost])
    folder = report([*made, lost], tmp_path / "report", board).parent
    markdown = MarkdownIt("gfm-like", {"linkify": False})
    seen = ""
    for page in folder.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
        html = markdown.render(text)
        links = re.findall(r'(?:href|src)="([^"]*)"', html)
        assert all((folder / link).exists() for link in links)
        assert not re.search(r"<(script|s|em|b)\b", html)
        for table in re.findall("<table>.*?</table>", html, re.DOTALL):
            cells = {row.count("<t") for row in re.findall("<tr>.*?</tr>", table, re.DOTALL)}
            assert len(cells) == 1
        seen += unescape(html)
    for name in HOSTILE:
        assert visible(name) in re.sub("<[^>]*>", "", seen) or "<" in name
    assert "<script>alert(1)</script>" in seen


def test_a_name_that_begins_with_a_line_is_in_the_legend(
    make_result: MakeResult, tmp_path: Path
) -> None:
    made = [make_result(entrant=name, rows=rows(3, False)) for name in ("_hidden", "dense")]
    folder = report(made, tmp_path / "report").parent
    drawn = next(folder.glob("*-accuracy.svg")).read_text(encoding="utf-8")
    assert "_hidden" in drawn
