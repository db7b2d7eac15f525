"""`why` answers for every place in which a run or file can stand."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headframe.statemachine.lifecycle import Phase, Trigger, states_of
from headframe.statemachine.pipeline import RunType, Step, build
from headframe.statemachine.records import ExpectedFile, Trouble
from headframe.statemachine.store import runs
from headframe.statemachine.store.dead import bury
from headframe.statemachine.views import MOST_ABOUT, service_needs, status
from headframe.statemachine.why import Who, Why, why_file, why_run

from .small_machine import SmallMachine, pipeline


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    made = SmallMachine(database_url, tmp_path)
    made.alive()
    yield made
    made.engine.dispose()


def of_file(machine: SmallMachine, name: str) -> Why:
    with machine.engine.connect() as conn:
        answer = why_file(conn, name)
    assert answer is not None
    return answer


def of_run(machine: SmallMachine, number: int) -> Why:
    with machine.engine.connect() as conn:
        answer = why_run(conn, number)
    assert answer is not None
    return answer


def gone(machine: SmallMachine, role: str) -> None:
    machine.sql("update process set seen_at = now() - interval '1 hour' where role = :role", role=role)


def test_what_is_next_goes_out_in_a_moment(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    answer = of_file(machine, "5/1")
    assert (answer.code, answer.who, answer.command) == ("ready", Who.NOBODY, "")
    assert answer.since is not None


def test_what_waits_its_turn_says_how_many_stand_before_it(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2, 3)
    answer = of_file(machine, "5/3")
    assert answer.code == "queued"
    assert "2 stand before it in salt's live lane" in answer.sentence


def test_a_retry_says_when_it_comes(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.through(5)
    machine.say(5, 1, "fail", reason_code="no-disk", reason="the disk is full")
    answer = of_file(machine, "5/1")
    assert answer.code == "backing-off"
    assert "the disk is full" in answer.sentence
    assert answer.next_try is not None
    assert answer.next_try > datetime.now(UTC)
    assert any("1 of 3 retries used" in line for line in answer.evidence)
    assert any("attempt 1 at salt failed on node-7 (no-disk)" in line for line in answer.evidence)


def test_an_interrupt_is_not_charged(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    for _ in range(2):  # the first time, it is tried again at once
        machine.say(5, 1, "start")
        machine.say(5, 1, "interrupt", reason_code="io-error", reason="the node was taken")
    answer = of_file(machine, "5/1")
    assert answer.code == "backing-off"
    assert "interrupted" in answer.sentence
    assert any("not charged" in line for line in answer.evidence)


def test_a_step_without_a_worker_is_the_administrators(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.alive("reconstruct", roles=("worker",))
    answer = of_file(machine, "5/1")
    assert (answer.code, answer.who, answer.command) == ("no-worker", Who.ADMINISTRATOR, "headframe worker")
    assert any("takes reconstruct" in line for line in answer.evidence)
    machine.submit(5, 1)
    assert of_file(machine, "5/1").code == "no-worker"


def test_without_a_conductor_nothing_moves(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    gone(machine, "conductor")
    answer = of_file(machine, "5/1")
    assert (answer.code, answer.who) == ("no-conductor", Who.ADMINISTRATOR)
    assert any("last conductor was heard of" in line for line in answer.evidence)
    assert of_run(machine, 5).code in ("waiting-for-metadata", "no-conductor")


def test_a_pause_names_who_and_why(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.sql("insert into pause (what, name, actor, reason) values ('step', 'salt', 'anna', 'new key')")
    answer = of_file(machine, "5/1")
    assert (answer.code, answer.who) == ("paused", Who.OPERATOR)
    assert "step salt is paused by anna: new key" in answer.sentence


def test_a_paused_site_is_named_where_the_step_would_write_there(database_url: str, tmp_path: Path) -> None:
    steps = [Step(name="salt", to="salted", site="work"), Step(name="place", to="placed", makes="copy", site="work")]
    types = {"science": RunType(placed_when=("archive",))}
    machine = SmallMachine(database_url, tmp_path, build("default", steps, types))
    machine.alive()
    machine.arrive(5, 1)
    machine.sql("insert into pause (what, name, actor, reason) values ('site', 'work', 'anna', 'full disk')")
    answer = of_file(machine, "5/1")
    assert (answer.code, answer.who, answer.since is not None) == ("paused", Who.OPERATOR, True)
    assert answer.sentence == "site work is paused by anna: full disk; step salt writes there"
    assert answer.command == 'headframe resume --site work --reason "..."'
    machine.submit(5, 1)
    assert of_file(machine, "5/1").code == "submitted", "what has been sent goes on"
    machine.do(5, 1)
    assert of_file(machine, "5/1").code == "ready", "the copy goes to another site"
    machine.sql("insert into pause (what, name, actor, reason) values ('site', 'archive', 'bert', 'moved')")
    assert of_file(machine, "5/1").sentence == "site archive is paused by bert: moved; step place writes there"
    machine.engine.dispose()


def test_a_closed_campaign_stops_its_items(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.sql("update campaign set status = 'paused'")
    assert of_file(machine, "5/1").code == "campaign-paused"


def test_what_is_submitted_waits_for_a_worker(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.submit(5, 1)
    answer = of_file(machine, "5/1")
    assert answer.code == "submitted"
    assert "one of 1 worker of step salt" in answer.sentence


def test_what_executes_names_its_worker_and_lease(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.say(5, 1, "start")
    answer = of_file(machine, "5/1")
    assert answer.code == "executing"
    assert "worker w-1 on node-7, job 4711" in answer.sentence
    assert any(line.startswith("lease until") for line in answer.evidence)


def test_a_silent_worker_is_the_sweepers(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.say(5, 1, "start")
    machine.sql("update item set lease_until = now() - interval '1 minute' where phase = 'executing'")
    assert of_file(machine, "5/1").code == "lease-over"
    gone(machine, "sweeper")
    answer = of_file(machine, "5/1")
    assert (answer.code, answer.who) == ("no-sweeper", Who.ADMINISTRATOR)


def test_a_failure_carries_its_reason_and_the_command(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.say(5, 1, "fail", reason_code="bad-header", reason="no magic number", permanent=True)
    answer = of_file(machine, "run5_0001.h5")
    assert (answer.code, answer.who) == ("bad-header", Who.OPERATOR)
    assert "step salt failed for good: no magic number" in answer.sentence
    assert answer.command == 'headframe requeue --run 5 --file run5_0001.h5 --reason "..."'
    assert any("headframe abandon" in line for line in answer.evidence)


def test_a_hold_names_who_and_why(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.act(Trigger.HOLD, reason="wait for the new key", runs=(5,), scope="file")
    answer = of_file(machine, "5/1")
    assert (answer.code, answer.who) == ("operator-hold", Who.OPERATOR)
    assert answer.sentence == "anna holds it: wait for the new key"
    assert answer.command.startswith("headframe release --run 5")


def test_an_unknown_type_is_held_with_the_way_out(machine: SmallMachine) -> None:
    machine.arrive(6, 1, kind="mystery")
    for answer in (of_file(machine, "6/1"), of_run(machine, 6)):
        assert (answer.code, answer.who) == ("run-type-unknown", Who.OPERATOR)
        assert answer.command == 'headframe run reclassify 6 TYPE --reason "..."'
        assert answer.check == "it goes on once a run database says its type, or the type is configured"
        assert "mystery" in answer.sentence


def test_a_type_that_nobody_has_said_is_not_called_unconfigured(machine: SmallMachine) -> None:
    machine.arrive(6, 1, kind=None)
    for answer in (of_file(machine, "6/1"), of_run(machine, 6)):
        assert answer.code == "run-type-unknown"
        assert "nobody has said" in answer.sentence
        assert "not configured" not in answer.sentence


def test_what_waits_for_a_site_that_is_down_names_it_and_who_must_act(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    for _ in range(2):  # the first time, it is tried again at once
        machine.say(5, 1, "start")
        machine.say(5, 1, "interrupt", reason_code="site-away", reason="site work is not there")
    machine.sql("insert into site (name, status, reason) values ('work', 'down', '/data: is not there')")
    of_one, of_all = of_file(machine, "5/1"), of_run(machine, 5)
    assert of_one.next_try is not None
    assert (of_one.code, of_all.code) == ("backing-off", "site-down")
    assert "site work is down: /data: is not there" in of_all.sentence
    for answer in (of_one, of_all):
        assert (answer.who, answer.command) == (Who.ADMINISTRATOR, "headframe doctor")


@pytest.mark.parametrize("heard", [True, False], ids=["any more", "and never did"])
def test_a_broker_that_does_not_answer_is_named_by_the_first_page_and_by_why(
    machine: SmallMachine, heard: bool
) -> None:
    machine.arrive(5, 1)
    machine.sql("update process set started_at = now() - interval '1 hour' where role = 'conductor'")
    machine.sql("update run set closed_at = now(), expected = 1, source = 'manifests' where number = 5")
    if heard:
        machine.sql("insert into queue_depth (queue, kind, at) values ('work', 'work', now() - interval '2 min')")
    for answer in (of_file(machine, "5/1"), of_run(machine, 5)):
        assert (answer.who, answer.command) == (Who.ADMINISTRATOR, "headframe doctor")
    assert of_file(machine, "5/1").code == "broker-away"
    with machine.engine.connect() as conn:
        codes = [need.code for need in service_needs(conn)]
        assert codes == [problem.code for problem in status(conn).problems] == ["broker-away"]
    machine.sql("delete from queue_depth")
    machine.sql("insert into queue_depth (queue, kind) values ('work', 'work')")
    assert of_file(machine, "5/1").code == "ready"


def test_a_run_with_failed_files_names_the_held_ones_too(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2)
    machine.say(5, 1, "fail", reason_code="truncated", reason="cut off", permanent=True)
    machine.sql(
        "update item set phase = 'held', version = version + 1, trigger = 'hold', actor = 'anna', "
        "reason_code = 'operator-hold', reason = 'wait' where id = :id",
        id=machine.item(5, 2).id,
    )
    answer = of_run(machine, 5)
    assert answer.code == "files-failed"
    assert any("operator-hold: wait" in line for line in answer.evidence)


def test_a_duplicate_names_the_other_file(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.sql(
        "update item set phase = 'held', version = version + 1, trigger = 'hold', actor = 'conductor', "
        "reason_code = 'duplicate-content', reason = 'same content as a.h5 of run 4' where scope = 'file'"
    )
    answer = of_file(machine, "5/1")
    assert answer.code == "duplicate-content"
    assert answer.sentence == "it is held because it has the same content as a.h5 of run 4"


def test_what_is_abandoned_or_done_needs_nobody(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2)
    machine.act(Trigger.HOLD, runs=(5,), files=("run5_0001.h5",))
    machine.act(Trigger.ABANDON, reason="beam off", files=("run5_0001.h5",))
    machine.through(5, 2)
    left, done = of_file(machine, "5/1"), of_file(machine, "5/2")
    assert (left.code, left.who) == ("abandoned", Who.NOBODY)
    assert "anna has abandoned it: beam off" in left.sentence
    assert any("headframe recover" in line for line in left.evidence)
    assert (done.code, done.who, done.state) == ("done", Who.NOBODY, "cataloged")


def test_an_announced_file_is_the_detectors_until_it_is_waived(machine: SmallMachine) -> None:
    machine.inform(5, expected=1, closed=True, files=(ExpectedFile(name="a.h5", sequence=1),))
    answer = of_file(machine, "a.h5")
    assert (answer.code, answer.who) == ("not-arrived", Who.DETECTOR)
    with machine.engine.begin() as conn:
        runs.waive(conn, 5, ["a.h5"], "anna", "the disk died")
    assert (of_file(machine, "a.h5").code, of_file(machine, "a.h5").who) == ("waived", Who.NOBODY)


def test_dead_letters_are_evidence(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    with machine.engine.begin() as conn:
        bury(conn, [Trouble(code="rewritten", sentence="it was rewritten", subject="inbox/run5_0001.h5", run=5)])
    assert "dead letter rewritten: it was rewritten" in of_file(machine, "5/1").evidence
    assert "dead letter rewritten: it was rewritten" in of_run(machine, 5).evidence


def test_equal_dead_letters_are_said_once_with_how_often_first_and_last(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    bad = [Trouble(code="unreadable", sentence="not JSON", subject=f"message {n}", run=5) for n in range(3)]
    other = Trouble(code="unreadable", sentence="no key run", subject="message 9", run=5)
    with machine.engine.begin() as conn:
        bury(conn, [*bad, other])
        bury(conn, bad[:1])
    machine.sql("update dead_letter set first_at = '2026-11-20 10:00Z' where subject = 'message 1'")
    machine.sql("update dead_letter set last_at = '2026-11-21 10:00Z' where count = 1")
    machine.sql("update dead_letter set last_at = '2026-11-22 10:00Z' where count = 2")
    said = sorted(line for line in of_run(machine, 5).evidence if line.startswith("dead letter"))
    often = "4 times, first 2026-11-20 10:00:00 UTC, last 2026-11-22 10:00:00 UTC"
    assert said == ["dead letter unreadable: no key run", f"dead letter unreadable: not JSON ({often})"]


def test_where_more_dead_letters_may_be_there_than_were_read_at_least_is_said(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    with machine.engine.begin() as conn:
        bury(conn, [Trouble(code="unreadable", sentence="not JSON", subject=f"message {n}", run=5) for n in range(30)])
    (said,) = [line for line in of_run(machine, 5).evidence if line.startswith("dead letter")]
    assert said.startswith(f"dead letter unreadable: not JSON (at least {MOST_ABOUT} times, last ")


def test_nothing_is_said_of_what_is_not_there(machine: SmallMachine) -> None:
    with machine.engine.connect() as conn:
        assert why_file(conn, "nix") is None
        assert why_run(conn, 404) is None


def test_a_run_without_a_word_from_the_run_database_waits_for_it(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    answer = of_run(machine, 5)
    assert (answer.code, answer.who) == ("waiting-for-metadata", Who.DETECTOR)
    assert answer.command == 'headframe run close 5 --reason "..."'


def test_an_open_run_says_when_its_last_file_came(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 3)
    machine.inform(5, expected=4)
    answer = of_run(machine, 5)
    assert (answer.code, answer.who) == ("open", Who.DETECTOR)
    assert any("2 of 4 files so far" in line for line in answer.evidence)
    assert any("missing sequence 2, 4" in line for line in answer.evidence)


def test_a_closed_run_names_its_missing_files(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 5)
    machine.inform(5, expected=6, closed=True)
    answer = of_run(machine, 5)
    assert (answer.code, answer.who) == ("files-missing", Who.DETECTOR)
    assert "4 files of 6 announced have not come" in answer.sentence
    assert "missing sequence 2-4, 6" in answer.evidence
    assert answer.command == 'headframe run waive 5 2 6 --reason "..."'


def test_more_files_than_announced_are_the_operators(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2, 3)
    machine.inform(5, expected=2, closed=True)
    answer = of_run(machine, 5)
    assert (answer.code, answer.who) == ("more-files-than-announced", Who.OPERATOR)
    assert answer.command == 'headframe run expect 5 3 --reason "..."'


def test_failures_of_a_run_are_grouped_by_reason(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2, 3)
    for sequence, code in ((1, "bad"), (2, "bad"), (3, "worse")):
        machine.say(5, sequence, "fail", reason_code=code, reason=f"it is {code}", permanent=True)
    answer = of_run(machine, 5)
    assert (answer.code, answer.who) == ("files-failed", Who.OPERATOR)
    assert answer.evidence[:2] == (
        "2 at salt: bad: it is bad (such as run5_0001.h5)",
        "1 at salt: worse: it is worse (such as run5_0003.h5)",
    )
    assert answer.command == 'headframe requeue --run 5 --phase failed --reason "..."'


def test_held_files_hold_their_run(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.act(Trigger.HOLD, runs=(5,), scope="file")
    assert (of_run(machine, 5).code, of_run(machine, 5).who) == ("files-held", Who.OPERATOR)


def test_a_run_under_way_says_where_its_files_are(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2)
    machine.inform(5, expected=2, closed=True)
    machine.say(5, 1, "start")
    answer = of_run(machine, 5)
    assert (answer.code, answer.who) == ("in-progress", Who.NOBODY)
    assert "arrived: 1 ready, 1 executing" in answer.evidence
    machine.say(5, 1, "interrupt", reason_code="preempted", reason="gone")
    machine.alive("catalog", roles=("worker",))
    assert of_run(machine, 5).code == "no-worker"
    gone(machine, "conductor")
    assert of_run(machine, 5).code == "no-conductor"


def test_a_run_scope_step_explains_itself_as_a_file_does(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.inform(5, expected=1, closed=True)
    machine.through(5, 1)
    assert of_run(machine, 5).code == "ready"
    machine.say(5, None, "start")
    assert of_run(machine, 5).code == "executing"
    machine.say(5, None, "fail", reason_code="no-merge", reason="two trees differ", permanent=True)
    answer = of_run(machine, 5)
    assert (answer.code, answer.who) == ("no-merge", Who.OPERATOR)
    assert answer.command == 'headframe requeue --run 5 --scope run --reason "..."'
    machine.act(Trigger.RESOLVE, runs=(5,), scope="run")
    machine.do(5, None)
    assert of_run(machine, 5).code == "done"


def test_abandoned_files_are_named_where_a_run_is_done(database_url: str, tmp_path: Path) -> None:
    of = pipeline()
    machine = SmallMachine(database_url, tmp_path, build("short", list(of.steps[:4]), of.run_types))
    machine.arrive(5, 1, 2)
    machine.act(Trigger.HOLD, files=("run5_0002.h5",))
    machine.act(Trigger.ABANDON, files=("run5_0002.h5",))
    machine.inform(5, expected=2, closed=True)
    machine.through(5, 1)
    answer = of_run(machine, 5)
    assert answer.code == "done"
    assert "1 file abandoned" in answer.evidence
    machine.engine.dispose()


@pytest.mark.parametrize("scope", ["file", "run"])
def test_every_state_and_phase_has_an_answer(machine: SmallMachine, scope: str) -> None:
    machine.arrive(5, 1)
    for state in states_of(pipeline(), scope):
        for phase in Phase:
            machine.sql(
                "update item set state = :state, phase = :phase, version = version + 1, step = (select step "
                "from step_rule s where s.state = :state and s.scope = :scope) where scope = :scope",
                state=state,
                phase=str(phase),
                scope=scope,
            )
            answer = of_file(machine, "5/1") if scope == "file" else of_run(machine, 5)
            assert answer.code
            assert answer.sentence
            assert answer.since is not None
