"""The views: what they count and list, that they page by key, and that no list reads a large table whole."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from headframe.statemachine import views as v
from headframe.statemachine.database import connect
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import ExpectedFile, Trouble
from headframe.statemachine.store import runs as run_store
from headframe.statemachine.store.campaigns import ensure_pipeline
from headframe.statemachine.store.dead import bury
from headframe.statemachine.store.operating import Selection, operate
from headframe.statemachine.store.sweep import fold, forget_silent
from headframe.statemachine.why import why_file

from ..patience import quickest, within
from .servers import PostgresServer
from .small_machine import SmallMachine, pipeline
from .web_filled import cloned

RUNS, FILES = 100, 500
LARGE = {"item", "file", "history", "attempt", "replica", "product", "operation", "run_operation", "access_event"}


@pytest.fixture
def conn(machine: SmallMachine) -> Iterator[Connection]:
    with machine.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def the_run(conn: Connection, number: int) -> v.RunRow:
    (row,) = v.runs(conn, v.RunFilter(numbers=(number,))).rows
    return row


def test_a_run_counts_its_files_by_state_and_phase(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1, 2, 3, 4)
    machine.inform(5, expected=6, closed=True)
    machine.through(5, 1)
    machine.do(5, 2)
    machine.say(5, 3, "fail", reason_code="bad", reason="broken", permanent=True)
    machine.act(Trigger.HOLD, files=("run5_0004.h5",))
    row = the_run(conn, 5)
    assert row.files == {
        "cataloged": {"done": 1},
        "salted": {"ready": 1},
        "arrived": {"failed": 1, "held": 1},
    }
    assert (row.expected, row.registered, row.missing) == (6, 4, 2)
    assert (row.failed, row.held, row.cataloged) == (1, 1, 1)
    assert (row.state, row.phase, row.kind) == ("arrived", "waiting", "science")
    assert all(type(n) is int for n in (*row.states.values(), row.registered, row.missing))
    assert row.copies == {"source": {"raw": 4}, "work": {"salt": 2, "raw": 1, "reconstruct": 1}}


def test_counts_are_the_same_before_and_after_folding(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1, 2)
    machine.through(5, 1)
    before = the_run(conn, 5)
    with machine.engine.begin() as other:
        fold(other, 1000)
    assert the_run(conn, 5) == before


def test_the_whole_instance_counts_the_same_before_and_after_folding_and_keeps_no_zeros(
    machine: SmallMachine, conn: Connection
) -> None:
    machine.arrive(5, 1, 2)
    machine.arrive(6, 1)
    machine.through(5, 1)
    before = set(v.totals(conn))
    for _ in range(40):
        with machine.engine.begin() as other:
            fold(other, 3)
    assert conn.execute(text("select count(*) from count_delta")).scalar_one() == 0
    assert set(v.totals(conn)) == before
    assert conn.execute(text("select count(*) from count_total where n = 0")).scalar_one() == 0


def test_processes_silent_for_a_week_are_forgotten_but_for_the_last_of_a_role(
    machine: SmallMachine, conn: Connection
) -> None:
    machine.sql(
        "insert into process (owner, role, seen_at) select role || n, role, now() - n * interval '1 day' "
        "from generate_series(1, 20) n, (values ('worker'), ('web')) r(role) where role = 'worker' or n > 10"
    )
    with machine.engine.begin() as other:
        forget_silent(other)
    assert [p.owner for p in v.processes(conn)] == [*(f"worker{n}" for n in range(1, 7)), "web11"]


def test_workers_of_pilots_are_forgotten_a_day_after_its_end(machine: SmallMachine, conn: Connection) -> None:
    machine.sql(
        "insert into pilot (token, status, started_at, ended_at) values ('lives', 'running', now(), null), "
        "('ended', 'ended', now(), now() - interval '2 hours'), ('long', 'ended', now(), now() - interval '25 hours')"
    )
    machine.sql(
        "insert into process (owner, role, seen_at, detail) select token, 'worker', now() - interval '2 hours', "
        "jsonb_build_object('pilot', token) from unnest(array['lives', 'ended', 'long', '']) token"
    )
    with machine.engine.begin() as other:
        forget_silent(other)
    assert [p.owner for p in v.processes(conn)] == ["", "ended", "lives"]


def test_a_run_without_an_announced_number_misses_nothing_yet(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1)
    assert the_run(conn, 5).missing is None


def test_waived_files_are_not_missing(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1)
    machine.inform(5, expected=3, closed=True)
    with machine.engine.begin() as other:
        run_store.waive(other, 5, [2], "anna", "lost")
    row = the_run(conn, 5)
    assert (row.missing, row.waived) == (1, 1)


def test_runs_are_filtered_by_their_own_state_and_phase(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1)
    machine.arrive(6, 1, kind="calibration")
    machine.inform(6, expected=1, closed=True, kind="calibration")
    machine.through(6, 1)
    assert [r.number for r in v.runs(conn, v.RunFilter(phase="waiting")).rows] == [5]
    assert [r.number for r in v.runs(conn, v.RunFilter(state="cataloged", phase="ready")).rows] == [6]
    assert [r.number for r in v.runs(conn, v.RunFilter(kind="calibration")).rows] == [6]
    assert [r.number for r in v.runs(conn).rows] == [6, 5]


@pytest.mark.parametrize(
    ("expected", "first", "came", "gaps"),
    [
        (6, None, (1, 5), [(2, 4), (6, 6)]),
        (3, 0, (0, 2), [(1, 1)]),
        (None, None, (1, 4), [(2, 3)]),
        (2, None, (1, 2), []),
        (3, None, (), [(1, 3)]),
        (None, None, (), []),
    ],
)
def test_gaps_in_sequence_numbers_are_named(
    machine: SmallMachine,
    conn: Connection,
    expected: int | None,
    first: int | None,
    came: tuple[int, ...],
    gaps: list[tuple[int, int]],
) -> None:
    machine.arrive(5, *came)
    machine.inform(5, expected=expected, first_sequence=first)
    assert [(r.first, r.last) for r in v.gaps(conn, 5).ranges] == gaps


def test_announced_files_that_have_not_come_are_named(machine: SmallMachine, conn: Connection) -> None:
    machine.inform(5, files=(ExpectedFile(name="a.h5", sequence=1, size=10), ExpectedFile(name="b.h5")))
    found = v.gaps(conn, 5)
    assert [(f.name, f.sequence, f.expected_size) for f in found.files] == [("a.h5", 1, 10), ("b.h5", None, None)]


def test_a_file_is_found_by_name_by_place_in_its_run_and_by_id(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1, 2)
    by_name = v.file(conn, "run5_0002.h5")
    assert by_name is not None
    assert v.file(conn, "5/2") == by_name == v.file(conn, str(by_name.id)) == v.file(conn, by_name.id)
    assert v.file(conn, "nix") is None
    assert v.file(conn, "5/3") is None
    assert v.file(conn, "99999999999999999999/1") is None


def test_a_name_that_two_runs_have_asks_which(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1)
    machine.arrive(6, 1)
    machine.sql("update file set name = 'same.h5'")
    with pytest.raises(v.NotOneError, match="5/1, 6/1"):
        v.file(conn, "same.h5")
    found = v.file(conn, "same.h5", 6)
    assert found is not None
    assert found.run == 6


def test_a_file_shows_its_replicas_products_history_and_attempts(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1)
    machine.through(5, 1)
    found = v.file(conn, "5/1")
    assert found is not None
    assert [p.type for p in found.products] == ["salt", "reconstruct"]
    assert {(r.role, r.site) for r in found.replicas} >= {("raw", "source"), ("raw", "work"), ("salt", "work")}
    assert [h.trigger for h in found.history][:3] == ["arrive", "start", "succeed"]
    assert [a.outcome for a in found.attempts] == ["succeeded"] * 4
    assert found.items[0].attempts == 4


def test_a_run_groups_its_trouble_by_reason(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1, 2, 3)
    for sequence in (1, 2):
        machine.say(5, sequence, "fail", reason_code="bad", reason="broken", permanent=True)
    found = v.run(conn, 5)
    assert found is not None
    assert [(r.reason_code, r.n, r.phase, r.example) for r in found.reasons] == [("bad", 2, "failed", "run5_0001.h5")]
    assert found.states == ("arrived", "salted", "placed", "reconstructed", "cataloged", "summarized")
    assert found.last_file_at is not None
    assert v.run(conn, 404) is None


def test_the_catalog_gives_raw_files_and_products_with_their_places(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1, 2)
    machine.through(5, 1, 2)
    everything = v.catalog_find(conn, 5)
    assert [e.type for e in everything] == ["raw", "raw", "salt", "reconstruct", "salt", "reconstruct"]
    (found,) = v.catalog_find(conn, 5, event=250, kind="reconstruct")
    assert (found.sequence, found.event_first, found.event_last, found.software) == (2, 200, 299, "test 1.0")
    assert [place.site for place in found.locations] == ["work"]
    assert machine.resolve("work", found.locations[0].path).exists()
    assert found.blake3
    assert found.adler32
    assert found.facts == {"trees": ["events"]}
    assert {e.type for e in v.catalog_find(conn, 5, site="source")} == {"raw"}
    assert v.catalog_find(conn, 5, event=100_000) == ()
    assert v.catalog_find(conn, 404) == ()


def test_the_catalog_leaves_out_what_was_superseded(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1)
    machine.through(5, 1)
    operate(machine.engine, Trigger.RESET, Selection(runs=(5,)), actor="anna", reason="again", state="placed")
    assert "reconstruct" not in {e.type for e in v.catalog_find(conn, 5)}
    machine.through(5, 1)
    assert [e.type for e in v.catalog_find(conn, 5)].count("reconstruct") == 1


def test_status_names_what_needs_somebody(machine: SmallMachine, conn: Connection) -> None:
    machine.alive()
    assert v.status(conn).problems == ()
    machine.arrive(5, 1, 2)
    machine.alive("catalog", roles=("worker",))
    machine.say(5, 1, "fail", reason_code="bad", reason="broken", permanent=True)
    with machine.engine.begin() as other:
        bury(other, [Trouble(code="no-match", sentence="no pattern matches", subject="x")])
    found = v.status(conn)
    assert found.failed == 1
    assert found.dead_letters == 1
    assert any("no worker takes step salt" in problem.sentence for problem in found.problems)
    assert found.files == {"arrived": {"ready": 1, "failed": 1}}


def test_a_long_lane_has_what_the_short_one_leaves(
    machine: SmallMachine, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("headframe.statemachine.views.queues"), "MOST_COUNTED", 2)
    machine.arrive(5, 1, 2, 3, 4, 5)
    machine.sql("update item set lane = 'bulk' where file_id in (select id from file where sequence > 1)")
    assert {row.lane: row.ready for row in v.queues(conn) if row.step == "salt"} == {"live": 1, "bulk": 4}


def test_a_lane_without_a_conductor_is_a_problem(machine: SmallMachine, conn: Connection) -> None:
    machine.alive()
    machine.sql("""update process set detail = detail || '{"lanes": ["live"]}' where role = 'conductor'""")
    (problem,) = v.status(conn).problems
    assert problem.sentence == "no conductor of the bulk lane has been heard of lately"
    assert problem.command == "headframe conductor --lanes bulk"


def test_queues_count_by_step_and_lane(machine: SmallMachine, conn: Connection) -> None:
    machine.arrive(5, 1, 2, 3)
    machine.submit(5, 1)
    machine.say(5, 2, "start")
    machine.do(5, 3)
    rows = {row.step: row for row in v.queues(conn)}
    assert list(rows) == ["salt", "place", "reconstruct", "catalog", "summary"]
    assert (rows["salt"].ready, rows["salt"].submitted, rows["salt"].executing) == (0, 1, 1)
    assert (rows["place"].ready, rows["place"].lane) == (1, "live")


def test_what_an_operator_moved_counts_in_the_bulk_lane_and_misses_a_worker_of_it(
    machine: SmallMachine, conn: Connection
) -> None:
    machine.arrive(5, 1, 2, 3)
    machine.sql("update item set lane = 'bulk' where file_id in (select id from file where sequence > 1)")
    machine.submit(5, 3)
    machine.alive("salt")
    machine.sql("""update process set detail = detail || '{"lanes": ["live"]}'""")
    rows = {(row.step, row.lane): row for row in v.queues(conn)}
    live, bulk = rows["salt", "live"], rows["salt", "bulk"]
    assert (live.ready, live.submitted, live.workers) == (1, 0, 1)
    assert (bulk.ready, bulk.submitted, bulk.workers) == (1, 1, 0)
    said = [problem.sentence for problem in v.status(conn).problems]
    assert "no worker takes step salt in the bulk lane, and work waits for it" in said
    answer = why_file(conn, "run5_0002.h5")
    assert answer is not None and answer.code == "no-worker"
    assert "no worker of that step that takes the bulk lane" in answer.sentence


def test_dead_letters_are_listed_until_they_are_cleared(machine: SmallMachine, conn: Connection) -> None:
    with machine.engine.begin() as other:
        for n in range(3):
            bury(other, [Trouble(code="no-match", sentence=f"{n}", subject=f"s{n}", run=n)])
    machine.sql("update dead_letter set cleared_at = now() where subject = 's1'")
    assert [d.subject for d in v.dead_letters(conn).rows] == ["s2", "s0"]
    assert [d.subject for d in v.dead_letters(conn, every=True).rows] == ["s2", "s1", "s0"]
    assert [d.subject for d in v.dead_letters(conn, run=0).rows] == ["s0"]


def test_a_foreign_cursor_is_refused(machine: SmallMachine, conn: Connection) -> None:
    for cursor in ("nonsense", "WzFd", "é", "W10"):
        with pytest.raises(v.BadCursorError):
            v.files(conn, v.FileFilter(phase="ready"), v.Page(after=cursor))


# A large database: filled once, looked at by many.


@pytest.fixture(scope="module")
def large(postgres: PostgresServer, database_template: str) -> Iterator[Engine]:
    """100,000 files: most runs are done, the newest tenth is under way in every phase."""
    with cloned(postgres, database_template) as url:
        engine = connect(url, "headframe")
        with engine.begin() as conn:
            values = {"p": ensure_pipeline(conn, pipeline()), "runs": RUNS, "files": FILES}
            values["c"] = conn.execute(
                text("insert into campaign (name, pipeline_id) values ('realtime', :p) returning id"),
                {"p": values["p"]},
            ).scalar_one()
            for statement in FILL:
                conn.execute(text(statement), values)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(text("vacuum analyze"))
        yield engine
        engine.dispose()


FILL = (
    """insert into run (number, kind, known_kind, campaign_id, expected, closed_at)
    select n, case when n % 10 = 0 then 'calibration' else 'science' end, true, :c, :files, now()
    from generate_series(1, :runs) n""",
    """insert into file (run_id, sequence, name, site, path, size, registered_at)
    select run.id, s, 'run' || number || '_' || s || '.h5', 'source', number || '/' || s, 1000000, now()
    from run, generate_series(1, :files) s order by run.id, s""",
    """insert into item (campaign_id, pipeline_id, run_id, scope, kind, state, phase, trigger)
    select campaign_id, :p, id, 'run', kind, case when number <= :runs * 0.9 then 'summarized' else 'arrived' end,
      case when number <= :runs * 0.9 then 'done' else 'waiting' end, 'arrive' from run""",
    """insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, step, trigger,
      reason_code)
    select run.campaign_id, :p, run.id, f.id, 'file', run.kind, x.state, x.phase,
      case x.state when 'placed' then 'reconstruct' when 'salted' then 'place' end, 'arrive',
      case when x.phase = 'failed' then 'bad-' || f.id % 3 else '' end
    from run join file f on f.run_id = run.id, lateral (select
      case when number <= :runs * 0.9 and f.id % 1000 <> 1 then 'cataloged' when f.id % 7 = 0 then 'salted'
        else 'placed' end as state,
      case when number <= :runs * 0.9 then case when f.id % 1000 = 1 then 'failed' else 'done' end
        when f.id % 50 = 0 then 'held' when f.id % 50 = 2 then 'executing' when f.id % 50 < 6 then 'submitted'
        else 'ready' end as phase) x order by f.id""",
    """insert into attempt (item_id, epoch, step, ended_at, outcome)
    select id, 1, 'salt', now() + id * interval '1 ms', 'succeeded' from item where scope = 'file'""",
    """insert into replica (run_id, file_id, role, site, path, status, size)
    select run_id, id, 'raw', site, path, 'present', size from file""",
    """insert into product (run_id, file_id, campaign_id, item_id, epoch, step, name, type, event_first, event_last)
    select run_id, file_id, campaign_id, id, 1, 'reconstruct', 'f' || id, 'reconstruct', 1, 100 from item
    where scope = 'file' and phase = 'done'""",
    """insert into operation (at, actor, action, selection, reason, finished_at)
    select now() - n * interval '1 min', 'op' || n % 200, 'hold',
      jsonb_build_object('runs', jsonb_build_array(n % :runs)), 'x', now() from generate_series(1, :files * 100) n""",
    """insert into run_operation (at, run_id, actor, operation)
    select now() - id * interval '1 min', id, 'op' || id % 20, 'close' from run, generate_series(1, :files / 2)""",
    """insert into access_event (at, actor, action, subject)
    select now() - n * interval '1 min', 'op' || n % 200,
      case when n % 9 = 0 then 'roles-changed' else 'signed-in' end, 'x'
    from generate_series(1, :files * 100) n""",
    """insert into process (owner, role, host, detail)
    select 'w-' || n, 'worker', 'node-' || n % 40, '{}' from generate_series(1, 2000) n""",
)
F, R, A = v.FileFilter, v.RunFilter, v.AttemptFilter
Paged = Callable[[Connection, v.Page], Any]
LISTS: dict[str, Paged] = {
    "runs": lambda c, p: v.runs(c, R(), p),
    "runs that wait": lambda c, p: v.runs(c, R(phase="waiting"), p),
    "runs of a type": lambda c, p: v.runs(c, R(kind="calibration"), p),
    "files": lambda c, p: v.files(c, F(), p),
    "files of a run": lambda c, p: v.files(c, F(run=RUNS), p),
    "failed files": lambda c, p: v.files(c, F(phase="failed"), p),
    "held files": lambda c, p: v.files(c, F(phase="held"), p),
    "ready files": lambda c, p: v.files(c, F(phase="ready"), p),
    "submitted files": lambda c, p: v.files(c, F(phase="submitted"), p),
    "executing files": lambda c, p: v.files(c, F(phase="executing"), p),
    "files in a state": lambda c, p: v.files(c, F(state="salted"), p),
    "files in no state": lambda c, p: v.files(c, F(state="arrived"), p),
    "done files": lambda c, p: v.files(c, F(phase="done"), p),
    "files in the last state": lambda c, p: v.files(c, F(state="cataloged"), p),
    "files of a type": lambda c, p: v.files(c, F(kind="calibration"), p),
    "files of a campaign": lambda c, p: v.files(c, F(campaign="realtime"), p),
    "files at a step": lambda c, p: v.files(c, F(step="place"), p),
    "files with a reason": lambda c, p: v.files(c, F(reason_code="bad-1"), p),
    "failed files of a run": lambda c, p: v.files(c, F(run=3, phase="failed"), p),
    "files of a name": lambda c, p: v.files(c, F(name="run7_9.h5"), p),
    "campaigns": v.campaigns,
    "attempts": lambda c, p: v.attempts(c, A(), p),
    "attempts of a run": lambda c, p: v.attempts(c, A(run=RUNS), p),
    "attempts that run": lambda c, p: v.attempts(c, A(running=True), p),
    "dead letters": v.dead_letters,
    "what was done": lambda c, p: v.audit(c, v.AuditFilter(access=True), p),
    "what somebody did": lambda c, p: v.audit(c, v.AuditFilter(actor="op7", access=True), p),
    "what was done to a run": lambda c, p: v.audit(c, v.AuditFilter(run=RUNS), p),
    "workers": lambda c, p: v.workers(c, v.WorkerFilter(every=True), p),
}
LOOKS: dict[str, Callable[[Connection], Any]] = {
    "status": v.status,
    "queues": v.queues,
    "sites": v.sites,
    "processes": v.processes,
    "flow": v.flow,
    "depths": v.depths,
    "roles": v.roles,
    "codes of dead letters": v.dead_letter_codes,
    "attempts of a worker": lambda c: v.attempts_by(c, "node-1", "w-1"),
    "one run": lambda c: v.run(c, RUNS),
    "one file": lambda c: v.file(c, f"{RUNS}/7"),
    "gaps": lambda c: v.gaps(c, RUNS),
    "catalog": lambda c: v.catalog_find(c, RUNS, event=3),
}
ALL = {**{name: lambda c, ask=ask: ask(c, v.Page()) for name, ask in LISTS.items()}, **LOOKS}


@pytest.mark.parametrize("name", ALL)
def test_no_look_reads_a_large_table_whole(large: Engine, name: str) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, ___: Any, ____: Any) -> None:
        asked.append((statement, parameters))

    with large.connect() as conn:
        event.listen(conn, "before_cursor_execute", note)
        ALL[name](conn)
        event.remove(conn, "before_cursor_execute", note)
        for statement, parameters in asked:
            plan = conn.exec_driver_sql(f"explain (analyze, format json) {statement}", parameters).scalar_one()
            for node in nodes(plan[0]["Plan"]):
                if node.get("Relation Name") in LARGE:
                    assert node["Node Type"] != "Seq Scan", statement
                    assert looked_at(node) < RUNS * FILES / 5, statement


def looked_at(node: dict[str, Any]) -> int:
    """Give how many rows a scan has met, those that it threw away too."""
    return int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


@within(0.1)
@pytest.mark.parametrize("name", ALL)
def test_every_look_is_quick(large: Engine, name: str, limit_s: float) -> None:
    with large.connect() as conn:
        ALL[name](conn)
        assert quickest(lambda: ALL[name](conn), limit_s) < limit_s


@pytest.mark.parametrize("name", LISTS)
def test_pages_join_without_a_gap_or_a_double(large: Engine, name: str) -> None:
    with large.connect() as conn:
        whole = LISTS[name](conn, v.Page(limit=120))
        first = LISTS[name](conn, v.Page(limit=50))
        second = LISTS[name](conn, v.Page(limit=70, after=first.next)) if first.next else v.Listed((), "")
    assert first.rows + second.rows == whole.rows
    assert second.next == (whole.next if first.next else "")


def test_the_last_page_has_no_cursor(large: Engine) -> None:
    with large.connect() as conn:
        assert v.files(conn, F(run=RUNS), v.Page(limit=FILES)).next == ""
        assert len(v.files(conn, F(run=RUNS), v.Page(limit=FILES)).rows) == FILES


def test_views_change_nothing(large: Engine) -> None:
    with large.connect() as conn:
        conn.execute(text("set transaction read only"))
        for look in ALL.values():
            look(conn)
