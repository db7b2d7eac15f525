"""A real Chromium on the pages of a filled database, and a proxy to take the database away."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from headframe.statemachine.database import connect
from headframe.statemachine.roles import Role
from headframe.web.app import create_app
from headframe.web.live import page as live
from headframe.web.serve import Listener
from headframe.web.settings import Settings

from ..integration.access_help import PASSWORD, add_person
from ..integration.pilots_filled import fill_pilots
from ..integration.proxy import TcpProxy
from ..integration.servers import PostgresServer
from ..integration.web_filled import Filled, cloned, fill

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
REFRESH_S = 0.3


@dataclass
class Pages:
    """The pages at `base`, and the database that they show."""

    base: str
    engine: Engine
    filled: Filled


@dataclass
class Site(Pages):
    """Pages whose way to the database can be cut."""

    way: TcpProxy


def missing(what: str) -> None:
    """Skip on a laptop, fail in CI."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"CI has to have it: {what}")
    pytest.skip(what)


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Give the session's Chromium."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed: pip install playwright")
    if not CHROMIUM.exists():
        missing("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, browser: "Browser", postgres: PostgresServer, database_template: str, instance: str
) -> Iterator[Site]:
    """Serve the pages of a filled database; they refresh often, so that tests need not wait.

    A run has as many files as the tests' module says by `FILES`, or 1,200.
    """
    with cloned(postgres, database_template) as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "REFRESH_S", REFRESH_S)
        direct = connect(url, instance)
        filled = fill(direct, runs=8, files=getattr(request.module, "FILES", 1200))
        fill_pilots(direct)
        way = TcpProxy(make_url(url).port or 5432)
        through = connect(make_url(url).set(port=way.port).render_as_string(hide_password=False), instance)
        app = create_app(through, Settings(instance=instance, timezone="Asia/Tokyo"))
        listener, stop = Listener(app, "127.0.0.1", 0), threading.Event()
        server = threading.Thread(target=listener.run, args=(stop,))
        server.start()
        yield Site(f"http://127.0.0.1:{listener.port}", direct, filled, way)
        stop.set()
        server.join()
        way.close()
        direct.dispose()
        through.dispose()


def signed_in(browser: "Browser", site: Pages, name: str, role: Role) -> list[Any]:
    """Add a person who signs in on the page; give the cookies that they have then."""
    add_person(site.engine, name, role)
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.base}/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "sign-in" not in url)
    kept = context.cookies()
    context.close()
    return kept
