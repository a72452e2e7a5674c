import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from plasticity_bench.leaderboard.page import Page, page_data, render
from plasticity_bench.leaderboard.page.data import identity
from plasticity_bench.leaderboard.serve import PageServer
from tests.leaderboard.made_boards import made_board, made_results

from .conftest import HOSTILE, Seen

Visit = Callable[..., Any]
ROWS = "table[aria-label='{}'] tbody tr"
STREAM = f"#view=stream&of={identity('permuted-digits')}"
STREAM_ROWS = ROWS.format("Board of permuted-digits")
ORDER = ["dense", "grow", "reset", "shrink", "sgd", "small", "prune"]  # prune lost a run


def names(page: Any, rows: str = STREAM_ROWS) -> list[str]:
    found: list[str] = page.locator(f"{rows} th bdi").all_inner_texts()
    return found


def numeral(text: str) -> float:
    """Read a number as the page writes it, with a minus sign."""
    return float(text.replace("\N{MINUS SIGN}", "-"))


def head(page: Any, title: str) -> Any:
    return page.locator("table").first.locator("thead th", has_text=title).first


def test_the_overall_board_is_in_the_order_of_the_ranking(visit: Visit, usual: str) -> None:
    page = visit(usual)
    rows = ROWS.format("Overall board")
    assert names(page, rows) == ["dense", "grow", "reset", "shrink", "sgd", "prune", "small"]
    assert page.locator(rows).first.locator(".rank b").inner_text() == "1"
    assert page.locator(rows).first.locator(".rank svg").count() == 1
    assert page.locator("h1").inner_text() == "made"
    assert page.locator(f"{ROWS.format('Stream by stream')} td").first.inner_text() != ""


def test_links_lead_to_a_stream_and_to_an_entrant_and_back(visit: Visit, usual: str) -> None:
    page = visit(usual)
    page.get_by_role("navigation").get_by_role("link", name="permuted-digits").click()
    assert page.locator("h2").first.inner_text() == "permuted-digits"
    page.locator(STREAM_ROWS).get_by_role("link", name="prune", exact=True).click()
    assert page.locator("h2").first.inner_text() == "prune"
    page.go_back()
    assert page.locator("h2").first.inner_text() == "permuted-digits"
    assert page.locator("nav a[aria-current]").inner_text() == "permuted-digits"


def test_a_click_on_a_head_sorts_and_another_turns(visit: Visit, usual: str) -> None:
    page = visit(usual + STREAM)
    assert names(page) == ORDER
    button = head(page, "Entrant").locator("button")
    button.click()
    assert names(page) == sorted(ORDER)
    assert head(page, "Entrant").get_attribute("aria-sort") == "ascending"
    button.click()
    assert names(page) == sorted(ORDER, reverse=True)
    assert head(page, "Entrant").get_attribute("aria-sort") == "descending"
    head(page, "Updates").locator("button").click()  # each has one more than the one before
    assert names(page) == ["dense", "grow", "prune", "reset", "shrink", "sgd", "small"]
    assert page.locator("th[aria-sort]").count() == 1


def test_numbers_are_sorted_as_numbers_best_first(visit: Visit, usual: str) -> None:
    page = visit(usual + STREAM)
    head(page, "Mean").locator("button").click()
    means = [
        float(text.split()[0])
        for text in page.locator(f"{STREAM_ROWS} td:nth-child(4)").all_inner_texts()
    ]
    assert means == sorted(means, reverse=True)
    assert len(set(means)) == 7


def test_the_keyboard_sorts_and_keeps_its_place(visit: Visit, usual: str) -> None:
    page = visit(usual + STREAM)
    head(page, "Entrant").locator("button").focus()
    page.keyboard.press("Enter")
    assert names(page) == sorted(ORDER)
    assert page.evaluate("document.activeElement.dataset.focus") == "sort-entrant"
    page.keyboard.press("Space")
    assert names(page) == sorted(ORDER, reverse=True)


def test_the_first_tab_skips_to_the_board(visit: Visit, usual: str) -> None:
    page = visit(usual)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.evaluate("location.hash") == ""


