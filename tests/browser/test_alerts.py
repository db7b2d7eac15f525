"""Alerts in a real Chromium: one is acknowledged, taken back, ends; however many there are, they fit the screen."""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from headframe.statemachine.database import connect
from headframe.statemachine.roles import Role
from headframe.statemachine.store import alerts as store
from headframe.web.app import create_app
from headframe.web.live import page as live
from headframe.web.serve import Listener
from headframe.web.settings import Settings

from ..integration.access_help import LOOSE
from ..integration.alerts_filled import be_so, fill_alerts
from ..integration.servers import PostgresServer
from ..integration.web_filled import Filled, cloned
from .conftest import REFRESH_S, Pages, signed_in
from .test_accessibility import faults
from .test_pages import LOOKS, watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
WAIT_MS = 60_000
LONG = "site-with-a-name-that-has-no-place-to-break-" * 2
ROW = "#alerts tr:has(a:text-is('site-down UKDC'))"


@pytest.fixture(scope="module")
def site(browser: "Browser", postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Pages]:
    """Serve the pages of an instance without runs, in which four alerts are open."""
    with cloned(postgres, database_template) as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "REFRESH_S", REFRESH_S)
        engine = connect(url, instance)
        fill_alerts(engine)
        app = create_app(engine, Settings(instance=instance, timezone="Asia/Tokyo", access=LOOSE))
        listener, stop = Listener(app, "127.0.0.1", 0), threading.Event()
        server = threading.Thread(target=listener.run, args=(stop,))
        server.start()
        yield Pages(f"http://127.0.0.1:{listener.port}", engine, Filled(0, 0, 0))
        stop.set()
        server.join()
        engine.dispose()


@pytest.fixture(scope="module")
def cookies(browser: "Browser", site: Pages) -> list[Any]:
    """Sign an operator in once."""
    return signed_in(browser, site, "olga", Role.OPERATOR)


@pytest.fixture
def page(browser: "Browser", cookies: list[Any]) -> "Iterator[Page]":
    """Give a page of the operator that fails the test where a script breaks."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_cookies(cookies)
    context.set_default_timeout(WAIT_MS)
    shown = context.new_page()
    wrong = watch(shown)
    yield shown
    context.close()
    assert wrong == []


def test_an_alert_is_acknowledged_taken_back_and_ends_with_the_keyboard_alone(page: "Page", site: Pages) -> None:
    page.goto(f"{site.base}/alerts")
    assert "nobody" in page.locator(ROW).inner_text()
    page.get_by_role("link", name="acknowledge site-down UKDC").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/alerts?act=acknowledge*")
    assert page.evaluate("document.activeElement.name") == "reason"
    page.keyboard.type("the cable is being mended")
    page.keyboard.press("Tab")
    page.keyboard.type("four")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/alerts?did=acknowledge")
    assert "Acknowledged" in page.get_by_role("status").inner_text()
    known = page.locator(ROW).inner_text()
    assert "olga: the cable is being mended until" in known
    assert page.locator(f"{ROW}.trouble").count() == 0
    assert until(site) == pytest.approx(4.0, abs=0.1)
    page.goto(site.base)
    assert "olga knows, until" in page.locator("#service").inner_text()

    page.goto(f"{site.base}/alerts")
    page.get_by_role("link", name="withdraw site-down UKDC").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/alerts?act=withdraw*")
    page.keyboard.type("it is not the cable")
    page.keyboard.press("Enter")
    page.wait_for_url("**/alerts?did=withdraw")
    page.wait_for_selector(f"{ROW}.trouble:has-text('nobody')")

    with site.engine.begin() as connection:
        store.keep(connection, ["site-down"], [], calm_s=0.0)
        store.keep(connection, ["site-down"], [], calm_s=0.0)
    page.wait_for_selector("#over tbody tr:first-child:has-text('site-down UKDC')")
    assert page.locator(ROW).count() == 0


def test_an_acknowledgement_without_an_end_is_not_sent(page: "Page", site: Pages) -> None:
    page.goto(f"{site.base}/alerts?act=acknowledge&what=broker-away")
    page.get_by_label("Reason").fill("it is being upgraded")
    page.get_by_role("button", name="Acknowledge").click()
    assert page.locator("select[name=hours]").evaluate("e => e.validity.valueMissing") is True
    assert page.url.endswith("what=broker-away")


@pytest.mark.parametrize(("scheme", "width"), [pytest.param(*LOOKS[0], marks=pytest.mark.long), LOOKS[1]])
@pytest.mark.parametrize("number", [0, pytest.param(1, marks=pytest.mark.long), 30])
def test_however_many_there_are_they_fit_and_have_no_serious_fault(
    browser: "Browser", site: Pages, cookies: list[Any], scheme: Any, width: int, number: int
) -> None:
    with site.engine.begin() as connection:
        connection.execute(text("delete from alert"))
        for n in range(number):
            be_so(connection, "site-down", f"{LONG}{n}", f"site {LONG}{n} is down: /mnt/{LONG * 3}", 5 + n)
        if number:
            store.acknowledge(connection, "site-down", f"{LONG}0", "olga", f"{LONG * 3} is mended", 3600)
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    context.set_default_timeout(WAIT_MS)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(f"{site.base}/alerts")
    assert page.locator("#alerts tbody tr").count() == number
    assert page.get_by_text("All is well").count() == (number == 0)
    forms = [f"/alerts?act=acknowledge&what=site-down&name={LONG}0"] if number else []
    for address in ("/alerts", *forms):
        page.goto(site.base + address)
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, f"{address} is {wider} px too wide at {width} px"
        assert faults(page) == [], address
    context.close()


def until(site: Pages) -> float:
    """Give for how many hours from now somebody knows of the site."""
    asked = (
        "select extract(epoch from until - now()) / 3600 from alert_ack where name = 'UKDC' order by id desc limit 1"
    )
    with site.engine.connect() as connection:
        return float(connection.execute(text(asked)).scalar_one())
