"""No list of the API reads a whole table: each way to ask goes down an index, in tables of 20,000 rows."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from headframe.statemachine import views
from headframe.statemachine.database import connect
from headframe.statemachine.views import Listed, Page

from .servers import PostgresServer
from .web_filled import Template, cloned

LARGE = (
    "run",
    "file",
    "item",
    "attempt",
    "history",
    "product",
    "replica",
    "dead_letter",
    "count_total",
    "operation",
    "note",
    "pilot",
    "process",
)
SCAN = r"Seq Scan on (\w+).*?cost=[0-9.]+\.\.([0-9.]+)"
EMPTY = 20.0
"""What reading an empty table may cost: the months of history that are still to come."""
THEN = datetime(2026, 11, 20, 12, tzinfo=UTC)
RUNS = """
update attempt set ended_at = ended_at - item_id * interval '1 s' where ended_at is not null;
insert into run (number, kind, known_kind, campaign_id, started_at, expected, closed_at)
select 100000 + n, 'science', true, (select min(id) from campaign), timestamptz '2020-01-01 00:00Z'
  + n * interval '1 h', 0, now() from generate_series(1, 20000) n;
insert into item (campaign_id, pipeline_id, run_id, scope, kind, state, phase, trigger)
select c.id, c.pipeline_id, r.id, 'run', 'science', 'cataloged', 'done', 'arrive'
from run r, campaign c where r.number > 100000;
insert into dead_letter (fingerprint, queue, code, sentence, subject, run_number)
select 'd' || n, 'arrivals', 'rewritten', 'x', 'in/g' || n, n from generate_series(1, 20000) n;
insert into operation (actor, action, reason, status, at, finished_at)
select 'a' || n % 50, 'resolve', 'r', 'done', timestamptz '2020-01-01 00:00Z' + n * interval '1 h', now()
from generate_series(1, 20000) n;
insert into pilot (token, launcher, name, status, job, created_at, started_at, ended_at)
select 't' || n, 'l' || n % 50, 'n' || n % 50, case when n % 5000 = 0 then 'refused' else 'ended' end, n,
  now() - n * interval '1 min', now(), now() - n * interval '1 min' from generate_series(1, 20000) n;
insert into pilot (token, launcher, name, status, started_at) values ('t', 'l7', 'n7', 'running', now());
insert into process (owner, role, detail) select 'o' || n, 'worker', jsonb_build_object('pilot', 't' || n)
from generate_series(1, 20000) n;
insert into note (run_id, author, text)
select r.id, 'a', 'x' from run r, generate_series(1, 20) n where r.number between 100001 and 101000;
"""
LISTS: dict[str, Callable[[Connection, Page], Any]] = {
    "runs": lambda c, p: views.runs(c, None, p),
    "runs by start": lambda c, p: views.runs(c, views.RunFilter(order="-started"), p),
    "runs of a day": lambda c, p: views.runs(c, views.RunFilter(order="started", since=THEN), p),
    "runs by number": lambda c, p: views.runs(c, views.RunFilter(numbers=tuple(range(100000, 110000))), p),
    "files": lambda c, p: views.files(c, None, p),
    "files of a run": lambda c, p: views.files(c, views.FileFilter(run=1203, site="SURF", host="node07"), p),
    "files that failed": lambda c, p: views.files(c, views.FileFilter(phase="failed", site="SURF"), p),
    "files by name": lambda c, p: views.files(c, views.FileFilter(name="run001203_00003.h5"), p),
    "attempts": lambda c, p: views.attempts(c, None, p),
    "attempts of a run": lambda c, p: views.attempts(c, views.AttemptFilter(run=1215), p),
    "attempts of a file": lambda c, p: views.attempts(c, views.AttemptFilter(file=11), p),
    "attempts of a job": lambda c, p: views.attempts(c, views.AttemptFilter(job="4711"), p),
    "attempts of a pilot": lambda c, p: views.attempts(c, views.AttemptFilter(pilot=17), p),
    "attempts on a host": lambda c, p: views.attempts(c, views.AttemptFilter(host="node01", since=THEN), p),
    "history of a run": lambda c, p: views.changes(c, views.HistoryFilter(run=1203), p),
    "history of a file": lambda c, p: views.changes(c, views.HistoryFilter(file=11), p),
    "copies": lambda c, p: views.replicas(c, None, p),
    "copies at a site": lambda c, p: views.replicas(c, views.ReplicaFilter(site="USDC"), p),
    "copies of a run": lambda c, p: views.replicas(c, views.ReplicaFilter(run=1203, status="present"), p),
    "products": lambda c, p: views.products(c, None, p),
    "products of a run": lambda c, p: views.products(c, views.ProductFilter(run=1203, type="raw"), p),
    "dead letters": views.dead_letters,
    "dead letters of a run": lambda c, p: views.dead_letters(c, p, run=1203),
    "operations": lambda c, p: views.operations(c, None, p),
    "operations by somebody": lambda c, p: views.operations(c, views.OperationFilter(actor="a7"), p),
    "operations of a kind": lambda c, p: views.operations(c, views.OperationFilter(action="hold"), p),
    "operations that failed": lambda c, p: views.operations(c, views.OperationFilter(status="failed"), p),
    "operations of late": lambda c, p: views.operations(c, views.OperationFilter(since=THEN), p),
    "pilots": views.pilots,
    "pilots that are not over": lambda c, p: views.pilots(c, p, live=True),
    "pilots of a launcher": lambda c, p: views.pilots(c, p, launcher="l7", live=False),
    "pilots of a name": lambda c, p: views.pilots(c, p, name="n7"),
    "pilots that were refused": lambda c, p: views.pilots(c, p, status="refused"),
    "workers of a pilot": lambda c, p: views.workers(c, views.WorkerFilter(pilot=17), p),
    "demand": lambda c, _: Listed(views.demand(c), ""),
    "notes of a run": lambda c, p: views.notes(c, 100007, p),
    "catalog": lambda c, p: views.catalog_page(c, 1203, p),
}


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer, filled_template: Template, instance: str) -> Iterator[Engine]:
    with cloned(postgres, filled_template.name) as url:
        engine = connect(url, instance)
        with engine.begin() as connection:
            for statement in RUNS.split(";\n"):
                if statement.strip():
                    connection.execute(text(statement))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("vacuum analyze"))
        yield engine
        engine.dispose()


@pytest.mark.parametrize("name", LISTS)
def test_a_list_reads_no_table_as_a_whole(engine: Engine, name: str) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    with engine.connect() as connection:
        event.listen(engine, "before_cursor_execute", note)
        try:
            first = LISTS[name](connection, Page(limit=20))
            if first.next:
                LISTS[name](connection, Page(limit=20, after=first.next))
        finally:
            event.remove(engine, "before_cursor_execute", note)
        assert asked
        for statement, parameters in asked:
            rows = connection.exec_driver_sql(f"explain {statement}", parameters)
            plan = "\n".join(row[0] for row in rows)
            whole = {table for table, cost in re.findall(SCAN, plan) if float(cost) > EMPTY}
            assert not {table for table in whole if table.startswith(LARGE)}, plan
