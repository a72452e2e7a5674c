"""One headless Chromium for all tests, and pages that report whatever must not happen."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from plasticity_bench.leaderboard.page import page_data, render, write
from plasticity_bench.leaderboard.store.result import Result
from tests.leaderboard.board.made_boards import made_board, made_results

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    '"><b>bold',
    "right\u202eto left",
    "long " * 2000,
)


@dataclass
class Seen:
    """What happened in the pages of a test that must not happen."""

    wrong: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium here: install it (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def seen() -> Iterator[Seen]:
    """Fail the test if a page complained, opened a dialog, or asked for anything else."""
    seen = Seen()
    yield seen
    assert seen.wrong == []


@pytest.fixture
def visit(browser: Any, seen: Seen) -> Iterator[Callable[..., Any]]:
    """Open an address in a page of its own; returns the page."""
    contexts = []

    def open_page(address: str, width: int = 1200, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        own = address.partition("#")[0]

        def asked(request: Any) -> None:
            if request.url.partition("#")[0] != own and not request.url.startswith("data:"):
                seen.wrong.append(f"asked for {request.url[:200]}")

        def said(message: Any) -> None:
            if message.type in ("error", "warning"):
                seen.wrong.append(f"console: {message.text}")

        def dialog(opened: Any) -> None:
            seen.wrong.append(f"dialog: {opened.message}")
            opened.dismiss()

        page.on("request", asked)
        page.on("console", said)
        page.on("dialog", dialog)
        page.on("pageerror", lambda error: seen.wrong.append(f"error: {error}"))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()


def written(results: list[Result], folder: Path, metric: str = "taoa") -> str:
    """Write the page of results; return its address."""
    data = page_data(made_board(results, metric), results, datetime(2026, 11, 24, tzinfo=UTC))
    return write(render(data), folder).as_uri()


@pytest.fixture(scope="session")
def usual(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of seven entrants on two streams; `grow` has newborns, `prune` lost a run."""
    entrants = ["dense", "grow", "prune", "reset", "shrink", "sgd", "small"]
    results = made_results(
        entrants, seeds=6, newborns=["grow"], lost={("prune", 1): "diverged"}, unchecked=True
    )
    return written(results, tmp_path_factory.mktemp("usual"))


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of runs of many updates; `grow` lost one of four and had other tasks in another."""
    results = [
        one.model_copy(
            update={
                "metrics": {**one.metrics, "updates": updates},
                "stream_digest": ("f" if grow and one.spec.seed == 0 else "e") * 64,
            }
        )
        for one in made_results(["dense", "grow"], ["a"], 4, lost={("grow", 3): "failed"})
        for grow in [one.spec.entrant.name == "grow"]
        for updates in [12_345 if grow else 999_900]
    ]
    return written(results, tmp_path_factory.mktemp("large"))


@pytest.fixture(scope="session")
def partly(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page on which `grow` has runs on the first of two streams only."""
    results = [
        one
        for one in made_results(["dense", "grow"], ["a", "b"], 2, unchecked=True)
        if (one.spec.entrant.name, one.spec.stream.name) != ("grow", "b")
    ]
    return written(results, tmp_path_factory.mktemp("partly"))


@pytest.fixture(scope="session")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of three entrants on six streams: enough for mean ranks over streams."""
    results = made_results(["dense", "grow", HOSTILE[0]], list("abcdef"), 3, unchecked=True)
    return written(results, tmp_path_factory.mktemp("ranked"))


@pytest.fixture(scope="session")
def diagnostic(tmp_path_factory: pytest.TempPathFactory) -> str:
    results = made_results(["dense", "grow"], unchecked=True)
    return written(results, tmp_path_factory.mktemp("diagnostic"), "updates")


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page whose entrants and streams are named to break it; the streams have newborns."""
    results = made_results(
        ["dense", *HOSTILE], HOSTILE[:4], newborns=list(HOSTILE[:3]), unchecked=True
    )
    return written(results, tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="session")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> str:
    names = [f"an-entrant-with-a-rather-long-name-{number}" for number in range(50)]
    results = made_results(names, ["a-stream", "b-stream"], seeds=2, tasks=20, unchecked=True)
    return written(results, tmp_path_factory.mktemp("crowded"))
