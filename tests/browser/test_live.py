"""A page that is left open: what changes comes by itself, what a person does to it stays, and it grows no larger."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from .conftest import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

pytestmark = pytest.mark.browser
WAIT_MS = 60_000
PHASE = """
update item set phase = :phase, version = version + 1, changed_at = clock_timestamp() where file_id = :file
"""
SIZES = ("Nodes", "JSEventListeners", "JSHeapUsedSize")
REFRESH = "async () => (await import('/static/live.js')).refresh()"


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    yield context.new_page()
    context.close()


def watched(page: "Page", site: Site) -> None:
    """Open the newest run's page, and wait until its stream is there."""
    with page.expect_response("**/live/events*", timeout=WAIT_MS):
        page.goto(f"{site.base}/runs/{site.filled.newest}")


def move(site: Site, file: int, phase: str) -> None:
    with site.engine.begin() as connection:
        connection.execute(text(PHASE), {"file": file, "phase": phase})


def file_of(page: "Page", at: int) -> int:
    return int((page.locator(".cells a").nth(at).get_attribute("href") or "").rpartition("/")[2])


@pytest.mark.long
def test_a_page_left_open_grows_no_larger(page: "Page", site: Site) -> None:
    watched(page, site)
    file, session = file_of(page, 9), page.context.new_cdp_session(page)
    session.send("Performance.enable")
    sizes = []
    for part in range(3):
        for n in range(12):
            move(site, file, ("held", "failed")[n % 2])
            page.evaluate(REFRESH)
        sizes.append(size(session))
        print(f"after {12 * (part + 1)} refreshes: {sizes[-1]}")
    assert sizes[-1]["Nodes"] <= sizes[0]["Nodes"] + 50
    assert sizes[-1]["JSEventListeners"] <= sizes[0]["JSEventListeners"]
    assert sizes[-1]["JSHeapUsedSize"] <= 1.05 * sizes[0]["JSHeapUsedSize"] + 200_000


def size(session: "CDPSession") -> dict[str, float]:
    """Collect what is garbage, and give what is left."""
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return {each["name"]: each["value"] for each in metrics if each["name"] in SIZES}


def test_a_cell_stays_the_same_element_with_what_others_did_to_it(page: "Page", site: Site) -> None:
    watched(page, site)
    file = file_of(page, 3)
    page.evaluate("n => { window.cell = document.querySelectorAll('.cells a')[n]; cell.dataset.mine = 'yes'; }", 3)
    move(site, file, "held")
    page.wait_for_selector(f'.cells a.held[href="/files/{file}"]', timeout=WAIT_MS)
    assert page.evaluate("cell.isConnected && cell.dataset.mine === 'yes' && cell.classList.contains('held')")


def test_marked_text_stays_until_it_is_no_longer_marked(page: "Page", site: Site) -> None:
    watched(page, site)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#cells'))")
    file = file_of(page, 5)
    move(site, file, "held")
    page.evaluate(REFRESH)
    assert page.locator(f'.cells a.held[href="/files/{file}"]').count() == 0
    page.evaluate("getSelection().removeAllRanges()")
    page.wait_for_selector(f'.cells a.held[href="/files/{file}"]', timeout=WAIT_MS)


def test_a_page_that_gets_no_stream_asks_by_itself(page: "Page", site: Site) -> None:
    page.route("**/live/events*", lambda route: route.fulfill(status=503))
    page.goto(f"{site.base}/runs/{site.filled.newest}")
    file = file_of(page, 6)
    move(site, file, "held")
    page.wait_for_selector(f'.cells a.held[href="/files/{file}"]', timeout=WAIT_MS)


def test_each_part_says_of_when_it_is_once_it_is_no_longer_up_to_date(page: "Page", site: Site) -> None:
    watched(page, site)
    page.wait_for_selector("#summary[data-as-of]", timeout=WAIT_MS)
    try:
        site.way.refuse()
        page.wait_for_selector("body.stale", timeout=WAIT_MS)
        said = page.evaluate("getComputedStyle(document.querySelector('#summary'), '::before').content")
        assert said.startswith('"as of ')
    finally:
        site.way.admit()
    page.wait_for_selector("body:not(.stale)", timeout=WAIT_MS)


def test_what_came_while_a_refresh_was_broken_off_is_asked_for_when_the_page_is_seen_again(
    page: "Page", site: Site
) -> None:
    watched(page, site)
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    file = file_of(page, 8)
    move(site, file, "held")
    page.evaluate(REFRESH)
    assert page.locator(f'.cells a.held[href="/files/{file}"]').count() == 0
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_selector(f'.cells a.held[href="/files/{file}"]', timeout=WAIT_MS)
