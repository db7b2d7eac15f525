"""`why` names launcher, pilot and node where work waits for a pilot, or lost the one that it had."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from headframe.statemachine.records import Reporter
from headframe.statemachine.why import Who, Why, why_file, why_run

from .pilots_filled import launcher, pilot, set_aside
from .small_machine import SmallMachine


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    """Give a file that waits for salt, and no worker."""
    made = SmallMachine(database_url, tmp_path)
    made.alive(roles=("conductor", "sweeper"))
    made.arrive(5, 1)
    yield made
    made.engine.dispose()


@pytest.fixture
def rows(machine: SmallMachine) -> Iterator[Connection]:
    """Give a connection that commits what it writes at once."""
    with machine.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def why(machine: SmallMachine) -> Why:
    with machine.engine.connect() as conn:
        answer = why_file(conn, "5/1")
    assert answer is not None
    return answer


def evidence(answer: Why) -> str:
    return "\n".join(answer.evidence)


def test_where_no_launcher_was_ever_heard_of_workers_are_started_by_people(machine: SmallMachine) -> None:
    answer = why(machine)
    assert (answer.code, answer.who, answer.command) == ("no-worker", Who.ADMINISTRATOR, "headframe worker")
    assert "no launcher of pilots has been heard of" in evidence(answer)


def test_a_silent_launcher_is_named_with_its_host(machine: SmallMachine, rows: Connection) -> None:
    launcher(rows, silent="20 min")
    answer = why(machine)
    assert (answer.code, answer.who, answer.command) == ("launcher-silent", Who.ADMINISTRATOR, "headframe launcher")
    assert "launcher cori on login04 submits the pilots, and has been silent since" in answer.sentence


@pytest.mark.parametrize(
    ("word", "plain", "who", "does"),
    [
        ("Resources", "no node with what it asks for is free (Resources)", Who.NOBODY, ""),
        ("Priority", "jobs of a higher priority stand before it (Priority)", Who.NOBODY, ""),
        ("ReqNodeNotAvail, UnavailableNodes:n3", "(ReqNodeNotAvail, UnavailableNodes:n3)", Who.NOBODY, "sinfo"),
        ("Reservation", "its reservation has not begun, or is over (Reservation)", Who.NOBODY, "slurm doctor"),
        ("QOSMaxJobsPerUserLimit", "as many jobs run as its QOS allows", Who.NOBODY, "sacctmgr"),
        ("AssocGrpCPUMinutesLimit", "all jobs of its account together", Who.NOBODY, "sacctmgr"),
        ("PartitionDown", "its partition is down", Who.ADMINISTRATOR, "sinfo"),
        ("PartitionTimeLimit", "more time than its partition allows", Who.ADMINISTRATOR, "slurm doctor"),
        ("BadConstraints", "no node can ever give what it asks for", Who.ADMINISTRATOR, "slurm doctor"),
        ("Dependency", "it waits for another job to end (Dependency)", Who.NOBODY, "scontrol show job 88"),
        ("JobHeldUser", "somebody with its account has held it", Who.ADMINISTRATOR, "scontrol release 88"),
        ("JobHeldAdmin", "the cluster's administrator has held it", Who.ADMINISTRATOR, "scontrol show job 88"),
        ("launch failed requeued held", "could not start it", Who.ADMINISTRATOR, "scontrol release 88"),
        ("SomethingNew", "since", Who.NOBODY, ""),
    ],
)
def test_a_pending_pilot_says_what_it_waits_for_in_plain_words(
    machine: SmallMachine, rows: Connection, word: str, plain: str, who: Who, does: str
) -> None:
    launcher(rows)
    number = pilot(rows, steps="salt,place", status="pending", job="88", state="PENDING", reason=word, submitted="1 h")
    answer = why(machine)
    assert (answer.code, answer.who) == ("pilot-pending", who)
    assert f"pilot {number}, job 88, has been pending since" in answer.sentence
    assert plain in answer.sentence
    assert word in answer.sentence
    assert does in answer.command
    assert bool(does) == bool(answer.command)


def test_of_two_that_wait_the_one_that_goes_by_itself_is_the_answer(machine: SmallMachine, rows: Connection) -> None:
    launcher(rows)
    pilot(rows, steps="salt", status="pending", job="88", reason="JobHeldUser", submitted="2 h")
    later = pilot(rows, steps="salt", status="pending", job="89", reason="Priority", submitted="1 h")
    answer = why(machine)
    assert f"pilot {later}, job 89" in answer.sentence
    assert "job 88, is pending too: somebody with its account has held it" in evidence(answer)


def test_what_slurm_refuses_is_said_in_its_own_words(machine: SmallMachine, rows: Connection) -> None:
    words = "Batch job submission failed: Invalid partition name specified; tried again at 05:10:00 UTC"
    launcher(rows, trouble={"reco": words})
    answer = why(machine)
    assert (answer.code, answer.who) == ("pilots-refused", Who.ADMINISTRATOR)
    assert f"launcher cori gets no pilot reco: {words}" in answer.sentence
    assert answer.command == "headframe slurm doctor"


def test_trouble_of_a_name_that_serves_another_step_is_evidence_only(machine: SmallMachine, rows: Connection) -> None:
    launcher(rows, trouble={"big": "Invalid account"})
    pilot(rows, name="reco", steps="salt", status="pending", job="88", reason="Priority", submitted="1 min")
    answer = why(machine)
    assert answer.code == "pilot-pending"
    assert "launcher cori gets no pilot big: Invalid account" in evidence(answer)


def test_a_pilot_of_which_nobody_knows_yet_whether_slurm_has_it(machine: SmallMachine, rows: Connection) -> None:
    launcher(rows)
    pilot(rows, steps="salt")
    answer = why(machine)
    assert (answer.code, answer.who) == ("pilot-intended", Who.NOBODY)
    assert "whether the batch system has it is being found out" in answer.sentence


def test_a_pilot_that_has_just_begun_and_one_that_never_brings_a_worker(
    machine: SmallMachine, rows: Connection
) -> None:
    launcher(rows)
    said = {"steps": "salt", "status": "running", "job": "88", "node": "n2", "log": "/logs/88.out"}
    pilot(rows, **said, started="20 min")
    answer = why(machine)
    assert (answer.code, answer.who) == ("pilot-without-workers", Who.ADMINISTRATOR)
    assert "its output: /logs/88.out" in evidence(answer)
    pilot(rows, **said, started="5 s")
    assert why(machine).code == "pilot-starting"


def test_a_launcher_without_a_pilot_says_how_the_last_ones_ended(machine: SmallMachine, rows: Connection) -> None:
    launcher(rows)
    said = {"steps": "salt", "status": "ended", "job": "88", "node": "n2", "ended": "3 min"}
    number = pilot(rows, **said, code="failed", reason="exit code 1: no such file")
    answer = why(machine)
    assert answer.code == "no-pilot"
    assert f"pilot {number}, job 88 on n2: its script failed (exit code 1: no such file), at" in evidence(answer)


def test_a_run_explains_itself_by_pilots_too(machine: SmallMachine, rows: Connection) -> None:
    machine.sql("update run set source = 'manifest', closed_at = now(), expected = 1, first_sequence = 1")
    launcher(rows)
    pilot(rows, steps="salt", status="pending", job="88", reason="Resources", submitted="1 h")
    answer = why_run(rows, 5)
    assert answer is not None
    assert answer.code == "pilot-pending"
    assert "1 file wait" in answer.sentence
    assert "no node with what it asks for is free (Resources)" in answer.sentence


def test_a_worker_on_a_node_set_aside_is_none(machine: SmallMachine, rows: Connection) -> None:
    machine.alive("salt", roles=("worker",))
    set_aside(rows, "node-7")
    answer = why(machine)
    assert (answer.code, answer.who) == ("nodes-set-aside", Who.OPERATOR)
    assert answer.command == 'headframe resume --node node-7 --reason "..."'
    assert "node node-7 is set aside by sweeper: 5 attempts in a row" in evidence(answer)


def on_pilot(machine: SmallMachine, trigger: str, **more: str) -> None:
    by = Reporter(owner="w-1", host="n2", job="4711", pilot="hf-x")
    machine.say(5, 1, trigger, by=by, **more)


def test_what_was_interrupted_names_its_pilot_job_and_node_and_how_that_ended(
    machine: SmallMachine, rows: Connection
) -> None:
    machine.alive("salt", roles=("worker",))
    said = {"steps": "salt", "job": "4711", "node": "n2", "ended": "1 min", "status": "ended"}
    number = pilot(rows, **said, code="preempted", reason="PREEMPTED")
    on_pilot(machine, "start")
    answer = why(machine)
    assert answer.code == "pilot-over"
    assert f"pilot {number}, job 4711 on n2, was preempted (PREEMPTED); the sweeper takes the work" in answer.sentence
    on_pilot(machine, "interrupt", reason_code="preempted", reason="its pilot was preempted")
    set_aside(rows, "n2")
    said_now = evidence(why(machine))
    assert f"interrupted on n2 (preempted); pilot {number}, job 4711 on n2, was preempted (PREEMPTED)" in said_now
    assert "node n2 is set aside by sweeper" in said_now


def test_what_runs_names_its_pilot_and_when_its_walltime_is_over(machine: SmallMachine, rows: Connection) -> None:
    said = {"steps": "salt", "job": "4711", "node": "n2", "status": "running", "left": "40 min", "started": "1 min"}
    number = pilot(rows, **said)
    on_pilot(machine, "start")
    answer = why(machine)
    assert answer.code == "executing"
    assert f"job 4711 of pilot {number}" in answer.sentence
    assert f"the walltime of pilot {number} is over" in evidence(answer)


def bring(machine: SmallMachine, token: str) -> None:
    """Let a worker of salt be alive that belongs to a pilot."""
    machine.alive("salt", roles=("worker",))
    machine.sql("update process set detail = detail || jsonb_build_object('pilot', cast(:t as text))", t=token)


def test_what_waits_its_turn_says_how_many_pilots_there_are_and_that_more_are_not_allowed(
    machine: SmallMachine, rows: Connection
) -> None:
    launcher(rows)
    said = {"steps": "salt", "request": {"max": 2, "lanes": ["live", "bulk"]}}
    pilot(rows, **said, token="hf-1", status="running", job="88", node="node-7", started="5 min")
    bring(machine, "hf-1")
    machine.submit(5, 1)
    assert "1 pilot reco of launcher cori for it: 1 running" in why(machine).evidence
    pilot(rows, **said, status="pending", job="89", reason="Priority")
    line = "2 pilots reco of launcher cori for it: 1 pending, 1 running; more are not started: [pilot.reco] max is 2"
    answer = why(machine)
    assert (answer.code, line in answer.evidence) == ("submitted", True)


def test_a_pilot_of_another_lane_is_none(machine: SmallMachine, rows: Connection) -> None:
    launcher(rows)
    pilot(rows, steps="salt", status="pending", job="88", reason="Priority", request={"lanes": ["bulk"]})
    assert why(machine).code == "no-pilot"


def test_what_ran_out_of_memory_before_waits_for_a_large_pilot(machine: SmallMachine, rows: Connection) -> None:
    launcher(rows)
    pilot(rows, steps="salt", token="hf-1", status="running", job="88", node="node-7", started="5 min")
    bring(machine, "hf-1")
    assert why(machine).code == "ready"
    machine.sql("""update item set request = '{"memory": 2}'""")
    large = pilot(rows, steps="salt", status="pending", job="89", reason="Resources", large=True, submitted="1 min")
    answer = why(machine)
    assert answer.code == "pilot-pending"
    assert answer.sentence.startswith("it ran out of time or memory before, and no worker of step salt that has more")
    assert f"pilot {large}, job 89" in answer.sentence
    machine.sql("update process set detail = detail - 'pilot'")
    assert why(machine).code == "ready"
