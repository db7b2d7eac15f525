"""Takes a picture of every page, wide and on a phone, light and dark: `python -m tests.browser.pictures FOLDER`.

They are there to be looked at after a change. With `--docs` it takes those of docs/images, small enough for a page.
"""

import argparse
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from playwright.sync_api import sync_playwright
from sqlalchemy import text

from headframe.statemachine.database import connect, upgrade
from headframe.statemachine.roles import Role
from headframe.statemachine.store import measure
from headframe.statemachine.store.campaigns import Book
from headframe.web.app import create_app
from headframe.web.serve import Listener
from headframe.web.settings import Settings

from ..integration.access_help import LOOSE
from ..integration.alerts_filled import fill_alerts
from ..integration.pilots_filled import fill_pilots
from ..integration.servers import PostgresServer
from ..integration.service_filled import fill_service
from ..integration.web_filled import fill, pipeline
from .conftest import CHROMIUM, FLAGS, Pages, signed_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

INSTANCE = "headframe"
PAGES = {
    "runs": "/?sort=missing",
    "run": "/runs/{trouble}",
    "live-run": "/runs/{newest}",
    "gaps": "/runs/{gaps}",
    "files": "/runs/{trouble}/files",
    "file": "/files/{failed}",
    "compare": "/files/{failed}/compare",
    "campaigns": "/campaigns",
    "campaign": "/campaigns/realtime-2026w47",
    "campaign-new": "/campaigns/new",
    "failures": "/failures?span=week",
    "latency": "/latency",
    "status": "/status",
    "alerts": "/alerts",
    "alerts-acknowledge": "/alerts?act=acknowledge&what=site-down&name=UKDC",
    "workers": "/workers",
    "worker": "/workers/w-3",
    "pilots": "/pilots",
    "pilots-over": "/pilots?show=over",
    "pilot": "/pilots/4",
    "pilot-cancel": "/pilots/4?act=cancel",
    "queues": "/queues",
    "queues-pause": "/queues?act=pause&what=step&name=salt",
    "sites": "/sites",
    "dead": "/dead-letters",
    "letter": "/dead-letters/1",
    "operations": "/operations",
    "operation": "/operations/1",
    "account": "/account",
    "people": "/people",
    "api-docs": "/api/v1/docs",
    "not-there": "/runs/999999",
    "sign-in": "/sign-in",
}
LOOKS = (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390))
MOVES = (
    """
update file set closed_ns = extract(epoch from clock_timestamp() - (20 + id * 37 % 400) * interval '1 s') * 1e9
where id in (select file_id from item where state = 'reconstructed' and phase in ('executing', 'submitted'))
""",
    """
update item set state = 'cataloged', phase = 'done', step = null, trigger = 'succeed', version = version + 1,
  owner = null, lease_until = null, changed_at = clock_timestamp()
where state = 'reconstructed' and phase in ('executing', 'submitted')
""",
    """
update item set phase = 'failed', trigger = 'fail', version = version + 1, owner = null, lease_until = null,
  reason_code = 'io', reason = '/scratch/node' || id % 9 || '/job' || id || ': No space left on device',
  changed_at = clock_timestamp()
where state = 'placed' and phase = 'executing' and id % 5 = 0
""",
    """
update attempt a set outcome = 'failed', ended_at = clock_timestamp(), reason_code = i.reason_code, reason = i.reason
from item i where i.id = a.item_id and i.epoch = a.epoch and i.reason_code = 'io'
""",
)


@contextmanager
def pages(server: PostgresServer) -> Iterator[Pages]:
    """Serve the pages of a database in the middle of a shift."""
    engine = connect(server.url, INSTANCE)
    upgrade(engine, INSTANCE)
    filled = fill(engine, runs=12, files=1200)
    fill_service(engine)
    fill_pilots(engine)
    with engine.begin() as connection:
        for statement in MOVES:
            connection.execute(text(statement))
        for done in (measure.take, measure.name_failures):
            while done(connection, 10_000):
                pass
    followed = pipeline()
    book = Book(pipelines=dict.fromkeys(followed.run_types, followed), default=followed)
    settings = Settings(instance=INSTANCE, timezone="Asia/Tokyo", access=LOOSE, book=book)
    listener, stop = Listener(create_app(engine, settings), "127.0.0.1", 0), threading.Event()
    serving = threading.Thread(target=listener.run, args=(stop,))
    serving.start()
    try:
        yield Pages(f"http://127.0.0.1:{listener.port}", engine, filled)
    finally:
        stop.set()
        serving.join()
        engine.dispose()


