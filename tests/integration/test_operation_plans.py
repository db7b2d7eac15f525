"""What operators' actions ask goes down an index, in tables of 20,000 rows."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from headframe.statemachine.database import connect
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.store.operating import Order, Selection, begin, cancel, look, turn
from headframe.statemachine.store.operating.order import checked
from headframe.statemachine.store.operating.present import present

from .servers import PostgresServer
from .web_filled import Template, cloned

SCAN = re.compile(r"Seq Scan on (item|file|run|history_\w+|operation|operation_item)\b.*?rows=(\d+)")
FEW = 50
"""A month of history may be empty, a run few; what has more rows is not to be read as a whole."""
ENDED = """
insert into operation (actor, action, reason, status, finished_at)
select 'a', 'resolve', 'r', 'done', now() from generate_series(1, 20000) n
"""
LISTED = "insert into operation_item select n % 20, n, 1 from generate_series(1, 20000) n"


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer, filled_template: Template, instance: str) -> Iterator[Engine]:
    with cloned(postgres, filled_template.name) as url:
        engine = connect(url, instance)
        with engine.begin() as connection:
            connection.execute(text(ENDED))
            connection.execute(text(LISTED))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("vacuum analyze"))
        yield engine
        engine.dispose()


@pytest.fixture
def asked(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Give the statements that a test makes."""
    made: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if not statement.startswith(("explain", "select pg_notify")):
            made.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield made
    event.remove(engine, "before_cursor_execute", note)


def scans(connection: Connection, asked: list[tuple[str, Any]]) -> list[str]:
    """Name the tables that were read as a whole."""
    found = []
    for statement, parameters in list(asked):
        plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"explain {statement}", parameters))
        found += [f"{table}: {statement[:60]}" for table, rows in SCAN.findall(plan) if int(rows) > FEW]
    return found


@pytest.mark.parametrize(
    "selection",
    [
        Selection(files=("run001219_00017.h5", "1219/18")),
        Selection(items=(11, 12, 13)),
        Selection(runs=(1219,)),
        Selection(runs=(1219,), phase="failed", step="reconstruct"),
        Selection(phase="failed", reason_code="exit-3"),
    ],
)
def test_a_dry_run_reads_what_is_selected_and_no_table(
    engine: Engine, asked: list[tuple[str, Any]], selection: Selection
) -> None:
    with engine.connect() as connection:
        order = checked(connection, Order(trigger=Trigger.RESOLVE, selection=selection, actor="a", reason="r"))
        look(connection, order)
        assert scans(connection, asked) == []


def test_an_action_and_its_pages_read_no_table_as_a_whole(engine: Engine, asked: list[tuple[str, Any]]) -> None:
    selection = Selection(runs=(1219,), scope="file")
    order = Order(trigger=Trigger.HOLD, selection=selection, actor="a", reason="r")
    with engine.begin() as connection:
        number = begin(connection, order, asked=True).id
    turn(engine, "runner", silent_s=0)
    with engine.connect() as connection:
        cancelled = connection.execute(text("select status from operation where id = :id"), {"id": number})
        if cancelled.scalar_one() != "done":
            cancel(connection, number, "a", "r")
        found = scans(connection, asked)
        connection.rollback()
    assert found == []


def test_where_things_are_now_is_found_by_index(engine: Engine, asked: list[tuple[str, Any]]) -> None:
    with engine.connect() as connection:
        present(connection, Selection(items=(11, 12), file_ids=(13,)))
        assert scans(connection, asked) == []