def test_text_filters_as_it_is_typed(visit: Visit, usual: str) -> None:
    page = visit(usual + STREAM)
    page.get_by_role("searchbox").press_sequentially("s")
    assert set(names(page)) == {"dense", "reset", "shrink", "sgd", "small"}
    page.get_by_role("searchbox").press_sequentially("m")
    assert names(page) == ["small"]
    assert page.evaluate("document.activeElement.value") == "sm", "typing goes on"
    assert page.get_by_role("status").inner_text() == "1 of 7 entrants"


def test_boxes_hide_what_is_provisional_or_must_be_told(visit: Visit, usual: str) -> None:
    page = visit(usual + STREAM)
    page.get_by_label("hide those that must be told something").check()
    assert "grow" not in names(page)
    page.get_by_label("Trust").select_option("verified")
    assert names(page) == []
    assert page.get_by_role("status").inner_text() == "0 of 7 entrants"


def test_provisional_entrants_are_marked_and_can_be_hidden(visit: Visit, hostile: str) -> None:
    page = visit(hostile)  # three seeds each
    assert page.locator(ROWS.format("Overall board")).count() == 6
    assert page.get_by_text("provisional", exact=True).count() == 6
    page.get_by_label("hide provisional").check()
    assert page.locator(ROWS.format("Overall board")).count() == 0


def test_what_is_shown_survives_a_reload(visit: Visit, usual: str) -> None:
    page = visit(usual)
    page.get_by_role("navigation").get_by_role("link", name="shifting-labels-digits").click()
    page.get_by_role("searchbox").fill("e")
    head(page, "Entrant").locator("button").click()
    page.get_by_label("show reset in colour").uncheck()
    before = page.locator("main").inner_text()
    assert "reset" in before
    address = page.evaluate("location.hash")
    page.reload()
    assert page.evaluate("location.hash") == address
    assert page.locator("main").inner_text() == before
    assert page.get_by_role("searchbox").input_value() == "e"
    assert not page.get_by_label("show reset in colour").is_checked()


def test_an_address_that_names_nothing_shows_the_overview(visit: Visit, usual: str) -> None:
    page = visit(usual + "#view=stream&of=0123456789&sort=nothing&trust=%3Cb%3E&toString=1")
    assert page.locator("h2").first.inner_text() == "Over all streams"


def test_coverage_says_what_was_lost(visit: Visit, usual: str) -> None:
    page = visit(usual + STREAM)
    row = page.locator(STREAM_ROWS, has_text="prune")
    assert "5/6" in row.inner_text()
    assert "1 diverged" in row.inner_text()
    assert "A lost run counts as 0.0000." in page.locator("main").inner_text()
    assert "83 of 84 done" in page.locator("header").inner_text()


def test_a_stream_shows_every_seed_and_its_curves(visit: Visit, usual: str) -> None:
    page = visit(usual + STREAM)
    forest = page.locator("svg[aria-label^='Seeds, means']")
    assert forest.locator("g[aria-label='dot'] circle").count() == 41
    assert forest.locator("g[aria-label='dot'] path").count() == 1  # the lost run
    curves = page.locator("svg[aria-label^='online accuracy']")
    assert curves.locator("g[aria-label='line'] path").count() == 7
    assert page.locator("svg[aria-label$='parity by age']").count() == 4
    assert page.locator("svg[aria-label^='Share of cohorts']").count() == 6
    page.locator("summary", has_text="All settings").click()
    assert '"tasks": 10' in page.locator("details pre").inner_text()


def test_ticking_an_entrant_puts_it_in_colour(visit: Visit, usual: str) -> None:
    page = visit(usual + STREAM)
    legend = page.locator(".legend").first
    assert legend.locator("bdi").all_inner_texts() == ORDER[:5]
    assert "2 others" in legend.inner_text()
    page.get_by_label("show prune in colour").check()
    page.get_by_label("show dense in colour").uncheck()
    assert legend.locator("bdi").all_inner_texts() == [*ORDER[1:5], "prune"]
    grey = "svg[aria-label^='online accuracy'] path[stroke='var(--grey)']"
    group = "svg[aria-label^='online accuracy'] g[stroke='var(--grey)'] path"
    assert page.locator(f"{grey}, {group}").count() == 2
    page.get_by_role("button", name="back to the first few").click()
    assert legend.locator("bdi").all_inner_texts() == ORDER[:5]


