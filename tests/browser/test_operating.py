"""What an operator does at a run: selects cells, sees the exact count, acts with a reason, is told what came of it."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from headframe.statemachine.roles import Role

from .conftest import Site, signed_in
from .test_pages import watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
WAIT_MS = 60_000
PHASES = """
select i.phase from item i join run r on r.id = i.run_id join file f on f.id = i.file_id
where r.number = :run and f.sequence = any(:sequences) order by f.sequence
"""


@pytest.fixture(scope="module")
def cookies(browser: "Browser", site: Site) -> list[dict[str, str]]:
    """Sign an operator in once."""
    return signed_in(browser, site, "ann", Role.OPERATOR)


@pytest.fixture
def page(browser: "Browser", site: Site, cookies: list[dict[str, str]]) -> "Iterator[Page]":
    """Give a page of the operator that fails the test where a script breaks."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.add_cookies(cookies)  # type: ignore[arg-type]
    context.set_default_timeout(WAIT_MS)
    shown = context.new_page()
    wrong = watch(shown)
    yield shown
    context.close()
    assert [line for line in wrong if "409" not in line and "400" not in line] == [], (
        "what was refused is said on the page"
    )


def trouble(site: Site) -> int:
    return site.filled.first + 3


def phases(site: Site, *sequences: int) -> list[str]:
    with site.engine.connect() as connection:
        return list(connection.execute(text(PHASES), {"run": trouble(site), "sequences": list(sequences)}).scalars())


def opened(page: "Page", site: Site) -> None:
    page.goto(f"{site.base}/runs/{trouble(site)}")


def test_selected_cells_stand_in_the_address_and_come_back_with_it(page: "Page", site: Site) -> None:
    opened(page, site)
    cells = page.locator(".cells a.cell")
    cells.nth(10).click(modifiers=["Shift"])
    cells.nth(14).click(modifiers=["Shift"])
    assert page.locator(".cell.selected").count() == 5
    cells.nth(20).focus()
    page.keyboard.press("x")
    assert page.locator("#acting .says").inner_text() == "6 files selected"
    address = page.url
    page.goto(f"{site.base}/")
    page.goto(address)
    page.wait_for_selector("#acting:not([hidden])")
    assert page.locator(".cell.selected").count() == 6
    page.keyboard.press("Escape")
    assert page.locator(".cell.selected").count() == 0
    assert "sel=" not in page.url


def test_cells_are_selected_by_dragging_over_them(page: "Page", site: Site) -> None:
    opened(page, site)
    first, last = (page.locator(".cells a.cell").nth(n) for n in (30, 37))
    first.scroll_into_view_if_needed()
    first.hover()
    page.mouse.down()
    last.hover()
    page.mouse.up()
    assert page.locator(".cell.selected").count() == 8
    assert "/runs/" in page.url


def test_the_bar_says_how_many_each_action_would_change(page: "Page", site: Site) -> None:
    opened(page, site)
    page.get_by_role("button", name="2 held").click()
    release = page.locator("#acting [data-act=release]")
    release.wait_for(state="visible")
    assert release.inner_text().split() == ["release", "2"]
    assert page.locator("#acting [data-act=requeue]").is_hidden()


def test_files_are_requeued_with_a_reason_from_the_keyboard_alone(page: "Page", site: Site) -> None:
    opened(page, site)
    page.locator(".cells a.cell.failed").first.focus()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("r")
    page.wait_for_selector("dialog[open] .count:not(:empty)")
    assert "2 items would be requeued" in page.locator("dialog .count").inner_text()
    assert "headframe requeue file" in page.locator("[data-twin=cli]").text_content()  # type: ignore[operator]
    page.keyboard.type("PMT repaired")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#acted:not([hidden]):has-text('requeued 2 items')")
    assert phases(site, 3, 4) == ["ready", "ready"]
    page.wait_for_function("() => document.querySelectorAll('.cells a.cell.failed').length === 1")
    with site.engine.connect() as connection:
        found = connection.execute(text("select actor, reason from operation order by id desc limit 1")).one()
    assert (found.actor, found.reason) == ("ann", "PMT repaired")


def test_an_action_on_what_has_changed_since_it_was_seen_is_refused_and_says_so(page: "Page", site: Site) -> None:
    opened(page, site)
    page.get_by_role("button", name="2 held").click()
    page.locator("#acting [data-act=release]").click()
    page.wait_for_selector("dialog[open] .count:has-text('2 items')")
    with site.engine.begin() as connection:
        change = (
            "update item set phase = 'abandoned', version = version + 1, trigger = 'abandon', actor = 'bob', "
            "changed_at = clock_timestamp() where file_id = (select f.id from file f join run r on r.id = f.run_id "
            "where r.number = :run and f.sequence = 40)"
        )
        connection.execute(text(change), {"run": trouble(site)})
    page.locator("dialog [name=reason]").fill("DAQ is back")
    page.locator("dialog .strong").click()
    page.wait_for_selector("dialog .problem-line:has-text('changed since you looked')")
    assert phases(site, 40, 41) == ["abandoned", "held"]
    page.locator("dialog .strong").click()
    page.wait_for_selector("#acted:has-text('released 1 item')")
    assert phases(site, 40, 41) == ["abandoned", "ready"]


def test_an_action_wants_a_reason(page: "Page", site: Site) -> None:
    opened(page, site)
    page.locator("td [data-act=recover]").first.click()
    page.wait_for_selector("dialog[open] .count:not(:empty)")
    page.locator("dialog [name=reason]").fill("   ")
    page.locator("dialog .strong").click()
    assert "say why" in page.locator("dialog .problem-line").inner_text()
    page.get_by_role("button", name="Cancel").click()
    assert page.locator("dialog[open]").count() == 0


def test_keys_that_are_typed_into_a_field_do_nothing_else(page: "Page", site: Site) -> None:
    page.goto(f"{site.base}/")
    page.keyboard.press("/")
    page.keyboard.type("run:1202")
    page.wait_for_url("**/?q=run*")
    page.wait_for_function("() => document.querySelectorAll('#runs tbody tr').length === 1")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/1202")


def test_a_search_that_cannot_be_read_is_named_while_it_is_typed(page: "Page", site: Site) -> None:
    page.goto(f"{site.base}/")
    page.locator("[data-search]").fill("colour:red")
    page.wait_for_selector("#filter-says:has-text('“colour:” is no qualifier')")
    page.locator("[data-search]").fill("type:led")
    page.wait_for_url("**/?q=type*")
    assert page.locator("#filter-says").inner_text() == ""


def test_the_keys_are_listed_and_lead_to_the_pages(page: "Page", site: Site) -> None:
    opened(page, site)
    page.keyboard.press("?")
    listed = page.locator("dialog.keys dl").inner_text()
    for key in ("next and previous row or file", "select it", "g r"):
        assert key in listed
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url("**/dead-letters")


def test_those_who_may_not_act_are_told_how(browser: "Browser", site: Site) -> None:
    context = browser.new_context()
    page = context.new_page()
    opened(page, site)
    page.locator(".cells a.cell").first.focus()
    page.keyboard.press("x")
    assert page.get_by_role("link", name=re.compile("Sign in as operator")).is_visible()
    assert page.locator("[data-act]").count() == 0
    context.close()
