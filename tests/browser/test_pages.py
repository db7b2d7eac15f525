"""What a person sees and does: light and dark, wide and on a phone, with the keyboard, while things change."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from .conftest import REFRESH_S, Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
WAIT_MS = 60_000
LOOKS = [("light", 1400), ("dark", 390)]
"""Colours do not depend on the width, nor the layout on colours: two looks show all four."""
CLOCK_MOVED = "before => document.getElementById('as-of').textContent !== before"
PAGES = {
    "runs": "/",
    "run": "/runs/{newest}",
    "trouble": "/runs/{trouble}",
    "gaps": "/runs/{gaps}",
    "files": "/runs/{newest}/files",
    "failed": "/runs/{newest}/files?phase=failed",
    "file": "/files/{file}",
    "dead": "/dead-letters",
}
CHANGE = """
update item set phase = :phase, version = version + 1, trigger = 'fail', reason_code = 'exit-3', reason = 'broken',
  changed_at = clock_timestamp() where file_id = :file
"""


def address(site: Site, name: str) -> str:
    first = site.filled.first
    values = {"newest": site.filled.newest, "trouble": first + 3, "gaps": first + 6, "file": odd_file(site)}
    return site.base + PAGES[name].format(**values)


def odd_file(site: Site) -> int:
    """Give the file with HTML in its name: the first of the newest run."""
    with site.engine.connect() as connection:
        question = text("select min(f.id) from file f join run r on r.id = f.run_id where r.number = :n")
        return int(connection.execute(question, {"n": site.filled.newest}).scalar_one())


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """Give a page that fails the test where the console says an error, or a dialog opens."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    shown = context.new_page()
    wrong = watch(shown)
    yield shown
    context.close()
    assert wrong == []


def watch(page: "Page") -> list[str]:
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(f"dialog {dialog.message}"))
    return wrong


@pytest.mark.parametrize(("scheme", "width"), [LOOKS[0], pytest.param(*LOOKS[1], marks=pytest.mark.long)])
def test_each_page_loads_without_an_error_and_fits_the_screen(
    browser: "Browser", site: Site, scheme: str, width: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    size = {"width": width, "height": 900}
    context = browser.new_context(color_scheme=scheme, viewport=size)  # type: ignore[arg-type]
    page = context.new_page()
    wrong = watch(page)
    for name in PAGES:
        answer = page.goto(address(site, name))
        assert answer is not None
        assert answer.status == 200
        page.screenshot(path=folder / f"{name}-{scheme}-{width}.png", full_page=True)
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, f"{name} is {wider} px too wide at {width} px"
    context.close()
    assert wrong == []


def test_all_numbers_of_the_runs_are_in_sight_on_a_small_desk(page: "Page", site: Site) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(address(site, "runs"))
    assert page.locator("#runs thead th", has_text="cataloged").is_visible()
    hidden = page.locator(".scroll").evaluate("table => table.scrollWidth - table.clientWidth")
    assert hidden <= 0, f"{hidden} px of the table are out of sight"


def test_a_run_of_1200_files_has_a_cell_for_each(page: "Page", site: Site) -> None:
    page.goto(address(site, "run"))
    assert page.locator(".cells .cell").count() == 1200


def test_the_cells_are_one_tab_stop_and_the_arrow_keys_walk_them(page: "Page", site: Site) -> None:
    page.goto(address(site, "run"))
    cells = page.locator(".cells a")
    assert page.locator('.cells a:not([tabindex="-1"])').count() == 1
    cells.first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.ariaLabel").startswith("1: ")
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.href") == page.evaluate(
        "[...document.querySelectorAll('.cells a')].at(-1).href"
    )
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_url("**/files/*")
    assert page.get_by_role("heading", name="<script>").count() == 1


def test_a_cell_says_its_file_and_state_to_those_who_point_at_it(page: "Page", site: Site) -> None:
    page.goto(address(site, "run"))
    cell = page.locator(".cells a").nth(5)
    cell.hover()
    assert cell.get_attribute("title") == cell.get_attribute("aria-label")


def test_a_cell_changes_without_reloading_and_the_focus_stays(page: "Page", site: Site) -> None:
    page.goto(address(site, "run"))
    page.evaluate("window.sameDocument = true")
    cell = page.locator(".cells a").nth(7)
    file = int((cell.get_attribute("href") or "").rpartition("/")[2])
    cell.focus()
    before = page.locator("#as-of").inner_text()
    with site.engine.begin() as connection:
        connection.execute(text(CHANGE), {"phase": "held", "file": file})
    page.wait_for_selector(f'.cells a.held[href="/files/{file}"]', timeout=WAIT_MS)
    page.wait_for_function(CLOCK_MOVED, arg=before, timeout=WAIT_MS)
    page.wait_for_function(CLOCK_MOVED, arg=page.locator("#as-of").inner_text())
    assert page.evaluate("window.sameDocument") is True
    assert page.evaluate("document.activeElement.getAttribute('href')") == f"/files/{file}"


def test_a_page_turns_grey_while_the_database_is_away_and_comes_back(browser: "Browser", site: Site) -> None:
    page = browser.new_context().new_page()
    page.goto(address(site, "runs"))
    try:
        site.way.refuse()
        page.wait_for_selector("body.stale", timeout=WAIT_MS)
        assert page.get_by_text("Not up to date").is_visible()
        assert page.locator("#runs tbody tr").count() == site.filled.runs
        assert page.goto(address(site, "runs")).status == 503  # type: ignore[union-attr]
        assert "The database is away" in page.get_by_role("alert").inner_text()
    finally:
        site.way.admit()
    page.wait_for_selector("#runs tbody tr", timeout=WAIT_MS)
    page.context.close()


def test_a_hidden_tab_asks_for_nothing(page: "Page", site: Site) -> None:
    page.goto(address(site, "runs"))
    hide = "Object.defineProperty(document, 'hidden', { value: true, configurable: true })"
    page.evaluate(f"{hide}; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with site.engine.begin() as connection:
        connection.execute(text("update run set quality = 'good' where number = :n"), {"n": site.filled.first})
    page.wait_for_timeout(1500)
    assert asked == []
    with page.expect_request("**/*part=1*", timeout=WAIT_MS):
        page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")


def test_the_keyboard_reaches_the_content_first(page: "Page", site: Site) -> None:
    page.goto(address(site, "runs"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_filters_work_and_stay_in_the_address(page: "Page", site: Site) -> None:
    from playwright.sync_api import expect

    page.goto(address(site, "runs"))
    page.get_by_label("Type").select_option("calibration")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/?*kind=calibration*")
    expect(page.locator("#runs tbody tr")).to_have_count(2)
    page.wait_for_timeout(int(REFRESH_S * 2500))
    assert page.locator("#runs tbody tr").count() == 2


def test_pages_show_everything_without_javascript(browser: "Browser", site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address(site, "run"))
    assert page.locator(".cells .cell").count() == 1200
    context.close()


def test_nothing_is_loaded_from_elsewhere(page: "Page", site: Site) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for name in PAGES:
        page.goto(address(site, name))
    assert asked
    assert all(url.startswith(site.base) for url in asked)
