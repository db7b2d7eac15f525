"""What attempts used: kept in sums with the measures, asked of a run, a campaign, all steps, and pilots."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from headframe.statemachine import views
from headframe.statemachine.database import connect
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import Usage
from headframe.statemachine.store import measure
from headframe.web.app import create_app
from headframe.web.pages import run as run_page
from headframe.web.settings import Settings

from .servers import PostgresServer
from .small_machine import SmallMachine
from .test_measure_plans import whole_tables
from .web_filled import Template, cloned

FIRST = Usage(wall_s=100, cpu_s=80, memory_peak=3_000_000, queue_s=10)
SECOND = Usage(wall_s=50, cpu_s=10, memory_peak=9_000_000, queue_s=30)


def salted(machine: SmallMachine, sequence: int, usage: Usage | None) -> None:
    found = machine.item(5, sequence)
    machine.say(5, sequence, "succeed", usage=usage, **machine._made(5, sequence, found))


def read(machine: SmallMachine, ask: Callable[[Connection], Any]) -> Any:
    with machine.engine.connect() as conn:
        return ask(conn)


def measured(machine: SmallMachine) -> None:
    with machine.engine.begin() as conn:
        measure.take(conn, 1000)


def campaign(machine: SmallMachine) -> str:
    return str(machine.sql_value("select min(name) from campaign"))


def of_run(machine: SmallMachine) -> views.StepsUsage:
    found: views.StepsUsage = read(machine, lambda conn: views.usage_of_run(conn, 5))
    return found


def of_campaign(machine: SmallMachine) -> views.StepsUsage:
    name = campaign(machine)
    found: views.StepsUsage = read(machine, lambda conn: views.usage_of_campaign(conn, name))
    return found


@pytest.fixture
def worked(machine: SmallMachine) -> SmallMachine:
    """Three files: two salted, one of which had failed before; the third was salted by a worker of before."""
    machine.arrive(5, 1, 2, 3)
    salted(machine, 1, FIRST)
    machine.say(5, 2, "fail", reason="no peaks", usage=SECOND)
    machine.sql("update item set not_before = null")
    salted(machine, 2, FIRST)
    salted(machine, 3, None)
    machine.sql("update attempt set usage = '{}', started_at = ended_at - interval '7 s' where usage = '{}'")
    measured(machine)
    return machine


def test_a_run_says_by_step_what_it_used_and_what_of_it_was_lost(worked: SmallMachine) -> None:
    (salt,) = of_run(worked).steps
    assert (salt.step, salt.attempts, salt.succeeded, salt.failed) == ("salt", 4, 3, 1)
    assert (salt.wall_s, salt.lost_s, salt.metered_s, salt.cpu_s) == (257, 50, 250, 170)
    assert (salt.memory_peak, salt.efficiency) == (9_000_000, pytest.approx(170 / 250))
    assert (salt.queue_s, salt.queue_p95_s) == (pytest.approx(50 / 3), pytest.approx(28))


def test_the_sums_of_a_campaign_and_of_all_say_what_its_attempts_say(worked: SmallMachine) -> None:
    of_attempts = of_run(worked)
    for found in (of_campaign(worked), read(worked, views.usage_of_steps)):
        for kept, one in zip((*found.steps, found.total), (*of_attempts.steps, of_attempts.total), strict=True):
            for name in views.StepUsage.__struct_fields__:
                expected = None if name == "queue_p95_s" else getattr(one, name)
                assert getattr(kept, name) == (pytest.approx(expected) if isinstance(expected, float) else expected)


def test_sums_are_the_same_when_minutes_have_become_hours_and_days(worked: SmallMachine) -> None:
    before = of_campaign(worked)
    for age in ("3 days", "100 days"):
        salted_at = worked.sql_value("select count(*) from measure_rate")
        assert salted_at
        worked.sql("update measure_rate set at = at - cast(:age as interval)", age=age)
        with worked.engine.begin() as conn:
            while measure.coarsen(conn, 2):
                pass
        assert of_campaign(worked) == before
    assert worked.sql_value("select min(span) from measure_rate") == 24 * 60


def test_what_was_measured_before_cpu_time_was_kept_does_not_count_as_idle(worked: SmallMachine) -> None:
    worked.sql(
        "insert into measure_rate (span, at, campaign_id, step, lane, done, busy_s) "
        "select 1440, '2020-01-01 00:00Z', min(id), 'salt', 'live', 10, 1e6 from campaign"
    )
    (salt,) = of_campaign(worked).steps
    assert (salt.attempts, salt.wall_s) == (14, 1_000_257)
    assert (salt.efficiency, salt.queue_s) == (pytest.approx(170 / 250), pytest.approx(50 / 3))


def test_efficiency_is_by_the_processors_that_the_step_asks_for(worked: SmallMachine) -> None:
    worked.sql("update pipeline set definition = jsonb_set(definition, '{steps,0,cpus}', '4')")
    for found in (of_run(worked), of_campaign(worked)):
        assert found.steps[0].efficiency == pytest.approx(170 / 1000)


def test_only_what_ended_lately_is_in_the_usage_since_a_time(worked: SmallMachine) -> None:
    worked.sql("update measure_rate set at = at - interval '5 hours'")
    now = datetime.now(UTC)
    late = read(worked, lambda conn: views.usage_of_steps(conn, now - timedelta(hours=4)))
    assert (late.steps, late.total.attempts) == ((), 0)
    early = read(worked, lambda conn: views.usage_of_steps(conn, now - timedelta(hours=6)))
    assert early.total.attempts == 4


def test_time_of_a_killed_worker_and_of_what_an_operator_took_back_is_lost(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2)
    for sequence in (1, 2):
        machine.say(5, sequence, "start", usage=Usage(queue_s=4))
    machine.sql("update attempt set started_at = clock_timestamp() - interval '60 s'")
    machine.say(5, 1, "interrupt", reason_code="lost-lease", reason="its worker died")
    machine.act(Trigger.HOLD, runs=(5,), phase="executing")
    total = of_run(machine).total
    assert (total.attempts, total.interrupted, total.succeeded) == (2, 1, 0)
    assert 120 <= total.lost_s == total.wall_s < 180
    assert (total.metered_s, total.efficiency, total.queue_s) == (0, None, 4)


def test_a_number_that_no_worker_can_mean_does_not_keep_others_from_being_measured(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    salted(machine, 1, Usage(wall_s=1e300, cpu_s=-5, memory_peak=10**18 * 7, queue_s=1e300))
    measured(machine)
    assert machine.sql_value("select count(*) from measure_due") == 0
    (salt,) = of_campaign(machine).steps
    assert (salt.wall_s, salt.cpu_s, salt.memory_peak, salt.queue_s) == (1e9, 0, 10**18, 1e9)


def test_a_run_of_which_nothing_ended_has_used_nothing(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    found = of_run(machine)
    assert (found.steps, found.total.attempts, found.total.efficiency) == ((), 0, None)
    assert read(machine, lambda conn: views.usage_of_run(conn, 99)) is None
    assert read(machine, lambda conn: views.usage_of_campaign(conn, "nix")) is None


PILOTS = """
insert into pilot (token, name, status, created_at, submitted_at, started_at, ended_at, usage) values
  ('a', 'reco', 'ended', now() - interval '3 h', now() - interval '3 h', now() - interval '2 h', now(),
    '{"elapsed_s": 7200, "cpu_s": 21600, "cpus": 4, "memory_peak": 5000000000, "queue_s": 3600}'),
  ('b', 'reco', 'ended', now() - interval '3 h', now() - interval '150 m', now() - interval '2 h',
    now() - interval '1 h', '{}'),
  ('c', 'reco', 'refused', now(), null, null, now(), '{"elapsed_s": 0, "cpus": 0, "queue_s": 0}'),
  ('d', 'reco', 'pending', now(), now(), null, null, '{}'),
  ('e', 'salt', 'running', now() - interval '1 h', now() - interval '1 h', now() - interval '1 h', null, '{}'),
  ('f', 'reco', 'ended', now() - interval '9 d', now() - interval '9 d', now() - interval '8 d', now(), '{}')
