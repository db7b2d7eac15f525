"""A shifter finds what is wrong with a run, an operator mends it and watches: on a whole instance that really runs.

The same way three times: with a mouse, with the keyboard alone, with a finger on a phone.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from headframe.statemachine.roles import Role

from ..integration.access_help import PASSWORD, add_person
from ..integration.servers import PostgresServer
from ..integration.web_filled import cloned
from .instance import Instance
from .walk import Walk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
MOUSE, KEYS, FINGER = 501, 502, 503
REASON = "constants of 21 November are in"
TABS = 120
ON = """([wanted, says]) => {
  const on = document.activeElement;
  return on.matches(wanted) && on.innerText.includes(says);
}"""


@pytest.fixture(scope="module")
def up(
    browser: "Browser", postgres: PostgresServer, database_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    """Run an instance with three incomplete runs; the constants that their files failed for have come meanwhile."""
    with cloned(postgres, database_template) as url:
        made = Instance(tmp_path_factory.mktemp("instance"), url)
        with made.up():
            made.fill(MOUSE, KEYS, FINGER)
            made.mend()
            for name in ("mia", "kai", "fay"):
                add_person(made.engine, name, Role.OPERATOR)
            yield made


@pytest.mark.long
def test_with_a_mouse(browser: "Browser", up: Instance) -> None:
    walk = Walk(browser, up, MOUSE, "light", 1280)
    page = walk.page
    walk.begin()
    page.get_by_role("link", name="Trouble", exact=True).click()
    walk.runs_that_miss_files_are_on_top()
    page.get_by_label("Search").click()
    page.keyboard.type(f"missing:yes run:{MOUSE}")
    walk.only_the_run_is_listed()
    page.get_by_role("link", name=str(MOUSE), exact=True).click()
    walk.the_run_says_what_is_wrong()
    page.locator(".cells a.cell.failed").first.click()
    walk.the_file_says_why()
    page.locator("#attempts summary").first.click()
    walk.its_log_can_be_read()
    page.locator("#summary").get_by_role("link", name=str(MOUSE), exact=True).click()
    page.get_by_role("link", name="Sign in").first.click()
    by_mouse(page, "mia")
    files = walk.failed()
    page.get_by_role("button", name="2 failed").click()
    page.locator("#acting [data-act=requeue]").click()
    walk.exactly_two_are_counted()
    page.locator("dialog [name=reason]").click()
    page.keyboard.type(REASON)
    page.get_by_role("button", name="Requeue 2", exact=True).click()
    walk.the_cells_change(files)
    page.get_by_role("link", name="Operations").click()
    walk.it_is_in_the_audit("mia", REASON)
    walk.end()


def signed_in(url: str) -> bool:
    return "/sign-in" not in url


def by_mouse(page: "Page", name: str) -> None:
    for label, said in (("Name", name), ("Password", PASSWORD)):
        page.get_by_label(label).click()
        page.keyboard.type(said)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(signed_in)


@pytest.mark.long
def test_with_the_keyboard_alone(browser: "Browser", up: Instance) -> None:
    walk = Walk(browser, up, KEYS, "dark", 1280)
    page, press = walk.page, walk.page.keyboard.press
    walk.begin()
    press("?")
    assert "select it" in page.locator("dialog.keys").inner_text()
    press("Escape")
    tab_to(page, "select[name=sort]")
    press("End")
    walk.runs_that_miss_files_are_on_top()
    press("Escape")
    press("/")
    page.keyboard.type(f"missing:yes run:{KEYS}")
    walk.only_the_run_is_listed()
    for key in ("Escape", "j", "Enter"):
        press(key)
    walk.the_run_says_what_is_wrong()
    tab_to(page, "#reasons th a")
    press("Enter")
    page.wait_for_url("**phase=failed*")
    walk.met()
    for key in ("j", "j", "k", "Enter"):
        press(key)
    walk.the_file_says_why()
    tab_to(page, "#attempts summary")
    press("Enter")
    walk.its_log_can_be_read()
    tab_to(page, f"a[href$='/runs/{KEYS}']")
    press("Enter")
    page.wait_for_url(f"**/runs/{KEYS}")
    tab_to(page, "header a", "Sign in")
    press("Enter")
    by_keys(page, "kai")
    files = walk.failed()
    tab_to(page, "[data-pick]", "2 failed")
    press("Enter")
    press("r")
    walk.exactly_two_are_counted()
    page.keyboard.type(REASON)
    press("Tab")
    press("Enter")
    walk.the_cells_change(files)
    press("g")
    press("o")
    walk.it_is_in_the_audit("kai", REASON)
    walk.end()


def tab_to(page: "Page", wanted: str, says: str = "") -> None:
    """Press Tab until what is wanted has the focus: everything can be reached so, and not at the world's end."""
    for _ in range(TABS):
        if page.evaluate(ON, [wanted, says]):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} {says} is not reached within {TABS} tabs")


def by_keys(page: "Page", name: str) -> None:
    page.wait_for_url(re.compile("/sign-in"))
    tab_to(page, "[name=name]")
    page.keyboard.type(name)
    tab_to(page, "[name=password]")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(signed_in)


@pytest.mark.long
def test_with_a_finger_on_a_phone(browser: "Browser", up: Instance) -> None:
    walk = Walk(browser, up, FINGER, "dark", 390, has_touch=True, is_mobile=True)
    page = walk.page
    walk.begin()
    page.get_by_label("Order").select_option("missing")
    walk.runs_that_miss_files_are_on_top()
    page.get_by_label("Search").tap()
    page.keyboard.type(f"run:{FINGER}")
    walk.only_the_run_is_listed()
    page.get_by_role("link", name=str(FINGER), exact=True).tap()
    walk.the_run_says_what_is_wrong()
    page.locator(".cells a.cell.failed").first.tap()
    walk.the_file_says_why()
    page.locator("#attempts summary").first.tap()
    walk.its_log_can_be_read()
    page.goto(f"{up.base}/runs/{FINGER}")
    page.get_by_role("link", name="Sign in").first.tap()
    page.get_by_label("Name").fill("fay")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").tap()
    page.wait_for_url(signed_in)
    files = walk.failed()
    page.get_by_role("button", name="2 failed").tap()
    page.locator("#acting [data-act=requeue]").tap()
    walk.exactly_two_are_counted()
    page.locator("dialog [name=reason]").fill(REASON)
    page.get_by_role("button", name="Requeue 2", exact=True).tap()
    walk.the_cells_change(files)
    page.get_by_role("link", name="Operations").tap()
    walk.it_is_in_the_audit("fay", REASON)
    walk.end()
