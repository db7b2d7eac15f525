"""Runs of 50,000 files: their pages and what `describe` and `why` ask stay under 100 ms of an idle machine."""

import re
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection, Engine

from headframe.statemachine import views as v
from headframe.statemachine.database import connect
from headframe.statemachine.why import why_run
from headframe.web.app import create_app
from headframe.web.settings import Settings

from ..integration.servers import PostgresServer
from ..integration.web_filled import ATTEMPTS, PRODUCTS, cloned, fill
from ..patience import quickest, within

FILES = 50_000
WHOLE, UNDER_WAY = 1, 2


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Engine]:
    """Give a database with a complete run, and one of which 30,000 have come and 300 failed."""
    with cloned(postgres, database_template) as url:
        made = connect(url, instance)
        fill(made, runs=2, files=FILES, first=WHOLE, leave_out=(ATTEMPTS, PRODUCTS))
        yield made
        made.dispose()


@pytest.fixture(scope="module")
def client(engine: Engine, instance: str) -> FlaskClient:
    return create_app(engine, Settings(instance=instance)).test_client()


@within(0.1)
@pytest.mark.parametrize("run", [WHOLE, UNDER_WAY])
@pytest.mark.parametrize(
    "rest",
    ["", "/files", "/files?phase=ready", "/files?phase=executing", "/files?state=placed", "/files?reason=exit-3"],
)
def test_a_page_of_a_run_of_50000_files_is_quick(client: FlaskClient, run: int, rest: str, limit_s: float) -> None:
    took = quickest(lambda: client.get(f"/runs/{run}{rest}").text, limit_s)
    print(f"\n/runs/{run}{rest}: {1000 * took:.0f} ms")
    assert took < limit_s


@within(0.1)
@pytest.mark.parametrize("run", [WHOLE, UNDER_WAY])
@pytest.mark.parametrize("ask", [v.run, why_run, lambda c, run: v.catalog_find(c, run, event=17)])
def test_a_look_at_a_run_of_50000_files_is_quick(
    engine: Engine, run: int, ask: Callable[[Connection, int], object], limit_s: float
) -> None:
    with engine.connect() as connection:
        assert quickest(lambda: ask(connection, run), limit_s) < limit_s


def test_the_pages_of_its_cells_show_each_file_once(client: FlaskClient) -> None:
    address, seen = f"/runs/{WHOLE}", list[int]()
    while address:
        page = client.get(address).text
        seen += [int(number) for number in re.findall(r'aria-label="(\d+): ', page)]
        found = re.search(r'rel="next" href="([^"]+)"', page)
        address = found[1] if found else ""
    assert seen == list(range(FILES))


def test_what_has_not_come_is_named(engine: Engine) -> None:
    with engine.connect() as connection:
        found = v.gaps(connection, UNDER_WAY)
    assert [(gap.first, gap.last) for gap in found.ranges] == [(FILES * 3 // 5 + 1, FILES - 1)]
