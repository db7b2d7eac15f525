"""What pilots say of themselves is written down, and brings none back that is over."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text

from headframe.consumers.broker import Delivery
from headframe.consumers.messages import Report, encode
from headframe.daemon.conductor.applying import apply
from headframe.daemon.conductor.parts import read
from headframe.daemon.conductor.sorting import Sorted
from headframe.statemachine.database import connect
from headframe.statemachine.pipeline import Step, build
from headframe.statemachine.records import PilotWord, Reporter
from headframe.statemachine.store.campaigns import Book
from headframe.statemachine.store.pilots_heard import heard

ENDS = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def conn(database_url: str, instance: str) -> Iterator[Connection]:
    engine = connect(database_url, instance)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def intended(conn: Connection, token: str, status: str = "pending") -> None:
    conn.execute(text("insert into pilot (token, status) values (:token, :status)"), {"token": token, "status": status})


def pilot(conn: Connection, token: str) -> dict[str, Any]:
    return dict(conn.execute(text("select * from pilot where token = :token"), {"token": token}).one()._mapping)


def word(token: str, what: Any = "running", **more: Any) -> PilotWord:
    return PilotWord(token=token, what=what, job="17", node="n1", cpus=8, memory=2**30, workers=4, **more)


@pytest.mark.parametrize("status", ["intended", "pending", "running"])
def test_a_pilot_that_speaks_is_running_on_its_node(conn: Connection, status: str) -> None:
    intended(conn, "hf-1", status)
    heard(conn, [word("hf-1", ends_at=ENDS)])
    row = pilot(conn, "hf-1")
    assert (row["status"], row["node"], row["job"], row["ends_at"]) == ("running", "n1", "17", ENDS)
    assert row["started_at"] is not None
    assert row["heard_at"] is not None
    assert row["detail"] == {"what": "running", "host": "n1", "cpus": 8, "memory": 2**30, "workers": 4, "leaves": ""}


@pytest.mark.parametrize("status", ["ended", "refused"])
def test_a_pilot_that_is_over_stays_so_whatever_it_says(conn: Connection, status: str) -> None:
    intended(conn, "hf-1", status)
    before = pilot(conn, "hf-1")
    heard(conn, [word("hf-1")])
    assert pilot(conn, "hf-1") == before


def test_the_newest_word_of_a_pilot_counts(conn: Connection) -> None:
    intended(conn, "hf-1")
    heard(conn, [word("hf-1"), word("hf-1", "left", reason="nothing to do for 120 s")])
    assert pilot(conn, "hf-1")["detail"]["what"] == "left"
    assert pilot(conn, "hf-1")["detail"]["leaves"] == "nothing to do for 120 s"


def test_a_pilot_that_nobody_asked_for_changes_nothing(conn: Connection, caplog: pytest.LogCaptureFixture) -> None:
    heard(conn, [word("hf-other")])
    assert conn.execute(text("select count(*) from pilot")).scalar_one() == 0


def test_the_conductor_takes_reports_of_pilots_and_shows_them_as_processes(conn: Connection) -> None:
    intended(conn, "hf-1")
    reporter = Reporter(owner="p1", host="n1", job="17", worker="fast", version="1", pilot="hf-1")
    of_pilot = Report(reporter=reporter, lane="live", pilot=word("hf-1"))
    worker = Reporter(owner="w1", host="n1", job="17", worker="fast-0", version="1", pilot="hf-1")
    of_worker = Report(reporter=worker, lane="live", steps=("salt",))
    book = Book(pipelines={}, default=build("default", [Step(name="salt", to="salted", site="work")], {}))
    effects = apply(conn, Sorted([taken(of_pilot), taken(of_worker)]), book)
    assert effects.told == ()
    rows = conn.execute(text("select owner, role, host, detail from process order by owner")).all()
    assert [(row.owner, row.role, row.host, row.detail["pilot"]) for row in rows] == [
        ("p1", "pilot", "n1", "hf-1"),
        ("w1", "worker", "n1", "hf-1"),
    ]
    assert pilot(conn, "hf-1")["status"] == "running"


def taken(report: Report) -> Any:
    return read(Delivery(queue="reports", tag=1, session=1, body=encode(report), redelivered=False))
