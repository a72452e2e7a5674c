import base64
import hashlib
import json
import re
import tomllib
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest

from plasticity_bench.harness.visible import visible
from plasticity_bench.leaderboard.page import Page, page_data, render
from plasticity_bench.leaderboard.page.data import identity
from plasticity_bench.leaderboard.page.html import SCRIPTS, script_safe
from plasticity_bench.leaderboard.store.result import Result

from ..board.made_boards import made_board, made_results

BUILT = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    '"><b>bold',
    "right\u202eto left\u2028",
    "long " * 2000,
)


class Elements(HTMLParser):
    """The elements of a page, and the text of its scripts as a browser takes them."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}", {}))


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


def test_a_name_stands_in_addresses_as_a_hash_of_it() -> None:
    assert identity("dense") == hashlib.sha256(b"dense").hexdigest()[:10]
    assert re.fullmatch("[0-9a-f]{10}", identity(HOSTILE[0]))


def test_embedded_json_is_the_same_json_without_markup() -> None:
    text = json.dumps([*HOSTILE, "&amp;", "<!--"], ensure_ascii=False)
    safe = script_safe(text)
    assert json.loads(safe) == json.loads(text)
    assert not set("<>&\u2028\u2029") & set(safe)


def test_characters_that_hide_others_are_shown() -> None:
    assert visible("a\u202eb\x00c\nd\u200be\u2066") == "a\ufffdb\ufffdc\ufffdd\ufffde\ufffd"
    assert visible("plain ä 漢") == "plain ä 漢"


def test_names_add_no_element_and_survive_as_they_are() -> None:
    usual = page_of(made_results(["dense", *"abcde"], [*"ab"]))
    hostile = page_of(made_results(["dense", *HOSTILE], HOSTILE[:2]))

    def names(page: Page) -> list[str]:
        return [tag for tag, _ in Elements(page.html).tags]

    assert names(hostile) == names(usual)
    embedded = next(text for about, text in Elements(hostile.html).scripts if "id" in about)
    assert set(json.loads(embedded)["entrants"]) == {"dense", *HOSTILE}
    assert json.loads(embedded) == json.loads(hostile.data)


def test_a_hostile_name_of_a_suite_is_text(results: list[Result]) -> None:
    data = page_data(made_board(results), results, BUILT)
    for name in HOSTILE:
        data["board"]["suite"] = name
        tags = Elements(render(data).html).tags
        assert [tag for tag, _ in tags if tag in ("img", "b")] == ["b", "b"]  # metric and lost


def test_the_policy_allows_the_scripts_of_the_page_and_nothing_else(
    results: list[Result],
) -> None:
    page = page_of(results)
    elements = Elements(page.html)
    (policy,) = [
        about["content"] or ""
        for tag, about in elements.tags
        if tag == "meta" and about.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy == page.policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy.partition("style-src")[0]
    code = [text for about, text in elements.scripts if "type" not in about]
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    assert allowed == [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in code
    ]
    assert len(code) == 3
    assert "connect-src 'none'" in policy


def test_only_a_served_page_asks_its_server_for_news(data: dict[str, Any]) -> None:
    alone, served = render(data), render(data, follow=30)
    assert b'name="follow"' not in alone.html.partition(b"<script")[0]
    assert f'content="30" data-tag="{served.tag}"'.encode() in served.html
    assert "connect-src 'self'" in served.policy
    assert alone.tag == served.tag == hashlib.sha256(alone.data).hexdigest()[:32]


def test_the_page_names_no_other_place_to_load_from(results: list[Result]) -> None:
    loads = [
        (tag, about.get("src") or about.get("href") or about.get("data"))
        for tag, about in Elements(page_of(results).html).tags
        if {"src", "href", "data", "srcset"} & about.keys()
    ]
    assert {place for _, place in loads} == {"data:,", "#main", "board.json"}


def test_every_script_of_the_folder_is_in_the_page() -> None:
    folder = files("plasticity_bench.leaderboard.page") / "js"
    assert sorted(SCRIPTS) == sorted(file.name for file in folder.iterdir())


def test_libraries_are_the_files_that_their_list_says() -> None:
    vendor = files("plasticity_bench.leaderboard.page") / "vendor"
    libraries = tomllib.loads((vendor / "vendor.toml").read_text(encoding="utf-8"))["library"]
    assert [library["name"] for library in libraries] == ["d3", "@observablehq/plot"]
    for library in libraries:
        content = (vendor / library["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == library["sha256"]
        assert f"v{library['version']} Copyright".encode() in content[:200]
        licence = (vendor / library["licence_file"]).read_text(encoding="utf-8")
        assert "Permission to use, copy, modify, and/or distribute" in licence