FAILED = """
select min(f.id) as file from attempt a join item i on i.id = a.item_id
join file f on f.id = i.file_id where i.phase = 'failed'
"""


def addresses(site: Pages) -> dict[str, str]:
    """Give the address of each page."""
    with site.engine.connect() as connection:
        failed = connection.execute(text(FAILED)).one().file
    first = site.filled.first
    values = {"trouble": first + 3, "gaps": first + 6, "newest": site.filled.newest, "failed": failed}
    return {name: site.base + path.format(**values) for name, path in PAGES.items()}


def in_every_look(browser: "Browser", site: Pages, cookies: Any, folder: Path, names: Sequence[str]) -> None:
    """Take these pages, each as wide and as dark as they come."""
    known = addresses(site)
    for scheme, width in LOOKS:
        page = opened(browser, cookies, scheme, width, 900)
        for name in names:
            if name == "sign-in":
                page.context.clear_cookies()
            page.goto(known[name])
            if name == "api-docs":
                page.wait_for_selector(".opblock")
            page.screenshot(path=folder / f"{name}-{scheme}-{width}.png", full_page=True)
        page.context.close()


def of_the_docs(browser: "Browser", site: Pages, cookies: Any, folder: Path) -> None:
    """Take the pictures of docs/images."""
    known, wide = addresses(site), (1420, 900)
    page = opened(browser, cookies, "light", *wide)
    page.goto(known["runs"])
    keep(page, folder / "runs.png", 700)
    page.goto(known["pilots"])
    keep(page, folder / "pilots.png", 900)
    page.goto(known["run"])
    keep(page, folder / "run.png", 1480)
    page.get_by_role("button", name="3 failed").click()
    page.locator("#acting [data-act=requeue]").click()
    page.locator("dialog [name=reason]").fill("gain constants of 21 November are in")
    page.wait_for_selector("dialog[open] .count:has-text('3 items')")
    keep(page, folder / "acting.png", 900)
    page.context.close()
    phone = opened(browser, cookies, "dark", 390, 1100)
    phone.goto(known["runs"])
    keep(phone, folder / "phone.png", 1100)
    phone.context.close()
    fill_alerts(site.engine)
    page = opened(browser, cookies, "light", *wide)
    page.goto(known["alerts-acknowledge"])
    keep(page, folder / "alerts.png", 700)
    page.context.close()


def opened(browser: "Browser", cookies: Any, scheme: Any, width: int, height: int) -> "Page":
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    context.add_cookies(cookies)
    return context.new_page()


def keep(page: "Page", path: Path, height: int) -> None:
    """Keep the top of a page, in few colours."""
    width = page.viewport_size["width"] if page.viewport_size else 0
    page.set_viewport_size({"width": width, "height": height})
    page.screenshot(path=path)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256).save(path, optimize=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--only", nargs="*", default=list(PAGES), help="names of pages")
    asked.add_argument("--docs", action="store_true", help="those of docs/images only")
    words = asked.parse_args()
    words.folder.mkdir(parents=True, exist_ok=True)
    server = PostgresServer()
    server.start()
    try:
        with pages(server) as site, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
            cookies = signed_in(browser, site, "ada", Role.ADMINISTRATOR)
            if words.docs:
                of_the_docs(browser, site, cookies, words.folder)
            else:
                fill_alerts(site.engine)
                in_every_look(browser, site, cookies, words.folder, words.only)
            browser.close()
    finally:
        server.remove()


if __name__ == "__main__":
    main()
