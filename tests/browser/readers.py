"""What a reader does with a page in a browser, and what it then shows."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from plasticity_bench.leaderboard.page.data import identity
from plasticity_bench.leaderboard.page.serve import PageServer

Visit = Callable[..., Any]
ROWS = "table[aria-label='{}'] tbody tr"
STREAM = f"#view=stream&of={identity('permuted-digits')}"
STREAM_ROWS = ROWS.format("Board of permuted-digits")
ORDER = ["dense", "grow", "reset", "shrink", "sgd", "small", "prune"]  # prune lost a run


def names(page: Any, rows: str = STREAM_ROWS) -> list[str]:
    found: list[str] = page.locator(f"{rows} th bdi").all_inner_texts()
    return found


def follow(page: Any, link: Any) -> None:
    """Click a link, and wait until the page has drawn the view it leads to."""
    page.evaluate(
        "() => { window.followed = new Promise((done) => "
        "addEventListener('hashchange', () => setTimeout(done), { once: true })); }"
    )
    link.click()
    page.evaluate("window.followed")


def numeral(text: str) -> float:
    """Read a number as the page writes it, with a minus sign."""
    return float(text.replace("\N{MINUS SIGN}", "-"))


def head(page: Any, title: str) -> Any:
    return page.locator("table").first.locator("thead th", has_text=title).first


def go(page: Any, view: str, **parts: str) -> None:
    """Follow an address within the page, and wait until it is shown."""
    wanted = "&".join([f"view={view}", *(f"{key}={value}" for key, value in parts.items())])
    page.evaluate(
        "hash => new Promise(done => { addEventListener('hashchange', () => setTimeout(done), "
        "{once: true}); location.hash = hash; })",
        wanted,
    )


def chart_width(page: Any) -> float:
    return float(page.locator("figure svg").first.bounding_box()["width"])


@contextmanager
def serving(server: PageServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
