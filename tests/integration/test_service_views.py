"""The views behind the service pages: workers with what they do, flow through queues, and what was done by whom."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from headframe.statemachine import views as v
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.store import runs as run_store
from headframe.statemachine.store.access import events
from headframe.statemachine.store.core import database_time
from headframe.statemachine.store.measure import take
from headframe.statemachine.store.operating import Selection, operate
from headframe.statemachine.store.pauses import drain, pause, resume

from .small_machine import SmallMachine


@pytest.fixture
def conn(machine: SmallMachine) -> Iterator[Connection]:
    with machine.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def hear(machine: SmallMachine, owner: str, **detail: object) -> None:
    machine.sql(
        "insert into process (owner, role, host, detail) values (:owner, 'worker', 'node-1', cast(:detail as jsonb)) "
        "on conflict (owner) do update set seen_at = clock_timestamp(), detail = excluded.detail",
        owner=owner,
        detail=json.dumps(detail),
    )


def standing(conn: Connection) -> dict[str, str]:
    return {row.owner: row.standing for row in v.workers(conn).rows}


def test_workers_of_a_pilot_that_is_over_have_left_unless_they_are_heard_of_after_it(
    machine: SmallMachine, conn: Connection
) -> None:
    for token, ended in (("hf-1", "now()"), ("hf-2", "null"), ("hf-3", "now() - interval '1 hour'")):
        machine.sql(
            "insert into pilot (launcher, token, name, steps, status, ended_at) values "
            f"('main', :token, 'reco', 'place', case when {ended} is null then 'running' else 'ended' end, {ended})",
            token=token,
        )
    for owner, token in (("over", "hf-1"), ("there", "hf-2"), ("outlived", "hf-3")):
        hear(machine, owner, pilot=token)
    assert standing(conn) == {"over": "left", "there": "idle", "outlived": "idle"}
    assert [(row.role, row.alive, row.silent) for row in v.roles(conn)] == [("worker", 2, 0)]
    machine.alive()
    seen = v.status(conn)
    assert {each.owner for each in seen.processes if each.role == "worker"} >= {"there", "outlived"}
    assert "over" not in {each.owner for each in seen.processes}
    assert "over" not in {each.owner for each in v.processes(conn, alive=True)}
    assert [each.alive for each in v.processes(conn) if each.owner == "over"] == [False]


def test_each_worker_stands_as_it_was_heard_of_and_told(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1)
    machine.say(5, 1, "start")
    busy = machine.item(5, 1).owner
    for owner in ("idle", busy, "asleep", "leaving", "dead"):
        hear(machine, owner, name=f"{owner}-name")
    hear(machine, "left", draining=True)
    machine.sql("update process set seen_at = now() - interval '5 min' where owner in ('dead', 'left')")
    with machine.engine.begin() as other:
        pause(other, "worker", "asleep-name", "ada", "noisy fan")
        drain(other, "leaving", "ada", "reboot")
    assert standing(conn) == {
        "idle": "idle", busy: "working", "asleep": "paused", "leaving": "draining", "dead": "silent", "left": "left",
    }  # fmt: skip
    assert [row.told for row in v.workers(conn, v.WorkerFilter(standing="paused")).rows] == ["ada: noisy fan"]
    assert [(row.role, row.alive, row.silent) for row in v.roles(conn)] == [("worker", 4, 1)]


def test_who_is_long_silent_is_listed_on_demand(machine: SmallMachine, conn: Connection) -> None:
    hear(machine, "old")
    machine.sql("update process set seen_at = now() - interval '5 hours'")
    assert v.workers(conn).rows == ()
    assert [row.owner for row in v.workers(conn, v.WorkerFilter(every=True)).rows] == ["old"]


def test_workers_are_paged_and_none_is_missed(machine: SmallMachine, conn: Connection) -> None:
    for n in range(7):
        hear(machine, f"w{n}")
    seen, page = [], v.Page(limit=3)
    while True:
        found = v.workers(conn, page=page)
        seen += [row.owner for row in found.rows]
        if not found.next:
            break
        page = v.Page(limit=3, after=found.next)
    assert seen == [f"w{n}" for n in range(7)]


def test_a_worker_shows_what_it_does_now_and_did_last(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1, 2)
    machine.do(5, 1)
    machine.say(5, 2, "start")
    owner = machine.item(5, 2).owner
    hear(machine, owner)
    found = v.worker(conn, owner)
    assert found is not None
    (doing,) = found.doing
    assert (doing.run, doing.name, doing.step, doing.lane) == (5, "run5_0002.h5", "salt", "live")
    assert doing.lease_until is not None
    host = machine.item(5, 2).host
    assert [row.file for row in v.attempts_by(conn, host, owner)] == ["run5_0001.h5"]
    assert v.worker(conn, "nobody") is None


def test_the_flow_names_what_waits_longest_and_what_was_done_in_a_minute(
    machine: SmallMachine, conn: Connection
) -> None:
    machine.arrive(5, 1, 2, 3)
    for sequence in (1, 2):
        machine.do(5, sequence)
    with machine.engine.begin() as other:
        assert take(other, 1000) > 0
    machine.sql("update measure_rate set at = at - interval '1 min'")
    machine.sql("update item set since = now() - interval '7 min' where step = 'salt' and phase = 'ready'")
    rows = {(row.step, row.lane): row for row in v.flow(conn)}
    salt = rows["salt", "live"]
    assert salt.per_minute == 2 / 5
    assert salt.oldest is not None
    assert timedelta(minutes=6) < database_time(conn) - salt.oldest < timedelta(minutes=30)
    assert rows["place", "live"].per_minute == 0
    assert ("salt", "bulk") not in rows


def test_what_was_done_is_one_list_in_the_order_of_time(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1, 2)
    machine.arrive(6, 1)
    operate(machine.engine, Trigger.HOLD, Selection(runs=(5,)), actor="ada", reason="look")
    with machine.engine.begin() as other:
        run_store.close(other, 5, "bob", "ended")
    with machine.engine.begin() as other:
        pause(other, "step", "salt", "ada", "broken")
    with machine.engine.begin() as other:
        resume(other, "step", "salt", "eve", "mended")
    rows = v.audit(conn).rows
    mine = [(row.actor, row.action) for row in rows if row.actor in ("ada", "bob", "eve")]
    assert mine == [("eve", "resume"), ("ada", "pause"), ("bob", "close"), ("ada", "hold")]
    assert [row.at for row in rows] == sorted((row.at for row in rows), reverse=True)


def test_what_was_done_is_narrowed_by_who_what_when_and_to_which_run(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1, 2)
    machine.arrive(6, 1)
    for run in (5, 6):
        operate(machine.engine, Trigger.HOLD, Selection(runs=(run,)), actor=f"op{run}", reason="look")
    with machine.engine.begin() as other:
        run_store.close(other, 5, "bob", "ended")

    def found(**where: object) -> set[tuple[str, str]]:
        return {(row.actor, row.action) for row in v.audit(conn, v.AuditFilter(**where)).rows}  # type: ignore[arg-type]

    assert {("op5", "hold"), ("bob", "close")} <= found(run=5)
    assert ("op6", "hold") not in found(run=5)
    assert found(actor="op6") == {("op6", "hold")}
    assert found(action="close") == {("bob", "close")}
    now = database_time(conn)
    assert found(since=now) == set()
    assert ("bob", "close") in found(since=now - timedelta(hours=1), until=now)


def test_pages_of_what_was_done_miss_nothing_and_repeat_nothing(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1)
    machine.sql(
        "insert into operation (at, actor, action, reason) select date_trunc('minute', now()), 'ada', 'pause', 'x' "
        "from generate_series(1, 9)"
    )
    machine.sql(
        "insert into access_event (at, actor, action) select date_trunc('minute', now()), 'ada', 'token-made' "
        "from generate_series(1, 8)"
    )
    seen, page = list[tuple[str, int]](), v.Page(limit=4)
    while True:
        found = v.audit(conn, v.AuditFilter(actor="ada", access=True), page)
        seen += [(row.source, row.id) for row in found.rows]
        if not found.next:
            break
        page = v.Page(limit=4, after=found.next)
    assert len(seen) == len(set(seen)) == 17


def test_what_was_changed_of_access_is_told_on_demand_and_who_signed_in_never(
    machine: SmallMachine, conn: Connection
) -> None:
    with machine.engine.begin() as other:
        for action in ("signed-in", "roles-changed"):
            events.note(other, action, actor="root", subject="ada", detail="operator", address="10.0.0.7")
    assert v.audit(conn, v.AuditFilter(actor="root")).rows == ()
    (row,) = v.audit(conn, v.AuditFilter(actor="root", access=True)).rows
    assert (row.source, row.action, row.selection) == (
        "access",
        "roles-changed",
        {"subject": "ada", "detail": "operator"},
    )


def test_open_dead_letters_are_counted_by_code(machine: SmallMachine, conn: Connection) -> None:
    machine.sql(
        "insert into dead_letter (fingerprint, queue, code, sentence) "
        "select n::text, 'arrivals', case when n < 3 then 'rare' else 'often' end, '' from generate_series(1, 7) n"
    )
    machine.sql("update dead_letter set cleared_at = now() where fingerprint = '7'")
    assert [(row.code, row.n) for row in v.dead_letter_codes(conn)] == [("often", 4), ("rare", 2)]
