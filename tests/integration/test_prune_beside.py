"""Months go beside a conductor at work, pauses, dead letters and operators; none of it is lost or held up."""

import threading
from typing import Any

from sqlalchemy import text

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import Trouble
from headframe.statemachine.store import letters, pauses
from headframe.statemachine.store.dead import bury
from headframe.statemachine.store.prune import prune
from headframe.statemachine.store.sweep import fold
from headframe.statemachine.verify import verify

from ..benchmarks.transitions import Conductor
from .months import month, months_pass, partitions, present, replayed
from .small_machine import SmallMachine
from .two_conductors import at_once

BY = {"actor": "anna", "reason": "because"}
BAD = [Trouble(code="name-unmatched", sentence=f"in/{n}: its name", subject=f"in/{n}", mtime_ns=1) for n in range(3)]
STANDS = """
select 'pause', what || ' ' || name, actor, reason from pause
union all
select 'letter', subject, count::text, coalesce(asked_by, '') || cleared_by from dead_letter
union all
select 'operation', action, actor, status from operation where action <> 'prune-history'
order by 1, 2
"""


def stands(machine: SmallMachine) -> list[Any]:
    with machine.engine.connect() as conn:
        return list(conn.execute(text(STANDS)).all())


def test_pauses_letters_and_operators_words_outlive_the_months(machine: SmallMachine) -> None:
    machine.arrive(8, 1, 2, 3)
    machine.through(8, 1)
    machine.say(8, 2, "fail", reason_code="bad", reason="broken", permanent=True)
    with machine.engine.begin() as conn:
        pauses.pause(conn, "lane", "bulk", **BY)
        bury(conn, BAD)
    with machine.engine.begin() as conn:
        ids = list(conn.execute(text("select id from dead_letter order by id")).scalars())
        letters.ask_replay(conn, ids[:1], None, **BY)
        letters.forget(conn, ids[1:2], None, **BY)
    machine.act(Trigger.RESOLVE, files=("run8_0002.h5",))
    months_pass(machine.engine)
    before = stands(machine)
    assert len(before) == 8
    prune(machine.engine, month(), **BY)
    assert stands(machine) == before
    with machine.engine.begin() as conn:
        pauses.resume(conn, "lane", "bulk", **BY)
        letters.replayed(conn, [each.id for each in letters.asked(conn, 10)])
    machine.through(8, 2, 3)
    with machine.engine.connect() as conn:
        assert list(verify(conn)) == []


def test_a_conductor_goes_on_meanwhile(machine: SmallMachine) -> None:
    conductor, started, stop = Conductor(machine.engine, 1000), threading.Event(), threading.Event()
    conductor.take(5)
    machine.arrive(8, 1, 2)
    machine.do(8, 1)
    months_pass(machine.engine)
    runs: list[float] = []

    def conduct() -> None:
        while not stop.is_set() or not runs:
            runs.append(conductor.take(3))
            started.set()

    def drop() -> None:
        try:
            assert started.wait(60)
            assert prune(machine.engine, month(), **BY).left == ()
        finally:
            stop.set()

    at_once([conduct, drop])
    machine.through(8, 1, 2)
    with machine.engine.begin() as conn:
        fold(conn, 10_000)
    assert f"history_{month(1):%Y_%m}" not in partitions(machine.engine)
    assert replayed(machine.engine) == present(machine.engine)
    with machine.engine.connect() as conn:
        assert list(verify(conn)) == []
