"""axe-core on every page that the line on top leads to, and on those behind them: nothing serious, nothing critical."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from headframe.statemachine.roles import Role
from headframe.web.navigation import NAV

from .conftest import Site, signed_in
from .test_pages import LOOKS, PAGES, address

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
BAD = ("serious", "critical")
FILES = 200
"""Enough for cells of every kind. axe looks at each, and would look at 1,200 of them for most of a minute."""


@pytest.fixture(scope="module")
def signed(browser: "Browser", site: Site) -> list[Any]:
    """Sign an administrator in, who sees every page and every button."""
    return signed_in(browser, site, "root", Role.ADMINISTRATOR)


@pytest.fixture(
    params=[LOOKS[0], pytest.param(LOOKS[1], marks=pytest.mark.long)], ids=lambda look: f"{look[0]}-{look[1]}"
)
def page(request: pytest.FixtureRequest, browser: "Browser", site: Site, signed: list[Any]) -> "Iterator[Page]":
    scheme, width = request.param
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    context.add_cookies(signed)
    yield context.new_page()
    context.close()


def addresses(page: "Page", site: Site) -> dict[str, str]:
    """Give every page of the navigation, and those of `test_pages`."""
    page.goto(site.base)
    shown = {link.get_attribute("data-go"): link.get_attribute("href") for link in page.locator("nav [data-go]").all()}
    listed = {entry.label: f"{site.base}{shown[entry.key]}" for entry in NAV if entry.key in shown}
    assert listed
    further = {
        name: f"{site.base}/{name}" for name in ("account", "pilots?show=over", "pilots/4", "pilots/4?act=cancel")
    }
    return {**listed, **{name: address(site, name) for name in PAGES}, **further}


def faults(page: "Page") -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:140] for node in each['nodes'][:3]]}"
        for each in found
        if each["impact"] in BAD
    ]


@pytest.mark.parametrize("each", [3, pytest.param(1, marks=pytest.mark.long)], ids=["a third", "all"])
def test_no_page_has_a_serious_fault(page: "Page", site: Site, each: int) -> None:
    found: dict[str, list[str]] = {}
    for name, url in list(addresses(page, site).items())[::each]:
        page.goto(url)
        if wrong := faults(page):
            found[name] = wrong
    assert found == {}


def test_the_dialog_that_acts_has_no_serious_fault(page: "Page", site: Site) -> None:
    page.goto(address(site, "trouble"))
    page.locator("td [data-act=requeue]").first.click()
    page.wait_for_selector("dialog[open] .count:not(:empty)")
    assert faults(page) == []


def test_a_selection_and_the_list_of_keys_have_no_serious_fault(page: "Page", site: Site) -> None:
    page.goto(address(site, "trouble"))
    page.get_by_role("button", name="2 held").click()
    page.locator("#acting [data-act=release]").wait_for(state="visible")
    assert faults(page) == []
    page.keyboard.press("?")
    assert faults(page) == []
