"""What operators do to items in the store, and what a second campaign finds done."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import Checksums
from headframe.statemachine.store.core import ready_of
from headframe.statemachine.store.errors import NotFoundError, RefusedError
from headframe.statemachine.store.operate import Selection, count, operate
from headframe.statemachine.store.quiet import quietly
from headframe.statemachine.verify import verify

from .small_machine import SmallMachine

SAME = Checksums(adler32="0" * 8, blake3="a" * 64)


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    made = SmallMachine(database_url, tmp_path)
    yield made
    made.engine.dispose()


def values(machine: SmallMachine, statement: str) -> list[Any]:
    with machine.engine.connect() as conn:
        return list(conn.execute(text(statement)).scalars())


def place(machine: SmallMachine, run: int, sequence: int | None) -> tuple[str, str]:
    found = machine.item(run, sequence)
    return found.state, found.phase


def test_a_reset_supersedes_later_products_and_retires_their_replicas(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.through(1, 1)
    assert machine.act(Trigger.RESET, state="placed", files=("run1_0001.h5",)) == 1
    assert place(machine, 1, 1) == ("placed", "ready")
    assert values(machine, "select step from product where superseded_at is null") == ["salt"]
    standing = "select step from replica where retired_at is null order by id"
    assert values(machine, standing) == ["", "salt", "place"]
    assert machine.act(Trigger.RESET, state="arrived", files=("run1_0001.h5",)) == 1
    assert values(machine, standing) == [""]
    machine.through(1, 1)
    with machine.engine.connect() as conn:
        assert list(verify(conn)) == []


def test_a_reset_goes_to_an_earlier_state_of_the_items_own_scope_only(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.do(1, 1)
    for state in ("placed", "cataloged", "nowhere"):
        assert machine.act(Trigger.RESET, state=state, runs=(1,)) == 0
    assert machine.act(Trigger.RESET, state="salted", runs=(1,)) == 1


def test_a_second_campaign_finds_salt_and_copies_done(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.through(1, 1)
    first = machine.item(1, 1)
    machine.sql(
        "insert into campaign (name, pipeline_id, kind, lane) values ('again', :p, 'bulk', 'bulk')", p=first.pipeline_id
    )
    machine.sql(
        "insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, step, lane, trigger) "
        "select c.id, c.pipeline_id, :run, :file, 'file', 'science', 'arrived', 'ready', 'salt', c.lane, 'arrive' "
        "from campaign c where name = 'again'",
        run=first.run_id,
        file=first.file_id,
    )
    statement = "select id as item, epoch, step, lane, phase from item where lane = 'bulk'"
    with machine.engine.begin() as conn:
        (ready,) = quietly(conn, ready_of(conn.execute(text(statement)).all()))
    assert (ready.step, ready.lane, ready.epoch) == ("reconstruct", "bulk", 3)
    reused = "select to_state from history where trigger = 'reused' order by version"
    assert values(machine, reused) == ["salted", "placed"]
    with machine.engine.connect() as conn:
        assert list(verify(conn)) == []


def test_the_same_content_under_two_names_is_held_whichever_is_read_first(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2, 3)
    machine.say(1, 2, "succeed", raw=SAME)
    machine.say(1, 1, "succeed", raw=SAME)
    assert place(machine, 1, 2) == ("salted", "ready")
    held = machine.item(1, 1)
    assert (held.phase, held.reason_code, held.reason) == (
        "held",
        "duplicate-content",
        "same content as run1_0002.h5 of run 1",
    )
    machine.act(Trigger.RELEASE, files=("run1_0001.h5",))
    assert place(machine, 1, 1) == ("salted", "ready")
    machine.act(Trigger.RESET, state="arrived", files=("run1_0002.h5",))
    machine.say(1, 2, "succeed", raw=SAME)
    assert place(machine, 1, 2) == ("salted", "ready"), "what was let through once stays through"


def test_a_reset_lets_no_file_through_whose_content_came_before(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2)
    for _ in range(2):
        for sequence in (1, 2):
            machine.say(1, sequence, "succeed", raw=SAME)
        assert [place(machine, 1, n) for n in (1, 2)] == [("salted", "ready"), ("salted", "held")]
        assert machine.act(Trigger.RESET, state="arrived", runs=(1,)) == 2
    machine.say(1, 1, "succeed", raw=SAME)
    machine.say(1, 2, "succeed", raw=SAME)
    machine.act(Trigger.ABANDON, files=("run1_0002.h5",))
    machine.act(Trigger.RECOVER, files=("run1_0002.h5",))
    machine.act(Trigger.RESET, state="arrived", runs=(1,))
    machine.say(1, 2, "succeed", raw=SAME)
    assert place(machine, 1, 2) == ("salted", "ready"), "an operator took it up again"


def test_an_action_on_2500_items_commits_pages_and_changes_each_once(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.sql(
        "insert into file (run_id, sequence, name, site, path, size, mtime_ns, registered_at) "
        "select f.run_id, n, 'f' || n, 'source', 'inbox/f' || n, 1, 1, now() "
        "from file f, generate_series(2, 2500) n where f.sequence = 1"
    )
    machine.sql(
        "insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, step, trigger) "
        "select i.campaign_id, i.pipeline_id, i.run_id, f.id, 'file', i.kind, i.state, i.phase, i.step, 'arrive' "
        "from item i, file f where i.file_id is not null and f.sequence > 1"
    )
    progress: list[int] = []
    wanted = Selection(runs=(1,))
    with machine.engine.connect() as conn:
        assert count(conn, Trigger.HOLD, wanted) == 2500
    arguments: dict[str, Any] = {"actor": "anna", "reason": "calibration is wrong", "idempotency_key": "k1"}
    done = operate(machine.engine, Trigger.HOLD, wanted, progress=progress.append, **arguments)
    assert (done.total, done.changed, len(done.names)) == (2500, 2500, 10)
    assert progress == [1000, 2000, 2500]
    assert values(machine, "select count(*) from item where phase = 'held' and version = 2") == [2500]
    machine.act(Trigger.RELEASE, files=("f7",))
    again = operate(machine.engine, Trigger.HOLD, wanted, **arguments)
    assert (again.total, again.changed) == (2500, 2500)
    assert values(machine, "select count(*) from item where phase = 'held'") == [2499], "the same key acts once"
    with machine.engine.connect() as conn:
        assert list(verify(conn)) == []


def test_nothing_is_done_without_a_reason_or_to_nothing_or_to_what_is_not_there(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    for reason, wanted, refused in (
        (" ", Selection(runs=(1,)), RefusedError),
        ("because", Selection(), RefusedError),
        ("because", Selection(runs=(2,)), NotFoundError),
        ("because", Selection(files=("nowhere.h5",)), NotFoundError),
    ):
        with pytest.raises(refused):
            operate(machine.engine, Trigger.HOLD, wanted, actor="anna", reason=reason)
    assert place(machine, 1, 1) == ("arrived", "ready")