"""


def test_pilots_say_by_name_how_long_they_had_nodes_and_how_long_they_waited(machine: SmallMachine) -> None:
    machine.sql(PILOTS)
    since = datetime.now(UTC) - timedelta(days=1)
    reco, salt = read(machine, lambda conn: views.usage_of_pilots(conn, since))
    assert (reco.name, reco.pilots, reco.live, reco.refused) == ("reco", 4, 1, 1)
    assert (reco.node_hours, reco.cpu_hours) == (pytest.approx(3), 6)
    assert (reco.cpu_efficiency, reco.memory_peak) == (0.75, 5_000_000_000)
    assert (reco.queue_s, reco.queue_most_s) == (pytest.approx(2700), 3600)
    assert (salt.node_hours, salt.cpu_efficiency, salt.queue_s) == (pytest.approx(1, abs=0.01), None, 0)


MANY = (
    "insert into measure_rate (span, at, campaign_id, step, lane, done) select s, date_bin('1 minute', "
    "timestamptz '2026-11-01' - n * s * interval '1 minute', 'epoch'), 1000 + n % 50, 'salt', 'live', 3 "
    "from generate_series(1, 20000) n, unnest(array[1, 60, 1440]) s",
    "insert into pilot (token, name, status, created_at) select 'p' || n, 'p' || n % 7, 'ended', "
    "timestamptz '2026-11-01' - n * interval '1 minute' from generate_series(1, 20000) n",
)
THEN = datetime(2026, 10, 31, 23, tzinfo=UTC)
ASKS: dict[str, Callable[[Connection], Any]] = {
    "run": lambda conn: views.usage_of_run(conn, 1203),
    "campaign": lambda conn: views.usage_of_campaign(conn, "realtime"),
    "lately": lambda conn: views.usage_of_steps(conn, THEN),
    "pilots": lambda conn: views.usage_of_pilots(conn, THEN),
}


@pytest.fixture(scope="module")
def full(postgres: PostgresServer, filled_template: Template, instance: str) -> Iterator[Engine]:
    with cloned(postgres, filled_template.name) as url:
        engine = connect(url, instance)
        with engine.begin() as conn:
            for statement in MANY:
                conn.execute(text(statement))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(text("update campaign set name = 'realtime'"))
            conn.execute(text("vacuum analyze"))
        yield engine
        engine.dispose()


@pytest.mark.parametrize("what", ASKS)
def test_what_was_used_is_found_by_index(full: Engine, what: str) -> None:
    with full.connect() as conn:
        asked: list[tuple[str, Any]] = []
        note = lambda _c, _cursor, statement, values, *_: asked.append((statement, values))  # noqa: E731
        event.listen(full, "before_cursor_execute", note)
        try:
            assert ASKS[what](conn) is not None
        finally:
            event.remove(full, "before_cursor_execute", note)
        assert asked
        for statement, values in asked:
            told = "\n".join(row[0] for row in conn.exec_driver_sql(f"explain {statement}", values))
            assert whole_tables(told) == [] and "Seq Scan on pilot" not in told, told


def test_rest_gives_what_the_views_give_and_refuses_what_makes_no_sense(worked: SmallMachine) -> None:
    worked.sql(PILOTS)
    client = create_app(worked.engine, Settings(instance="headframe")).test_client()
    name = campaign(worked)
    for address in ("/runs/5/usage", f"/campaigns/{name}/usage", "/usage", "/usage?hours=2"):
        found = client.get(f"/api/v1{address}").get_json()
        assert [step["step"] for step in found["steps"]] == ["salt"], address
        assert (found["total"]["cpu_s"], found["total"]["lost_s"]) == (170, 50)
    assert [row["name"] for row in client.get("/api/v1/usage/pilots").get_json()["rows"]] == ["reco", "salt"]
    assert client.get("/api/v1/usage/pilots?hours=1&fields=name,pilots").get_json()["rows"][0]["pilots"] == 2
    for address, status in (
        ("/runs/99/usage", 404),
        ("/campaigns/nix/usage", 404),
        ("/usage?hours=0", 400),
        ("/usage?hours=x", 400),
        ("/usage?days=1", 400),
        ("/usage/pilots?hours=99999999999", 400),
    ):
        assert client.get(f"/api/v1{address}").status_code == status, address


def test_pages_show_what_a_run_a_campaign_steps_and_an_attempt_used(worked: SmallMachine) -> None:
    client = create_app(worked.engine, Settings(instance="headframe")).test_client()
    for address, head in (
        ("/runs/5", "What it used"),
        (f"/campaigns/{campaign(worked)}", "What it used so far"),
        ("/latency", "What steps used, in the last day"),
        (f"/latency?campaign={campaign(worked)}", "so far"),
    ):
        page = client.get(address).get_data(as_text=True)
        assert head in page, address
        assert '<td class="number" data-label="Busy">68&nbsp;%</td>' in page, address
    assert "What steps used" not in client.get("/latency?kind=science").get_data(as_text=True)
    file = worked.item(5, 2).file_id
    page = client.get(f"/files/{file}").get_data(as_text=True)
    assert '1 min 40 s<span class="quiet">, CPU</span> 80 s<span class="quiet">, memory</span> 3 MB' in page
    assert '<span class="quiet">queued</span> 30 s' in page


def test_what_a_large_run_used_is_not_counted_at_each_look(
    worked: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_page, "COUNTED", 2)
    page = create_app(worked.engine, Settings(instance="headframe")).test_client().get("/runs/5")
    assert "headframe usage run 5" in page.get_data(as_text=True)
