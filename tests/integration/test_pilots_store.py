"""Pilots in the store: written down once, seen forward only, told by operators; what their end does to their work."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from headframe.statemachine import views
from headframe.statemachine.piloting import LivePilot, Orders, PilotSeen, PilotWish, Round
from headframe.statemachine.store import pilots, sweep
from headframe.statemachine.store.core import lock_items
from headframe.statemachine.store.errors import NotFoundError, RefusedError

from .small_machine import WORKER, SmallMachine

TOKEN = "hf-test-0001"
THEN = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Cluster:
    """A launcher called `here`, as the store sees it."""

    def __init__(self, machine: SmallMachine) -> None:
        self.machine = machine

    def intend(self, *tokens: str, launcher: str = "here", **wish: Any) -> int:
        wishes = [PilotWish(**{"token": token, "name": "reco", "steps": ("salt",), **wish}) for token in tokens]
        with self.machine.engine.begin() as conn:
            return pilots.intend(conn, launcher, wishes)

    def see(self, *seen: PilotSeen, launcher: str = "here", **said: Any) -> Orders:
        with self.machine.engine.begin() as conn:
            return pilots.see(conn, launcher, Round(**{"host": "login1", "owner": "l-1", "seen": seen, **said}))

    def say(self, status: str, token: str = TOKEN, **said: Any) -> views.PilotRow:
        self.see(PilotSeen(token=token, status=status, **said))  # type: ignore[arg-type]
        return self.row(token)

    def tell(self, word: str, token: str = TOKEN, reason: str = "because") -> pilots.PilotTold:
        with self.machine.engine.begin() as conn:
            return pilots.tell(conn, self.row(token).id, word, "ada", reason)

    def row(self, token: str = TOKEN) -> views.PilotRow:
        with self.machine.engine.connect() as conn:
            return next(row for row in views.pilots(conn).rows if row.token == token)

    def worker(self, token: str = TOKEN, owner: str = WORKER.owner, began: str = "0 s") -> None:
        self.machine.sql(
            "insert into process (owner, role, host, started_at, detail) values (:owner, 'worker', 'n2', "
            "clock_timestamp() - cast(:began as interval), jsonb_build_object('pilot', cast(:token as text)))",
            owner=owner,
            began=began,
            token=token,
        )

    def executing(self, run: int, sequence: int) -> None:
        """Let a file be executed by `WORKER`."""
        self.machine.arrive(run, sequence)
        self.machine.say(run, sequence, "start")

    def leased(self, run: int, sequence: int) -> bool:
        found = self.machine.item(run, sequence)
        now = self.machine.sql_value("select clock_timestamp()")
        return bool(found.lease_until > now)

    def lose(self) -> None:
        """Let all reports have been applied, and the sweeper take back what was lost."""
        self.machine.sql(
            "insert into watermark (lane, applied_at) values ('live', clock_timestamp()) "
            "on conflict (lane) do update set applied_at = clock_timestamp()"
        )
        with self.machine.engine.begin() as conn:
            sweep.expire(conn, 0, 100)


@pytest.fixture
def cluster(machine: SmallMachine) -> Iterator[Cluster]:
    return Cluster(machine)


def live(orders: Orders) -> dict[str, LivePilot]:
    return {pilot.token: pilot for pilot in orders.pilots}


def test_a_pilot_is_written_down_once_however_often_it_is_said(cluster: Cluster) -> None:
    assert cluster.intend(TOKEN, "hf-test-0002", request={"walltime": "2:00:00"}, steps=("salt", "place")) == 2
    assert cluster.intend(TOKEN, "hf-test-0003") == 1
    found = cluster.row()
    assert (found.status, found.steps, found.request) == ("intended", "salt, place", {"walltime": "2:00:00"})


def test_a_token_of_another_pilot_is_refused_and_nothing_is_written(cluster: Cluster) -> None:
    cluster.intend(TOKEN)
    with pytest.raises(RefusedError, match="the token hf-test-0001 stands for pilot reco of launcher here"):
        cluster.intend("hf-test-0009", TOKEN, launcher="there")
    with pytest.raises(RefusedError, match="a token is used once"):
        cluster.intend(TOKEN, name="salting")
    with cluster.machine.engine.connect() as conn:
        assert [row.token for row in views.pilots(conn).rows] == [TOKEN]


def test_a_pilot_goes_forward_only(cluster: Cluster) -> None:
    cluster.intend(TOKEN)
    pending = cluster.say("pending", job="4711", state="PENDING", reason="Resources")
    assert (pending.status, pending.job, pending.reason) == ("pending", "4711", "Resources")
    assert pending.submitted_at is not None
    running = cluster.say("running", node="n2", state="RUNNING", started_at=THEN, ends_at=THEN + timedelta(hours=2))
    assert (running.status, running.job, running.node, running.started_at) == ("running", "4711", "n2", THEN)
    assert running.reason == ""
    late = cluster.say("pending", state="PENDING", reason="Priority")
    assert (late.status, late.state, late.reason) == ("running", "RUNNING", "")
    ended = cluster.say("ended", code="walltime", state="TIMEOUT", reason="time limit", ended_at=THEN)
    assert (ended.status, ended.code, ended.ended_at) == ("ended", "walltime", THEN)
    for status in ("pending", "running", "refused", "ended"):
        again = cluster.say(status, state="X", reason="Y", code="failed", restarts=7)
        assert (again.status, again.code, again.reason, again.state) == ("ended", "walltime", "time limit", "TIMEOUT")
        assert (again.ended_at, again.restarts) == (THEN, 0)


def test_a_refused_pilot_is_over_with_the_words_of_the_batch_system(cluster: Cluster) -> None:
    cluster.intend(TOKEN)
    refused = cluster.say("refused", code="refused", reason="invalid partition specified: nowhere")
    assert (refused.status, refused.reason) == ("refused", "invalid partition specified: nowhere")
    assert refused.ended_at is not None
    assert cluster.say("running", job="1").status == "refused"


def test_accounting_may_come_after_the_end(cluster: Cluster) -> None:
    cluster.intend(TOKEN)
    cluster.say("ended", code="done", usage={"wall_s": 12.5})
    late = cluster.say("ended", code="failed", job="4711", log="/logs/1.out", usage={"cpu_s": 11.0})
    assert (late.usage, late.code, late.job, late.log) == (
        {"wall_s": 12.5, "cpu_s": 11.0}, "done", "4711", "/logs/1.out",
    )  # fmt: skip


def test_a_round_that_names_a_pilot_twice_takes_one_after_the_other(cluster: Cluster) -> None:
    cluster.intend(TOKEN)
    cluster.see(
        PilotSeen(token=TOKEN, status="pending", job="4711"),
        PilotSeen(token=TOKEN, status="running", node="n2"),
        PilotSeen(token=TOKEN, status="ended", code="done"),
    )
    found = cluster.row()
    assert (found.status, found.job, found.node, found.code) == ("ended", "4711", "n2", "done")


def test_pilots_of_others_and_unknown_ones_are_left_alone(cluster: Cluster) -> None:
    cluster.intend(TOKEN, launcher="there")
    orders = cluster.see(
        PilotSeen(token=TOKEN, status="ended", code="done"), PilotSeen(token="hf-other-1", status="running")
    )
    assert orders.pilots == ()
    assert cluster.row().status == "intended"


def test_a_launcher_that_comes_seldom_keeps_others_of_its_name_away_for_three_intervals(cluster: Cluster) -> None:
    cluster.see(interval_s=300, wanted={"reco": 2})
    cluster.machine.sql("update process set seen_at = clock_timestamp() - interval '14 min' where role = 'launcher'")
    with pytest.raises(RefusedError, match=r"heard of 840 s ago.*this one goes on in \d+ s"):
        cluster.see(owner="l-2")
    cluster.machine.sql("update process set seen_at = clock_timestamp() - interval '16 min' where role = 'launcher'")
    cluster.see(owner="l-2")


def test_a_launcher_is_given_its_pilots_and_those_that_ended_lately(cluster: Cluster) -> None:
    tokens = [f"hf-test-{n}" for n in range(4)]
    cluster.intend(*tokens)
    cluster.intend("hf-there-1", launcher="there")
    now = datetime.now(UTC)
    orders = cluster.see(
        PilotSeen(token=tokens[1], status="running", job="2", node="n2"),
        PilotSeen(token=tokens[2], status="ended", code="done", ended_at=now - timedelta(minutes=1)),
        PilotSeen(token=tokens[3], status="ended", code="done", ended_at=now - timedelta(hours=3)),
    )
    assert {token: pilot.status for token, pilot in live(orders).items()} == {
        tokens[0]: "intended", tokens[1]: "running", tokens[2]: "ended",
    }  # fmt: skip


def test_a_launcher_is_given_the_last_few_of_each_name_that_it_keeps_however_long_ago_they_ended(
    cluster: Cluster,
) -> None:
    tokens = [f"hf-test-{n:02}" for n in range(pilots.LAST + 3)]
    for token in tokens:
        cluster.intend(token)
    cluster.intend("hf-other-1", name="salt")
    long_ago = datetime.now(UTC) - timedelta(days=3)
    ends = [PilotSeen(token=token, status="refused", reason="no", ended_at=long_ago) for token in tokens[:-1]]
    withdrawn = PilotSeen(token=tokens[-1], status="ended", code="withdrawn", ended_at=long_ago)
    other = PilotSeen(token="hf-other-1", status="refused", ended_at=long_ago)
    orders = cluster.see(*ends, withdrawn, other, names=("reco",))
    assert sorted(live(orders)) == tokens[2:-1]
    assert len(live(orders)) == pilots.LAST


def test_the_end_of_a_pilot_ends_the_leases_of_its_workers_alone(cluster: Cluster) -> None:
    cluster.intend(TOKEN, "hf-test-0002")
    cluster.worker()
    cluster.executing(1, 1)
    version = cluster.machine.item(1, 1).version
    cluster.say("running", "hf-test-0002")
    cluster.say("ended", "hf-test-0002", code="done")
    assert cluster.leased(1, 1)
    cluster.say("ended", code="preempted")
    assert not cluster.leased(1, 1)
    found = cluster.machine.item(1, 1)
    assert (found.phase, found.version) == ("executing", version)


def test_a_lease_renewed_by_what_was_on_its_way_when_the_pilot_ended_ends_too(cluster: Cluster) -> None:
    cluster.intend(TOKEN)
    cluster.worker()
    cluster.machine.arrive(1, 1)
    cluster.say("ended", code="node-failed")
    cluster.machine.say(1, 1, "start")
    assert cluster.leased(1, 1)
    with cluster.machine.engine.begin() as conn:
        assert pilots.end_leases(conn) == 1
    assert not cluster.leased(1, 1)


def test_a_requeued_pilot_begins_anew_and_loses_the_workers_of_its_earlier_start(cluster: Cluster) -> None:
    cluster.intend(TOKEN)
    cluster.worker(began="1 hour")
    cluster.executing(1, 1)
    cluster.say("running", job="4711", node="n1", started_at=THEN)
    again = cluster.say("pending", restarts=1, state="PENDING", reason="BeginTime")
    assert (again.status, again.restarts, again.node, again.started_at) == ("pending", 1, "", None)
    assert not cluster.leased(1, 1)
    assert cluster.say("running", restarts=1, node="n3").status == "running"


def test_workers_of_a_requeued_pilots_present_start_keep_their_leases(cluster: Cluster) -> None:
    cluster.intend(TOKEN)
    cluster.say("running", job="4711", node="n1", started_at=THEN)
    cluster.worker(began="10 s")
    cluster.executing(1, 1)
    now = cluster.machine.sql_value("select clock_timestamp()")
    cluster.say("running", restarts=1, node="n3", started_at=now - timedelta(seconds=20))
    assert cluster.leased(1, 1)


@pytest.mark.parametrize("ahead_s", [15, 3600], ids=["a little", "an hour"])
def test_a_batch_system_whose_clock_is_ahead_ends_no_lease_of_a_requeued_pilots_present_start(
    cluster: Cluster, ahead_s: float
) -> None:
    cluster.intend(TOKEN)
    cluster.say("running", job="4711", node="n1", started_at=THEN)
    cluster.worker(began="10 s")
    cluster.executing(1, 1)
    now = cluster.machine.sql_value("select clock_timestamp()")
    cluster.say("running", restarts=1, node="n3", started_at=now + timedelta(seconds=ahead_s))
    assert cluster.leased(1, 1)


@pytest.mark.parametrize(
    ("code", "interrupt", "said"),
    [
        ("preempted", "preempted", "was preempted: by job 99"),
        ("cancelled", "pilot-ended", "was cancelled: by job 99"),
        ("walltime", "walltime", "reached the end of its walltime: by job 99"),
        ("memory", "memory", "ran out of memory: by job 99"),
        ("node-failed", "node-failed", "lost its node: by job 99"),
        ("failed", "lost-lease", "failed: by job 99"),
        ("odd", "lost-lease", "ended: by job 99"),
    ],
)
def test_work_that_was_lost_with_a_pilot_says_how_that_ended(
    cluster: Cluster, code: str, interrupt: str, said: str
) -> None:
    cluster.intend(TOKEN)
    cluster.worker()
    cluster.executing(1, 1)
    cluster.say("running", job="4711", node="n2")
    cluster.lose()
    assert cluster.machine.item(1, 1).phase == "executing"
    cluster.say("ended", code=code, reason="by job 99")
    cluster.lose()
    found = cluster.machine.item(1, 1)
    assert (found.phase, found.reason_code) == ("ready", interrupt)
    assert found.reason == f"its pilot {cluster.row().id} (job 4711 on node-7) {said}"
    assert (found.nodes == []) == (interrupt not in ("node-failed", "lost-lease"))
    assert ("walltime" in found.request, "memory" in found.request) == (code == "walltime", code == "memory")
    with cluster.machine.engine.connect() as conn:
        (attempt,) = views.attempts(conn).rows
    assert (attempt.outcome, attempt.reason_code, attempt.reason) == ("interrupted", interrupt, found.reason)


@pytest.mark.parametrize(
    ("code", "word", "interrupt", "said"),
    [
        ("", "running", "lost-lease", "was requeued by the batch system, and had not said that it ends"),
        ("", "left", "pilot-ended", "was requeued by the batch system"),
        ("", "draining", "pilot-ended", "was requeued by the batch system"),
        ("preempted", "running", "preempted", "was preempted, and was requeued"),
        ("node-failed", "running", "node-failed", "lost its node, and was requeued"),
    ],
)
def test_work_of_a_requeued_pilots_earlier_start_says_so(
    cluster: Cluster, code: str, word: str, interrupt: str, said: str
) -> None:
    cluster.intend(TOKEN)
    cluster.worker(began="1 hour")
    cluster.executing(1, 1)
    cluster.say("running", job="4711", node="n1")
    cluster.machine.sql("update pilot set detail = jsonb_build_object('what', cast(:word as text))", word=word)
    cluster.say("pending", restarts=1, code=code)
    cluster.lose()
    found = cluster.machine.item(1, 1)
    assert (found.phase, found.reason_code) == ("ready", interrupt)
    assert (found.nodes == []) == (interrupt in ("pilot-ended", "preempted"))
    assert found.reason.endswith(f"(job 4711 on node-7) {said}")


def test_a_worker_that_is_silent_while_its_pilot_lives_is_named_with_it(cluster: Cluster) -> None:
    cluster.intend(TOKEN)
    cluster.worker()
    cluster.executing(1, 1)
    cluster.say("running", job="4711")
    cluster.machine.sql("update item set lease_until = clock_timestamp() - interval '1 s' where phase = 'executing'")
    cluster.lose()
    found = cluster.machine.item(1, 1)
    who = f"worker w-1 on node-7, of pilot {cluster.row().id},"
    assert (found.reason_code, found.reason) == ("lost-lease", f"{who} was not heard of for a whole lease")


def test_a_launcher_that_takes_the_id_of_a_worker_changes_nothing_of_it(cluster: Cluster) -> None:
    cluster.worker()
    cluster.see(owner=WORKER.owner)
    found = cluster.machine.sql_value(
        "select role || ' ' || (detail ->> 'pilot') from process where owner = :o", o=WORKER.owner
    )
    assert found == f"worker {TOKEN}"


def test_a_launcher_that_is_replaced_by_one_of_another_version_is_known_by_that(cluster: Cluster) -> None:
    """It keeps its id on its host; an upgrade that takes something away asks for the versions that are at work."""
    for version in ("0.1.0", "0.2.0"):
        cluster.see(version=version)
        assert cluster.machine.sql_value("select version from process where role = 'launcher'") == version


def test_two_launchers_of_one_name_are_told_apart(cluster: Cluster) -> None:
    cluster.see(trouble={"reco": "invalid partition"}, cluster="perlmutter")
    with pytest.raises(RefusedError, match=r"launcher here runs on login1 \(heard of \d s ago\)"):
        cluster.see(host="login2", owner="l-2")
    cluster.see(host="login2", owner="l-2", launcher="there")
    cluster.machine.sql("update process set seen_at = now() - interval '61 s' where owner = 'l-1'")
    cluster.see(host="login2", owner="l-2")
    with cluster.machine.engine.connect() as conn:
        first = next(each for each in views.processes(conn, role="launcher") if each.owner == "l-1")
    assert first.host == "login1"
    assert first.detail == {
        "launcher": "here", "back_end": "", "cluster": "perlmutter", "names": [],
        "trouble": {"reco": "invalid partition"}, "interval_s": 0, "wanted": {},
    }  # fmt: skip


def test_of_two_launchers_that_begin_at_once_one_goes_on(cluster: Cluster) -> None:
    def begin(n: int) -> str:
        try:
            cluster.see(host=f"login{n}", owner=f"l-{n}")
        except RefusedError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(begin, range(4)))
    assert said.count("") == 1
    assert all("end one of the two" in each for each in said if each)


def test_what_ends_while_its_report_is_applied_stops_nobody_and_is_found_by_the_next_look(cluster: Cluster) -> None:
    cluster.intend(TOKEN)
    cluster.worker()
    cluster.executing(1, 1)
    with cluster.machine.engine.begin() as conductor:
        lock_items(conductor, [cluster.machine.item(1, 1).id])
        cluster.say("ended", code="preempted")
    assert cluster.leased(1, 1)
    with cluster.machine.engine.begin() as sweeper:
        assert pilots.end_leases(sweeper) == 1
    assert not cluster.leased(1, 1)


def test_an_operators_word_stays_until_the_pilot_is_over_and_is_written_down(cluster: Cluster) -> None:
    cluster.intend(TOKEN)
    assert cluster.tell("drain").sentence.endswith("is to be drained: launcher here does it in its next round")
    assert not cluster.tell("drain").new
    assert live(cluster.see())[TOKEN].told == "drain"
    assert cluster.tell("cancel", reason="the reservation is wanted").new
    with pytest.raises(RefusedError, match="is to be cancelled: ada said so"):
        cluster.tell("drain")
    cluster.say("ended", code="cancelled", reason="scancel")
    with pytest.raises(RefusedError, match=r"pilot \d+ is ended already: scancel"):
        cluster.tell("cancel")
    with cluster.machine.engine.connect() as conn:
        rows = conn.execute(text("select actor, action, reason, selection ->> 'name' from operation order by id")).all()
    assert [tuple(row) for row in rows] == [
        ("ada", "pilot-drain", "because", "reco"),
        ("ada", "pilot-cancel", "the reservation is wanted", "reco"),
    ]


def test_nothing_is_told_to_a_pilot_that_is_not_there_or_without_a_reason(cluster: Cluster) -> None:
    with cluster.machine.engine.begin() as conn, pytest.raises(NotFoundError, match="there is no pilot 17"):
        pilots.tell(conn, 17, "drain", "ada", "because")
    cluster.intend(TOKEN)
    with pytest.raises(RefusedError, match="needs a reason"):
        cluster.tell("drain", reason=" ")


def test_nodes_that_are_set_aside_are_named_with_the_reason(cluster: Cluster) -> None:
    cluster.machine.sql("insert into pause (what, name, actor, reason) values ('node', 'n3', 'sweeper', 'bad disk')")
    assert cluster.see().set_aside == {"n3": "bad disk"}
