"""Reports in the store: who counts, who is late, and what two conductors make of the same items at once."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from headframe.daemon.conductor.applying import apply as conduct
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import Checksums, Location, Outcome, Product, Reporter, RunInfo
from headframe.statemachine.store import dispatch, sweep
from headframe.statemachine.store.fold import Said
from headframe.statemachine.store.reports import apply_reports, renew
from headframe.statemachine.verify import verify

from .small_machine import SmallMachine
from .two_conductors import at_once, batch

ANNA, BERT = Reporter(owner="anna", host="node-1"), Reporter(owner="bert", host="node-2")


def word(machine: SmallMachine, sequence: int, trigger: str, who: Reporter = ANNA, **more: Any) -> Said:
    """Say something of a file's present epoch."""
    found = machine.item(1, sequence)
    folder = Location(site="work", path=f"attempts/{found.id}/e{found.epoch}-{who.owner}")
    said = {"item": found.id, "epoch": found.epoch, "trigger": trigger, "step": found.step or "", "folder": folder}
    return Said(outcome=Outcome(**{**said, **more}), reporter=who)


def apply(machine: SmallMachine, *said: Said) -> Any:
    with machine.engine.begin() as conn:
        return apply_reports(conn, said)


def late(machine: SmallMachine) -> list[tuple[str, str, str]]:
    with machine.engine.connect() as conn:
        rows = conn.execute(text("select owner, trigger, cause from late order by id")).all()
    return [(row.owner, row.trigger, row.cause) for row in rows]


def cleaned(machine: SmallMachine) -> set[str]:
    with machine.engine.connect() as conn:
        return set(conn.execute(text("select path from settle where action = 'clean'")).scalars())


def test_two_conductors_with_the_same_reports_at_once_accept_each_once(machine: SmallMachine) -> None:
    sequences = range(1, 21)
    machine.arrive(1, *sequences)
    for _ in range(2):
        said = [word(machine, n, "succeed", who) for n in sequences for who in (ANNA, BERT)]
        beats = [(entry.outcome.item, entry.outcome.epoch, entry.reporter.owner) for entry in said]
        batches = [batch(said=said, beats=beats), batch(said=said[::-1], beats=beats[::-1])]

        def job(each: Any) -> Any:
            def work() -> Any:
                with machine.engine.begin() as conn:
                    return conduct(conn, each, machine.book)

            return work

        at_once([job(each) for each in batches * 2])
    with machine.engine.connect() as conn:
        accepted = conn.execute(text("select count(*) from history where trigger = 'succeed'")).scalar_one()
        assert accepted == 2 * len(sequences)
        assert [f for f in verify(conn) if f.code == "accepted-twice"] == []


def test_runs_and_heartbeats_in_opposite_order_do_not_lock_two_conductors(machine: SmallMachine) -> None:
    machine.arrive(1, *range(1, 11))
    apply(machine, *(word(machine, n, "start") for n in range(1, 11)))
    found = [machine.item(1, n) for n in range(1, 11)]
    infos = [RunInfo(run=n, source="rundb", kind="science") for n in range(1, 9)]

    def job(turn: int) -> Any:
        def work() -> None:
            for _ in range(10):
                each = batch(
                    runs=infos[::turn],
                    said=[
                        Said(
                            outcome=Outcome(item=found[0 if turn > 0 else -1].id, epoch=99, trigger="start"),
                            reporter=ANNA,
                        )
                    ],
                    beats=[(item.id, item.epoch, "anna") for item in found[::turn]],
                )
                with machine.engine.begin() as conn:
                    conduct(conn, each, machine.book)

        return work

    at_once([job(1), job(-1)])