def test_an_entrant_has_settings_sources_and_every_run(visit: Visit, usual: str) -> None:
    page = visit(usual + f"#view=entrant&of={identity('prune')}")
    runs = page.locator(ROWS.format("Every run"))
    assert runs.count() == 12
    lost = runs.filter(has_text="diverged")
    assert lost.count() == 1
    assert "made up" in lost.inner_text()
    page.locator("summary").first.click()
    details = page.locator("details").first.inner_text()
    assert "c" * 64 in details
    assert '"name": "prune"' in details
    assert page.locator(ROWS.format("Standings by stream")).count() == 2


def test_two_entrants_are_compared_in_numbers_and_words(visit: Visit, usual: str) -> None:
    page = visit(usual)
    page.get_by_role("link", name="Compare two").click()
    page.get_by_label("First").select_option(label="small")
    page.get_by_label("Second").select_option(label="dense")
    words = "small against dense: worse than the second on 2 streams."
    assert page.locator("p.lead[role=status]").inner_text() == words
    row = page.locator(ROWS.format("Comparison by stream"), has_text="permuted-digits")
    cells = row.locator("td").all_inner_texts()
    difference, _, interval = cells[2].partition("[")
    assert cells[-1] == "worse"
    low, high = (numeral(part) for part in interval.rstrip("]").split(","))
    assert -0.13 < low < numeral(difference) < high < -0.11  # six steps of 0.02
    dots = page.locator("svg[aria-label='Values by seed on permuted-digits']")
    assert dots.locator("circle").count() == 12
    assert dots.locator("g[aria-label='link'] path").count() == 6
    page.get_by_role("button", name="swap").click()
    assert (
        page.locator("p.lead[role=status]").inner_text().startswith("dense against small: better")
    )
    assert row.locator("td").all_inner_texts()[2].startswith("+0.1")
    page.get_by_label("Second").select_option(label="dense")
    assert "two different entrants" in page.locator("main").inner_text()


def test_a_diagnostic_board_has_no_ranks(visit: Visit, diagnostic: str) -> None:
    page = visit(diagnostic + STREAM)
    assert page.get_by_role("button", name="Rank").count() == 0
    assert names(page) == ["dense", "grow"]
    assert "explains a rank and does not make one" in page.locator("header").inner_text()
    page.get_by_role("navigation").get_by_role("link", name="All streams").click()
    assert "There is no ranking over streams" in page.locator("main").inner_text()
    assert names(page, ROWS.format("Stream by stream")) == ["dense", "grow"]


def go(page: Any, view: str, **parts: str) -> None:
    """Follow an address within the page, and wait until it is shown."""
    wanted = "&".join([f"view={view}", *(f"{key}={value}" for key, value in parts.items())])
    page.evaluate(
        "hash => new Promise(done => { addEventListener('hashchange', () => setTimeout(done), "
        "{once: true}); location.hash = hash; })",
        wanted,
    )


def test_hostile_names_are_shown_and_do_nothing(visit: Visit, hostile: str) -> None:
    image, script = identity(HOSTILE[0]), identity(HOSTILE[1])
    page = visit(hostile)
    for view in ("stream", "compare", "overview"):
        go(page, view, of=image, a=image, b=script)
        assert page.locator("main img, main script, main b:text('bold')").count() == 0
        assert HOSTILE[0] in page.locator("main").inner_text()
    go(page, "stream", of=image)
    forest = page.locator("svg[aria-label^='Seeds, means']")
    forest.locator("circle").first.hover(force=True)
    forest.locator("g[aria-label='tip'] text", has_text="seed").wait_for()
    assert page.locator("main img, main script").count() == 0
    for name in HOSTILE[:3]:  # every entrant's own page, and its place in every list
        go(page, "entrant", of=identity(name))
        assert page.locator("h2").first.inner_text() == name
        assert page.locator("main img, main script").count() == 0


def test_hidden_characters_and_endless_names_stay_in_their_place(
    visit: Visit, hostile: str
) -> None:
    page = visit(hostile)
    text = page.locator("main").inner_text()
    assert "\u202e" not in text
    assert "right\ufffdto left" in text
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    heights = page.locator(ROWS.format("Overall board")).evaluate_all(
        "rows => rows.map(row => row.offsetHeight)"
    )
    assert max(heights) < 100


