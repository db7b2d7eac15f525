"""The pages about the service in a real Chromium: they fit, are sound for all, and an operator acts on them."""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from headframe.statemachine.database import connect
from headframe.web.serve import Listener

from ..integration.alerts_filled import fill_alerts
from ..integration.pilots_filled import fill_pilots
from ..integration.servers import PostgresServer
from ..integration.service_filled import fill_service
from ..integration.signed import signed_app
from ..integration.web_filled import cloned, fill
from .test_pages import LOOKS, watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser
PAGES = (
    "/status",
    "/workers",
    "/workers/w-3",
    "/alerts",
    "/alerts?act=acknowledge&what=site-down&name=UKDC",
    "/pilots",
    "/pilots?show=over",
    "/pilots/4",
    "/pilots/4?act=cancel",
    "/queues",
    "/queues?act=pause&what=step&name=salt",
    "/sites",
    "/dead-letters",
    "/dead-letters?act=forget&what=code&name=vanished",
    "/dead-letters/1",
    "/operations",
)
SMALL_DESK: Any = {"width": 1280, "height": 800}
TOPS = "all => all.map((e) => e.getBoundingClientRect().top)"
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def base(browser: "Browser", postgres: PostgresServer, database_template: str, instance: str) -> Iterator[str]:
    """Serve the pages of a filled database to whoever says by a header that they are an operator."""
    with cloned(postgres, database_template) as url:
        engine = connect(url, instance)
        fill(engine, runs=8, files=300)
        fill_service(engine)
        fill_pilots(engine)
        fill_alerts(engine)
        listener, stop = Listener(signed_app(engine, timezone="Asia/Tokyo"), "127.0.0.1", 0), threading.Event()
        server = threading.Thread(target=listener.run, args=(stop,))
        server.start()
        yield f"http://127.0.0.1:{listener.port}"
        stop.set()
        server.join()
        engine.dispose()


def operator(browser: "Browser", **options: object) -> "BrowserContext":
    return browser.new_context(extra_http_headers={"X-Test-Operator": "ada"}, **options)  # type: ignore[arg-type]


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    context = operator(browser, viewport={"width": 1400, "height": 900})
    shown = context.new_page()
    wrong = watch(shown)
    yield shown
    context.close()
    assert wrong == []


@pytest.mark.parametrize(
    ("scheme", "width", "pages"),
    [(*LOOKS[1], PAGES[::4]), *(pytest.param(*look, PAGES, marks=pytest.mark.long) for look in LOOKS)],
    ids=["some", "light", "dark"],
)
def test_each_page_fits_the_screen_and_has_no_serious_accessibility_fault(
    browser: "Browser", base: str, scheme: str, width: int, pages: tuple[str, ...]
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = operator(browser, color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    wrong = watch(page)
    for address in pages:
        answer = page.goto(base + address)
        assert answer is not None
        assert answer.status == 200
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, f"{address} is {wider} px too wide at {width} px"
        faults = [each for each in Axe().run(page).response["violations"] if each["impact"] in GRAVE]
        assert faults == [], address
    context.close()
    assert wrong == []


def test_the_line_on_top_is_one_line_on_a_small_desk(browser: "Browser", base: str) -> None:
    context = browser.new_context(extra_http_headers={"X-Test-Operator": "guglielmina"}, viewport=SMALL_DESK)
    page = context.new_page()
    page.goto(f"{base}/alerts")
    tops = page.locator("header :is(.brand, nav a, .who a, .clock)").evaluate_all(TOPS)
    assert max(tops) - min(tops) < 10, tops
    context.close()


def test_an_operator_pauses_a_step_with_the_keyboard_alone(page: "Page", base: str) -> None:
    page.goto(f"{base}/queues")
    page.get_by_role("link", name="pause step place").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/queues?act=pause*")
    assert page.evaluate("document.activeElement.name") == "reason"
    page.keyboard.type("cable cut")
    page.keyboard.press("Enter")
    page.wait_for_url("**/queues?did=pause")
    assert "Paused" in page.get_by_role("status").inner_text()
    assert "by ada" in page.locator("#queues").inner_text()
    page.get_by_role("link", name="resume step place").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/queues?act=resume*")
    page.keyboard.type("spliced")
    page.keyboard.press("Enter")
    page.wait_for_url("**/queues?did=resume")
    assert page.get_by_role("link", name="pause step place").count() == 1


def test_what_is_typed_stays_while_the_page_refreshes(page: "Page", base: str) -> None:
    page.goto(f"{base}/queues?act=pause&what=lane&name=bulk")
    page.get_by_label("Reason").fill("half a sentence")
    before = page.locator("#as-of").inner_text()
    moved = "before => document.getElementById('as-of').textContent !== before"
    page.wait_for_function(moved, arg=before, timeout=60_000)
    assert page.get_by_label("Reason").input_value() == "half a sentence"


def test_dead_letters_of_a_code_are_forgotten_without_javascript(browser: "Browser", base: str) -> None:
    context = operator(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{base}/dead-letters")
    page.get_by_role("link", name="forget all with code bad-manifest").click()
    assert "Forget 40 dead letters with code bad-manifest" in page.locator("form.act h2").inner_text()
    page.get_by_label("Reason").fill("made by a test stand")
    page.get_by_role("button", name="Forget").click()
    assert "Taken off the list" in page.get_by_role("status").inner_text()
    assert page.get_by_role("link", name="forget all with code bad-manifest").count() == 0
    context.close()