def test_a_report_quicker_than_its_submit_stands(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    apply(machine, word(machine, 1, "start"))
    machine.submit(1, 1)
    assert machine.item(1, 1).phase == "executing"
    apply(machine, word(machine, 1, "succeed"))
    assert (machine.item(1, 1).state, machine.item(1, 1).phase) == ("salted", "ready")


def test_what_comes_too_late_changes_nothing_and_is_written_down_with_its_cause(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    stale = word(machine, 1, "succeed", BERT, epoch=77)
    apply(machine, word(machine, 1, "start"))
    effects = apply(machine, word(machine, 1, "succeed", BERT), stale, word(machine, 1, "start"))
    assert effects.changed == 0
    assert late(machine) == [("bert", "succeed", "other-owner"), ("bert", "succeed", "stale-epoch")]
    assert {(entry.owner, entry.cause) for entry in effects.stale} == {("bert", "other-owner"), ("bert", "stale-epoch")}
    assert machine.item(1, 1).phase == "executing"


def test_a_report_on_an_item_that_is_not_there_is_late_too(machine: SmallMachine) -> None:
    said = Said(outcome=Outcome(item=4711, epoch=1, trigger="succeed"), reporter=ANNA)
    assert apply(machine, said).changed == 0
    assert late(machine) == [("anna", "succeed", "unknown-item")]


def test_an_item_held_while_it_executes_takes_no_result_and_its_folder_goes(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    apply(machine, word(machine, 1, "start"))
    result = word(machine, 1, "succeed")
    machine.act(Trigger.HOLD, runs=(1,))
    assert apply(machine, result).changed == 0
    held = machine.item(1, 1)
    assert (held.state, held.phase, held.owner, held.epoch) == ("arrived", "held", None, 2)
    assert late(machine) == [("anna", "succeed", "stale-epoch")]
    assert result.outcome.folder is not None
    assert result.outcome.folder.path in cleaned(machine)
    with machine.engine.connect() as conn:
        assert list(verify(conn)) == []


def test_a_doubled_result_never_orders_the_accepted_folder_removed(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    mine, other = word(machine, 1, "succeed"), word(machine, 1, "succeed", BERT)
    apply(machine, mine, mine, other)
    apply(machine, mine)
    assert mine.outcome.folder is not None
    assert other.outcome.folder is not None
    assert cleaned(machine) == {other.outcome.folder.path}


def of(entry: Said, folder: str, *, made: bool) -> Said:
    """Give the same result as made in another folder: the hint came to its worker twice."""
    place = Location(site="work", path=f"{folder}/x.h5")
    sums = Checksums(adler32="0" * 8, blake3="a" * 64)
    product = Product(name="x.h5", type="salt", location=place, size=3, checksums=sums)
    changes = {"folder": Location(site="work", path=folder), "products": (product,) if made else ()}
    return Said(outcome=msgspec.structs.replace(entry.outcome, **changes), reporter=entry.reporter)


@pytest.mark.parametrize("made", [True, False])
def test_the_second_folder_of_a_repeated_hint_is_removed_and_the_accepted_one_stays(
    machine: SmallMachine, *, made: bool
) -> None:
    machine.arrive(1, 1)
    result = word(machine, 1, "succeed")
    assert result.outcome.folder is not None
    first = result.outcome.folder.path
    mine, again = of(result, first, made=made), of(result, f"{first}.2", made=made)
    apply(machine, mine, again)
    apply(machine, mine)
    apply(machine, again, mine)
    assert cleaned(machine) == {f"{first}.2"}


def test_the_first_folder_is_removed_where_the_second_was_accepted(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    result = word(machine, 1, "succeed")
    assert result.outcome.folder is not None
    first = result.outcome.folder.path
    mine, again = of(result, first, made=True), of(result, f"{first}.2", made=True)
    apply(machine, again)
    apply(machine, mine, again)
    assert cleaned(machine) == {first}


def test_the_second_folder_of_a_runs_own_step_is_removed_too(machine: SmallMachine) -> None:
    machine.inform(1, expected=1, closed=True)
    machine.arrive(1, 1)
    machine.through(1, 1)
    found = machine.item(1, None)
    assert found.step == "summary"
    first = f"attempts/{found.id}/e{found.epoch}-anna"
    outcome = Outcome(item=found.id, epoch=found.epoch, trigger="succeed", step="summary")
    mine, again = (of(Said(outcome=outcome, reporter=ANNA), path, made=True) for path in (first, f"{first}.2"))
    apply(machine, mine, again)
    assert cleaned(machine) == {f"{first}.2"}


def test_folders_that_workers_left_who_never_reported_are_removed_once_another_is_accepted(
    machine: SmallMachine,
) -> None:
    machine.arrive(1, 1)
    apply(machine, word(machine, 1, "interrupt", reason_code="drain", reason="told to leave"))
    found = machine.item(1, 1)
    strange = ("e99-later", "..", "e1-x/../y", "e1-..", "notes.txt", "e-anna", "e1-")
    result = word(machine, 1, "succeed", BERT, beside=("e1-dead", "e1-dead.2", "e2-other", *strange))
    apply(machine, word(machine, 1, "succeed", BERT, beside=("e1-late",), epoch=1))
    assert not any("late" in path and "bert" not in path for path in cleaned(machine)), "it was not accepted"
    before = cleaned(machine)
    apply(machine, result)
    work = f"attempts/{campaign_of(machine)}/run000001/{found.id % 1000:03d}/{found.id}-salt"
    assert cleaned(machine) - before == {f"{work}/{name}" for name in ("e1-dead", "e1-dead.2", "e2-other")}


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_that_was_accepted_once_is_not_removed_for_lying_beside_another(
    machine: SmallMachine, *, made: bool
) -> None:
    machine.arrive(1, 1)
    found = machine.item(1, 1)
    work = f"attempts/{campaign_of(machine)}/run000001/{found.id % 1000:03d}/{found.id}-salt"
    apply(machine, of(word(machine, 1, "succeed"), f"{work}/e1-anna", made=made))
    assert machine.act(Trigger.RESET, runs=(1,), state="arrived") == 1
    again = of(word(machine, 1, "succeed", BERT, beside=("e1-anna", "e1-dead")), f"{work}/e3-bert", made=made)
    apply(machine, again)
    assert (machine.item(1, 1).state, cleaned(machine)) == ("salted", {f"{work}/e1-dead"})


def campaign_of(machine: SmallMachine) -> str:
    with machine.engine.connect() as conn:
        return str(conn.execute(text("select name from campaign")).scalar_one())


def test_what_failed_waits_before_it_is_sent_again(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    effects = apply(machine, word(machine, 1, "fail", reason_code="bad"))
    assert effects.ready == ()
    assert (machine.item(1, 1).phase, machine.item(1, 1).epoch) == ("ready", 2)
    with machine.engine.connect() as conn:
        assert dispatch.waiting(conn, "salt", "live", 10) == []
    machine.sql("update item set not_before = now() - interval '1 second'")
    with machine.engine.connect() as conn:
        assert [entry.epoch for entry in dispatch.waiting(conn, "salt", "live", 10)] == [2]


def test_of_two_workers_that_beat_for_one_epoch_only_the_owner_goes_on(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    found = machine.item(1, 1)
    beats = [(found.id, found.epoch, "anna"), (found.id, found.epoch, "bert")]
    with machine.engine.begin() as conn:
        assert renew(conn, beats) == [], "the start may be in another conductor's hands"
    apply(machine, word(machine, 1, "start"))
    with machine.engine.begin() as conn:
        assert [entry.owner for entry in renew(conn, beats)] == ["bert"]


def test_a_lease_that_is_being_renewed_does_not_expire(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    apply(machine, word(machine, 1, "start"))
    found = machine.item(1, 1)
    machine.sql("update item set lease_until = now() - interval '1 minute'")
    machine.sql("insert into watermark (lane, applied_at) values ('live', now())")
    with machine.engine.begin() as conductor:
        assert renew(conductor, [(found.id, found.epoch, "anna")]) == []
        with machine.engine.begin() as sweeper:
            assert sweep.expire(sweeper, 0, 10) == sweep.Expired()
    with machine.engine.begin() as sweeper:
        assert sweep.expire(sweeper, 0, 10) == sweep.Expired()
    assert machine.item(1, 1).phase == "executing"


def test_a_lease_expires_only_when_all_that_was_sent_before_has_been_applied(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    apply(machine, word(machine, 1, "start"))
    machine.sql("update item set lease_until = now() - interval '1 minute'")
    machine.sql("insert into watermark (lane, applied_at) values ('live', now() - interval '2 minutes')")
    with machine.engine.begin() as conn:
        assert sweep.expire(conn, 0, 10) == sweep.Expired()
    machine.sql("update watermark set applied_at = now()")
    with machine.engine.begin() as conn:
        assert sweep.expire(conn, 0, 10).after == machine.item(1, 1).id
    taken = machine.item(1, 1)
    assert (taken.phase, taken.epoch, taken.reason_code) == ("ready", 2, "lost-lease")


@pytest.mark.parametrize(("nodes", "deaths"), [(3, 3), (2, 12), (1, 12)])
def test_an_item_whose_workers_die_fails_after_a_few_on_different_nodes_and_after_many_on_few(
    machine: SmallMachine, nodes: int, deaths: int
) -> None:
    machine.arrive(1, 1)
    for n in range(deaths):
        assert machine.item(1, 1).phase == "ready", n
        who = Reporter(owner=f"w-{n}", host=f"node-{n % nodes}", job="")
        apply(machine, word(machine, 1, "interrupt", who, reason_code="worker-died", reason="gone"))
        machine.sql("update item set not_before = null")
    failed = machine.item(1, 1)
    assert (failed.phase, failed.reason_code) == ("failed", "kills-workers")
    named = ", ".join(f"node-{n}" for n in range(nodes))
    assert failed.reason == f"its workers died {deaths} times in a row, on {named}: gone"
