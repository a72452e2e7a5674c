from plasticity_bench.leaderboard.page.data import identity

from .readers import ORDER, ROWS, STREAM, STREAM_ROWS, Visit, follow, head, names, numeral


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
    follow(page, page.get_by_role("navigation").get_by_role("link", name="permuted-digits"))
    assert page.locator("h2").first.inner_text() == "permuted-digits"
    follow(page, page.locator(STREAM_ROWS).get_by_role("link", name="prune", exact=True))
    assert page.locator("h2").first.inner_text() == "prune"
    page.go_back()
    page.locator("h2", has_text="permuted-digits").wait_for()
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


def test_what_is_shown_survives_a_reload(visit: Visit, usual: str) -> None:
    page = visit(usual)
    follow(page, page.get_by_role("navigation").get_by_role("link", name="shifting-labels-digits"))
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
    assert "A lost run counts as 0.0000 in means;" in page.locator("main").inner_text()
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
    follow(page, page.get_by_role("link", name="Compare two"))
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


def test_six_streams_have_a_picture_of_mean_ranks(visit: Visit, ranked: str, usual: str) -> None:
    page = visit(ranked)
    image = page.locator("img[alt^='Mean ranks: dense 1, grow 2, <img']")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    assert "Nemenyi" in page.locator("figcaption").last.inner_text()
    assert visit(usual).locator("main img").count() == 0


def test_an_entrant_that_is_surely_first_has_one_rank(visit: Visit, ranked: str) -> None:
    page = visit(ranked + f"#view=entrant&of={identity('dense')}")
    assert "rank 1 of 3, score" in page.locator("dl.plain").first.inner_text()


def test_who_lacks_a_stream_has_no_place_and_is_shown_below(visit: Visit, partly: str) -> None:
    page = visit(partly)
    row = page.locator(ROWS.format("Stream by stream"), has_text="grow")
    assert row.locator("td").all_inner_texts()[1].split() == ["\u2013", "nothing", "to", "rank"]
    assert page.get_by_text("nothing to rank", exact=True).count() == 1
    assert page.locator(ROWS.format("Overall board"), has_text="grow").count() == 0
    assert "No place over streams: grow has nothing on b" in page.locator("body").inner_text()


def test_large_numbers_have_three_digits(visit: Visit, large: str) -> None:
    page = visit(large + f"#view=stream&of={identity('a')}")
    updates = page.locator(f"{ROWS.format('Board of a')} td.number", has_text="k").all_inner_texts()
    assert updates == ["1000k", "12.3k"]


def test_seeds_that_meant_other_tasks_are_not_joined(visit: Visit, large: str) -> None:
    page = visit(large + f"#view=compare&a={identity('dense')}&b={identity('grow')}")
    dots = page.locator("svg[aria-label='Values by seed on a']")
    assert dots.locator("g[aria-label='link'] path").count() == 2
    assert dots.locator("g[aria-label='dot'] circle").count() == 7
    assert dots.locator("g[aria-label='dot'] path").count() == 1  # the lost run


def test_a_diagnostic_board_has_no_ranks(visit: Visit, diagnostic: str) -> None:
    page = visit(diagnostic + STREAM)
    assert page.get_by_role("button", name="Rank").count() == 0
    assert names(page) == ["dense", "grow"]
    assert "explains a rank and does not make one" in page.locator("header").inner_text()
    follow(page, page.get_by_role("navigation").get_by_role("link", name="All streams"))
    assert "There is no ranking over streams" in page.locator("main").inner_text()
    assert names(page, ROWS.format("Stream by stream")) == ["dense", "grow"]
