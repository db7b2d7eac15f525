"""What measures and what shows measures goes by index, in tables of 20,000 rows."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import Connection, Engine, event, text

from headframe.statemachine.database import connect
from headframe.statemachine.queries import query
from headframe.statemachine.views import (
    FamilyFilter,
    compare,
    families,
    forecast_campaign,
    forecast_run,
    latency,
)
from headframe.statemachine.views.latency import lately

from .servers import PostgresServer
from .web_filled import Filled, Template, cloned

LONG = ("attempt", "item", "file", "history", "measure_latency", "measure_rate", "measure_failure", "product")
FAIL = """
update attempt set outcome = 'failed', reason_code = 'exit-3', reason = 'no peaks in ' || item_id || ' channels'
where item_id % 50 = 1
"""
DUE = """
insert into measure_due (item_id, version, epoch, at, trigger, step, lane, campaign_id, kind, finished)
select id, version, epoch, changed_at, 'succeed', 'salt', lane, campaign_id, kind, true from item
where file_id is not null order by id limit 500
"""
LATENCIES = """
insert into measure_latency (what, span, at, step, campaign_id, kind, bucket, n, seconds)
select w, 5, date_bin('5 minutes', now() - n * interval '5 minutes', 'epoch'), 'salt', c.id, 'science', n % 20, 1, 1
from campaign c, generate_series(1, 10000) n, unnest(array['latency', 'waiting', 'working']) w
"""
RATES = """
insert into measure_rate (span, at, campaign_id, step, lane, done)
select 1, date_bin('1 minute', now() - n * interval '1 minute', 'epoch'), c.id, 'salt', 'live', 3
from campaign c, generate_series(1, 20000) n
"""
FAILURES = """
insert into measure_failure (span, at, family, campaign_id, n)
select 5, date_bin('5 minutes', now() - n * interval '5 minutes', 'epoch'), 'f' || n % 7, c.id, 1
from campaign c, generate_series(1, 20000) n
"""
KINDS = """
insert into failure_family (family, step, reason_code, template, onset, last_at, n)
select 'f' || n, 'salt', 'exit-3', 'no peaks', now(), now(), 1 from generate_series(0, 6) n
"""


@pytest.fixture(scope="module")
def full(postgres: PostgresServer, filled_template: Template, instance: str) -> Iterator[tuple[Engine, Filled]]:
    with cloned(postgres, filled_template.name) as url:
        engine = connect(url, instance)
        with engine.begin() as conn:
            for statement in (FAIL, DUE, LATENCIES, RATES, FAILURES, KINDS):
                conn.execute(text(statement))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(text("vacuum analyze"))
        yield engine, filled_template.filled
        engine.dispose()


def plan(conn: Connection, statement: str, **values: object) -> str:
    return "\n".join(conn.execute(text(f"explain {statement}"), values).scalars())


def whole_tables(told: str) -> list[str]:
    """Name the long tables that are read whole; a month's partition in which nothing is costs nothing."""
    lines = [line for line in told.splitlines() if "Seq Scan on" in line and "cost=0.00..0.00" not in line]
    return [table for table in LONG if any(re.search(rf"Seq Scan on {table}(_\d|_def| )", line) for line in lines)]


@pytest.mark.parametrize("name", ["take_measures", "name_failures"])
def test_a_page_is_measured_by_index(full: tuple[Engine, Filled], name: str) -> None:
    with full[0].connect() as conn:
        assert whole_tables(plan(conn, query(name).text, page=20)) == []


def test_ways_to_an_end_are_found_by_index(full: tuple[Engine, Filled]) -> None:
    with full[0].connect() as conn:
        rows = conn.execute(text("select item_id as item, version from history where to_phase = 'done' limit 20")).all()
        assert len(rows) == 20
        told = plan(
            conn, query("journeys").text, rows=msgspec.json.encode([dict(row._mapping) for row in rows]).decode()
        )
    assert whole_tables(told) == [], told


@pytest.mark.parametrize("what", ["latency", "rate", "failure"])
def test_old_spans_are_found_by_index(full: tuple[Engine, Filled], what: str) -> None:
    with full[0].connect() as conn:
        told = plan(conn, query(f"coarsen_{what}").text, page=500, fine=5, coarse=60, before="2020-01-01")
    assert whole_tables(told) == []


@pytest.mark.parametrize("view", ["latency", "lately", "families", "of a run", "compare", "campaign", "run"])
def test_what_shows_measures_reads_no_table_whole(full: tuple[Engine, Filled], view: str) -> None:
    engine, filled = full
    with engine.connect() as conn:
        name = conn.execute(text("select name from campaign")).scalar_one()
        failed = conn.execute(text("select i.file_id from item i where phase = 'failed' limit 1")).scalar_one()
        asks = {
            "latency": lambda: latency(conn),
            "lately": lambda: lately(conn, datetime.now(UTC) - timedelta(hours=2)),
            "families": lambda: families(conn),
            "of a run": lambda: families(conn, FamilyFilter(run=filled.newest)),
            "compare": lambda: compare(conn, failed),
            "campaign": lambda: forecast_campaign(conn, name),
            "run": lambda: forecast_run(conn, filled.newest),
        }
        asked: list[tuple[str, object]] = []

        def note(_conn: object, _cursor: object, statement: str, values: object, *_: object) -> None:
            asked.append((statement, values))

        event.listen(engine, "before_cursor_execute", note)
        try:
            asks[view]()
        finally:
            event.remove(engine, "before_cursor_execute", note)
        for statement, values in asked:
            told = "\n".join(row[0] for row in conn.exec_driver_sql(f"explain {statement}", values))  # type: ignore[arg-type]
            assert whole_tables(told) == [], f"{statement}\n{told}"
