"""What operators do to items in the store, and what a second campaign finds done."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import Checksums, Content
from headframe.statemachine.store import dispatch
from headframe.statemachine.store.core import Ready, execute, ready_of
from headframe.statemachine.store.errors import NotFoundError, RefusedError
from headframe.statemachine.store.operating import Operated, Selection, count, operate, turn
from headframe.statemachine.store.operating import limits as actions
from headframe.statemachine.store.quiet import quietly
from headframe.statemachine.verify import verify

from .small_machine import SmallMachine

SAME = Checksums(adler32="0" * 8, blake3="a" * 64)


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


@pytest.mark.parametrize("trigger", [Trigger.RESOLVE, Trigger.RELEASE, Trigger.RECOVER, Trigger.RESET])
def test_nothing_goes_to_a_lane_that_has_no_queue(machine: SmallMachine, trigger: Trigger) -> None:
    machine.arrive(1, 1)
    with pytest.raises(RefusedError, match="there is no lane foo; give one of live, bulk"):
        operate(machine.engine, trigger, Selection(runs=(1,)), actor="a", reason="r", state="arrived", lane="foo")
    assert machine.item(1, 1).lane == "live"
    assert values(machine, "select id from operation") == []


def test_only_the_original_of_a_raw_file_has_the_time_it_arrived_with(machine: SmallMachine) -> None:
    machine.arrive(1, 1, kind="calibration")
    assert [content.mtime_ns for content in inputs(machine)] == [1]
    machine.do(1, 1)
    (content,) = inputs(machine)
    assert (content.location.site, content.mtime_ns) == ("work", None)
    assert raw_of_run(machine) == {("source", 1), ("work", None)}


def inputs(machine: SmallMachine) -> tuple[Content, ...]:
    found = machine.item(1, 1)
    with machine.engine.begin() as conn:
        ready = Ready(item=found.id, epoch=found.epoch, step=found.step, lane=found.lane)
        (order,) = dispatch.describe(conn, [ready])
    return order.inputs


def raw_of_run(machine: SmallMachine) -> set[tuple[str, int | None]]:
    found = machine.item(1, 1)
    with machine.engine.begin() as conn:
        rows = execute(conn, "run_contents", run_id=found.run_id, campaign_id=found.campaign_id, role="raw")
    return {(row.site, row.mtime_ns) for row in rows}


def test_a_second_campaign_finds_salt_and_copies_done(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.through(1, 1)
    machine.again(1, 1)
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


class Killed(Exception):
    """Its process is gone."""


def killed(_: int) -> None:
    raise Killed


def act_with_key(machine: SmallMachine, trigger: Trigger, selection: Selection, **more: Any) -> Operated:
    return operate(machine.engine, trigger, selection, actor="anna", reason="r", idempotency_key="k", **more)


@pytest.mark.parametrize("trigger", [Trigger.HOLD, Trigger.RESET])
def test_an_action_that_died_half_way_goes_on_with_its_key_and_does_nothing_twice(
    machine: SmallMachine, trigger: Trigger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "PAGE", 2)
    machine.arrive(1, *range(1, 6))
    files, state = Selection(runs=(1,), scope="file"), "arrived" if trigger is Trigger.RESET else None
    with pytest.raises(Killed):
        act_with_key(machine, trigger, files, state=state, progress=killed)
    moved = f"select count(*) from history where trigger = '{trigger}'"
    assert values(machine, moved) == [2]
    told = act_with_key(machine, trigger, files, state=state)
    assert (told.total, told.changed, len(told.names)) == (5, 5, 3)
    assert values(machine, moved) == [5]
    assert values(machine, "select status from operation") == ["done"]
    again = act_with_key(machine, trigger, files, state=state)
    assert (again.total, again.changed) == (5, 5)
    assert values(machine, moved) == [5]


def test_a_key_stands_for_one_action(machine: SmallMachine) -> None:
    machine.arrive(1, 1, 2)
    act_with_key(machine, Trigger.HOLD, Selection(runs=(1,), scope="file"))
    for trigger, selection in (
        (Trigger.RELEASE, Selection(runs=(1,), scope="file")),
        (Trigger.HOLD, Selection(files=("run1_0001.h5",))),
    ):
        with pytest.raises(RefusedError, match="the idempotency key k stands for another action"):
            act_with_key(machine, trigger, selection)


def test_two_processes_at_one_action_share_its_pages(machine: SmallMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "PAGE", 1)
    sequences = range(1, 21)
    machine.arrive(1, *sequences)
    files = Selection(runs=(1,), scope="file")
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(act_with_key, machine, Trigger.RESET, files, state="arrived") for _ in range(2)]
        told = [each.result(timeout=60) for each in both]
    assert {each.changed for each in told} == {20}
    assert values(machine, "select count(*) from history where trigger = 'reset'") == [20]


def test_new_content_goes_through_every_step_from_the_first(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.through(1, 1)
    selection = Selection(runs=(1,), scope="file")

    def reset(state: str) -> int:
        done = operate(
            machine.engine, Trigger.RESET, selection, actor="anna", reason="x", state=state, new_content=True
        )
        return done.changed

    for state in ("salted", "placed"):
        with pytest.raises(RefusedError, match="reset --new-content --to arrived"):
            reset(state)
    assert reset("arrived") == 1


def many(machine: SmallMachine, monkeypatch: pytest.MonkeyPatch) -> Selection:
    monkeypatch.setattr(actions, "MANY", 3)
    monkeypatch.setattr(actions, "PAGE", 2)
    machine.arrive(1, *range(1, 6))
    return Selection(runs=(1,), scope="file")


def test_many_items_go_on_in_the_bulk_lane_and_stay_there_until_they_are_done(
    machine: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = many(machine, monkeypatch)
    told = operate(machine.engine, Trigger.RESET, files, actor="anna", reason="r", state="arrived", rest=print)
    assert (told.changed, told.lane) == (5, "bulk")
    machine.through(1, *range(1, 6))
    assert {(machine.item(1, n).lane, machine.item(1, n).phase) for n in range(1, 6)} == {("bulk", "done")}


def test_many_items_stay_live_where_somebody_wants_it_and_a_hold_moves_none(
    machine: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = many(machine, monkeypatch)
    live = operate(
        machine.engine, Trigger.RESET, files, actor="a", reason="r", state="arrived", lane="live", rest=print
    )
    held = operate(machine.engine, Trigger.HOLD, files, actor="anna", reason="r", rest=print)
    assert (live.lane, held.lane, machine.item(1, 1).lane) == ("live", None, "live")


def test_pages_of_many_items_are_paced(machine: SmallMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    files, rests = many(machine, monkeypatch), list[float]()
    operate(machine.engine, Trigger.HOLD, files, actor="anna", reason="r", rest=rests.append)
    assert len(rests) == 2 and all(0 < rest < 60 for rest in rests)
    operate(
        machine.engine, Trigger.RELEASE, Selection(files=("run1_0001.h5",)), actor="a", reason="r", rest=rests.append
    )
    assert len(rests) == 2


def test_an_action_that_goes_on_keeps_the_lane_that_it_began_with(
    machine: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = many(machine, monkeypatch)
    act_with_key(machine, Trigger.HOLD, files, rest=print)
    arguments: dict[str, Any] = {"actor": "anna", "reason": "r", "idempotency_key": "again", "rest": print}
    with pytest.raises(Killed):
        operate(machine.engine, Trigger.RELEASE, files, progress=killed, **arguments)
    told = operate(machine.engine, Trigger.RELEASE, files, **arguments)
    assert (told.changed, told.lane) == (5, "bulk")
    assert {machine.item(1, n).lane for n in range(1, 6)} == {"bulk"}


def test_ctrl_c_leaves_the_rest_undone_for_good(machine: SmallMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    files = many(machine, monkeypatch)

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        act_with_key(machine, Trigger.HOLD, files, progress=interrupted)
    assert turn(machine.engine, "sweeper", silent_s=0) is None
    assert values(machine, "select status || ' ' || changed from operation") == ["cancelled 2"]
    assert values(machine, "select count(*) from operation_item") == [0]


def test_what_a_lost_terminal_has_begun_a_sweeper_ends(machine: SmallMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    files = many(machine, monkeypatch)
    with pytest.raises(Killed):
        act_with_key(machine, Trigger.HOLD, files, progress=killed)
    assert turn(machine.engine, "sweeper") is None, "it may still be there"
    while turn(machine.engine, "sweeper", silent_s=0):
        pass
    assert values(machine, "select count(*) from item where phase = 'held'") == [5]
    assert values(machine, "select status || ' ' || changed from operation") == ["done 5"]