@pytest.mark.parametrize("place", ["usual", "hostile", "crowded"])
def test_a_narrow_window_never_scrolls_sideways(
    visit: Visit, request: pytest.FixtureRequest, place: str
) -> None:
    stream = {"usual": "permuted-digits", "hostile": HOSTILE[0], "crowded": "a-stream"}[place]
    long = "an-entrant-with-a-rather-long-name-7"
    entrant = {"usual": "dense", "hostile": HOSTILE[4]}.get(place, long)
    page = visit(request.getfixturevalue(place), width=400)
    for view, name in (("stream", stream), ("entrant", entrant), ("compare", ""), ("overview", "")):
        go(page, view, of=identity(name), b=identity(entrant))
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, view
        assert page.locator("h2").first.is_visible()


def test_fifty_entrants_are_grey_but_for_a_few(visit: Visit, crowded: str) -> None:
    page = visit(crowded + f"#view=stream&of={identity('a-stream')}")
    assert page.locator(ROWS.format("Board of a-stream")).count() == 50
    legend = page.locator(".legend").first
    assert legend.locator("bdi").count() == 5
    assert "45 others" in legend.inner_text()
    page.get_by_role("searchbox").fill("name-4")
    assert page.locator(ROWS.format("Board of a-stream")).count() == 11
    assert legend.locator("bdi").count() == 8, "a filter puts those it leaves in colour"


def test_colours_follow_the_system_until_chosen(visit: Visit, usual: str) -> None:
    page = visit(usual, color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.locator("#theme").click()
    assert page.evaluate(paper) != dark
    assert page.locator("#theme").inner_text() == "colours: light"
    page.reload()
    assert page.evaluate(paper) != dark, "the choice is remembered"
    page.locator("#theme").click()
    assert page.evaluate(paper) == dark


def test_paper_is_white_and_has_boards_and_charts_without_tools(visit: Visit, usual: str) -> None:
    page = visit(usual + STREAM, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    assert not page.locator(".tools").is_visible()
    assert page.locator(STREAM_ROWS).first.is_visible()
    assert page.locator("figure svg").first.is_visible()
    assert page.pdf()[:5] == b"%PDF-"


def chart_width(page: Any) -> float:
    return float(page.locator("figure svg").first.bounding_box()["width"])


def test_a_wider_window_has_wider_charts(visit: Visit, usual: str) -> None:
    page = visit(usual + STREAM, width=500)
    assert 400 < chart_width(page) < 500
    page.set_viewport_size({"width": 900, "height": 900})
    page.locator("figure svg[width='860']").first.wait_for()
    assert 800 < chart_width(page) < 900


@contextmanager
def serving(server: PageServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def test_a_served_page_follows_the_results_and_keeps_its_view(visit: Visit, seen: Seen) -> None:
    entrants = ["dense", "grow"]

    def make() -> Page:
        results = made_results(entrants, unchecked=True)
        built = datetime(2026, 11, 24, tzinfo=UTC)
        return render(page_data(made_board(results), results, built), follow=0.1)

    with PageServer(make, lambda: len(entrants), port=0) as server, serving(server):
        page = visit(server.url)
        page.get_by_role("navigation").get_by_role("link", name="permuted-digits").click()
        head(page, "Entrant").locator("button").click()
        page.get_by_role("searchbox").fill("r")
        assert names(page) == ["grow"]
        page.evaluate("window.unchanged = true")
        page.wait_for_timeout(300)
        assert page.evaluate("window.unchanged"), "it is not loaded again without reason"
        entrants += ["prune", "reset"]
        page.locator(STREAM_ROWS).nth(2).wait_for()
        assert names(page) == ["grow", "prune", "reset"]
        assert page.evaluate("document.activeElement.dataset.focus") == "q"
        entrants.append("shrink")
        page.locator(STREAM_ROWS).nth(3).wait_for()
        page.close()
    assert set(seen.wrong) == {f"asked for {server.url}board.json"}
    seen.wrong.clear()
