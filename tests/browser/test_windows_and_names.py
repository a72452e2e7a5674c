from datetime import UTC, datetime

import pytest

from plasticity_bench.leaderboard.page import Page, page_data, render
from plasticity_bench.leaderboard.page.data import identity
from plasticity_bench.leaderboard.page.serve import PageServer
from tests.leaderboard.board.made_boards import made_board, made_results

from .conftest import HOSTILE, Seen
from .readers import ROWS, STREAM, STREAM_ROWS, Visit, chart_width, follow, go, head, names, serving


def test_provisional_entrants_are_marked_and_can_be_hidden(visit: Visit, hostile: str) -> None:
    page = visit(hostile)  # three seeds each
    assert page.locator(ROWS.format("Overall board")).count() == 6
    assert page.get_by_text("provisional", exact=True).count() == 6
    page.get_by_label("hide provisional").check()
    assert page.locator(ROWS.format("Overall board")).count() == 0


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


def test_a_wider_window_has_wider_charts(visit: Visit, usual: str) -> None:
    page = visit(usual + STREAM, width=500)
    assert 400 < chart_width(page) < 500
    page.set_viewport_size({"width": 900, "height": 900})
    page.locator("figure svg[width='860']").first.wait_for()
    assert 800 < chart_width(page) < 900


def test_a_served_page_follows_the_results_and_keeps_its_view(visit: Visit, seen: Seen) -> None:
    entrants = ["dense", "grow"]

    def make() -> Page:
        results = made_results(entrants, unchecked=True)
        built = datetime(2026, 11, 24, tzinfo=UTC)
        return render(page_data(made_board(results), results, built), follow=0.1)

    with PageServer(make, lambda: len(entrants), port=0) as server, serving(server):
        page = visit(server.url)
        follow(page, page.get_by_role("navigation").get_by_role("link", name="permuted-digits"))
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
