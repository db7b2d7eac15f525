"""/metrics: counters that never go down, a histogram that counts each file, nothing that names one."""

import itertools
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from sqlalchemy import text

from headframe.daemon.conductor.folding import Folding
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.store import measure
from headframe.statemachine.store.prune import prune
from headframe.statemachine.store.sites import Measured, SiteRow, declare
from headframe.statemachine.store.sites import measure as measure_sites
from headframe.web.app import create_app
from headframe.web.settings import Settings

from ..benchmarks.web_process import web_process
from . import pilots_filled
from .metric_text import families, growing, one, promtool, scraped, series
from .months import month, months_pass
from .service_filled import fill_service
from .small_machine import SmallMachine

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
LABELS = {
    "scope", "step", "lane", "state", "phase", "site", "role", "status", "code", "lease", "window", "quantile", "what",
    "outcome", "class", "trigger", "kind", "queue", "launcher", "name", "version", "le", "route", "severity", "source",
}  # fmt: skip
"""All labels that there may be: none has more values than a configuration has words."""

NAMES = """
select name from file union select cast(number as text) from run
union select host from history union select owner from history
union select host from process union select owner from process where owner <> role
union select actor from history where actor not in ('conductor', 'sweeper')
"""
DONE = """
select count(distinct item_id) from history join item on item.id = item_id
where to_state = 'cataloged' and scope = 'file'
"""


def web(machine: SmallMachine) -> FlaskClient:
    return create_app(machine.engine, Settings(instance="headframe")).test_client()


def take(machine: SmallMachine) -> None:
    with machine.engine.begin() as conn:
        measure.take(conn, 1000)


def fold(machine: SmallMachine, page: int = 1000) -> int:
    with machine.engine.begin() as conn:
        return measure.fold_sums(conn, page)


@pytest.fixture
def shift(machine: SmallMachine) -> SmallMachine:
    """Give a machine after some hours: files done, one that failed, one that was interrupted, one held."""
    machine.arrive(5, 1, 2, 3, 4)
    machine.arrive(6, 1, kind="calibration")
    machine.through(5, 1, 2)
    machine.through(6, 1)
    machine.say(5, 3, "fail", reason_code="exit-3", reason="no peaks")
    machine.say(5, 4, "interrupt", reason_code="no-space", reason="the disk is full")
    machine.act(Trigger.HOLD, runs=(5,), scope="file", phase="ready")
    take(machine)
    return machine


def test_counters_say_what_happened(shift: SmallMachine) -> None:
    found = series(families(web(shift)))
    assert one(found, "attempts_total", step="salt", lane="live", outcome="done") == 2
    assert one(found, "attempts_total", step="salt", lane="live", outcome="passed") == 1
    assert one(found, "attempts_total", step="salt", lane="live", outcome="failed") == 1
    assert one(found, "attempts_total", step="salt", lane="live", outcome="interrupted") == 1
    assert one(found, "retries_total", step="salt", class_="payload") == 1
    assert one(found, "retries_total", step="salt", class_="storage") == 1
    assert one(found, "transitions_total", trigger="hold") == 2
    assert one(found, "files_arrived_total", kind="science") == 4
    assert one(found, "files_arrived_total", kind="calibration") == 1
    written = shift.sql_value("select sum(size) from replica where item_id is not null and site = 'work'")
    assert one(found, "site_written_bytes_total", site="work") == written > 0
    assert 0 <= one(found, "last_file_seconds") < 600


def test_what_waits_to_be_folded_is_counted_with_its_age(shift: SmallMachine) -> None:
    shift.arrive(8, 1)
    shift.through(8, 1)
    shift.sql("update sum_delta set last_at = last_at - interval '1 hour'")
    found = series(families(web(shift)))
    waiting = shift.sql_value("select count(*) from sum_delta")
    assert one(found, "sums_waiting") == waiting > 0
    assert one(found, "measures_waiting") > 0
    assert 3600 <= one(found, "unfolded_seconds", what="sums") < 4200
    assert 0 < one(found, "unfolded_seconds", what="measures") < 600
    take(shift)
    fold(shift)
    found = series(families(web(shift)))
    assert one(found, "sums_waiting") == one(found, "measures_waiting") == 0
    assert one(found, "unfolded_seconds", what="sums") == one(found, "unfolded_seconds", what="measures") == 0


def test_a_counter_is_there_before_anything_happened(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    found = series(families(web(machine)))
    assert one(found, "attempts_total", step="reconstruct", lane="live", outcome="failed") == 0
    assert one(found, "retries_total", step="place", class_="walltime") == 0
    assert one(found, "transitions_total", trigger="abandon") == 0


def test_each_file_counts_once_in_the_histogram_of_each_state(shift: SmallMachine) -> None:
    shift.sql("update file set closed_ns = extract(epoch from clock_timestamp() - interval '100 s') * 1000000000")
    shift.act(Trigger.RESET, state="placed", runs=(5,), scope="file", phase="done")
    shift.through(5, 1, 2)
    shift.arrive(7, 1)
    shift.through(7, 1)
    take(shift)
    (found,) = (family for family in families(web(shift)) if family.name == "headframe_file_seconds")
    values = series([found])
    reached = {"arrived": 6, "salted": 4, "placed": 4, "reconstructed": 4, "cataloged": 4}
    for state, n in reached.items():
        buckets = [s for s in found.samples if s.name.endswith("_bucket") and s.labels["state"] == state]
        limits = [float(s.labels["le"]) for s in buckets]
        assert limits == sorted(set(limits)) and limits[-1] == float("inf")
        assert all(low.value <= high.value for low, high in itertools.pairwise(buckets))
        assert buckets[-1].value == one(values, "file_seconds_count", state=state) == n
    assert shift.sql_value(DONE) == one(values, "file_seconds_count", state="cataloged")


def test_a_files_time_runs_from_its_closing(machine: SmallMachine) -> None:
    machine.arrive(5, 1)
    machine.sql("update file set closed_ns = extract(epoch from clock_timestamp() - interval '100 s') * 1000000000")
    machine.through(5, 1)
    take(machine)
    found = series(families(web(machine)))
    assert 100 <= one(found, "file_seconds_sum", state="cataloged") < 220
    assert one(found, "file_seconds_bucket", state="cataloged", le="64.0") == 0
    assert one(found, "file_seconds_bucket", state="cataloged", le="256.0") == 1


def test_nothing_goes_down_by_folding_by_new_processes_or_as_old_times_are_dropped(shift: SmallMachine) -> None:
    client = web(shift)
    seen = [growing(families(client))]
    while fold(shift, 15):
        seen.append(growing(families(client)))
    assert len(seen) > 2
    assert all(each == seen[0] for each in seen), "to fold changes nothing that is seen"
    shift.act(Trigger.RELEASE, runs=(5,), scope="file")
    shift.through(5, 3, 4)
    take(shift)
    seen.append(growing(families(web(shift))))
    for table in ("measure_latency", "measure_rate"):
        shift.sql(f"update {table} set at = at - interval '100 days'")
    with shift.engine.begin() as conn:
        while measure.coarsen(conn, 100):
            pass
    months_pass(shift.engine)
    prune(shift.engine, month(), actor="anna", reason="the disk is full")
    seen.append(growing(families(web(shift))))
    for before, after in itertools.pairwise(seen):
        assert {key: n for key, n in before.items() if after[key] < n} == {}
    assert seen[-1] == seen[-2] != seen[0]
    shift.arrive(8, 1)
    shift.through(8, 1)
    take(shift)
    before, after = seen[-1], growing(families(web(shift)))
    assert (
        one(after, "file_seconds_count", state="cataloged") == one(before, "file_seconds_count", state="cataloged") + 1
    )


def test_two_web_processes_say_the_same_and_fork_nothing(
    shift: SmallMachine, tmp_path: Path, database_url: str
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with (
        web_process(database_url, "headframe", tmp_path / "one") as (first, one_port),
        web_process(database_url, "headframe", tmp_path / "two") as (second, two_port),
    ):
        found = [growing(scraped(port)) for port in (one_port, two_port, one_port)]
        assert found[0] == found[1] == found[2] != {}
        assert [*first.children(), *second.children()] == []
        shift.arrive(7, 1)
        later = [growing(scraped(port)) for port in (two_port, one_port)]
    assert later[0] == later[1]
    assert one(later[0], "files_arrived_total", kind="science") == 5


def filled(machine: SmallMachine) -> FlaskClient:
    """Fill in all that families tell of, beside the files."""
    fill_service(machine.engine)
    machine.sql("update queue_depth set at = clock_timestamp()")
    machine.alive("salt")
    with machine.engine.begin() as conn:
        conn.execute(text("insert into backup (place, ended_at) values ('/b', clock_timestamp() - interval '9 s')"))
        declare(conn, [SiteRow(name="work", kind="processing", path="/work")])
        space = {"total": 100_000, "free": 400, "files": 100, "files_free": 90}
        measure_sites(conn, [Measured(site="work", space=space)], "node-1")
        conn.execute(
            text(
                "insert into site_sample (site, at, free, total) "
                "select 'work', clock_timestamp() - n * interval '10 min', 400 + n * 600, 100000 "
                "from generate_series(1, 6) n"
            )
        )
        pilots_filled.launcher(conn, "cori", silent="5 s")
        pilots_filled.set_aside(conn, "nid004242")
        for status, ended in (("running", None), ("running", None), ("pending", None), ("ended", "1 min")):
            pilots_filled.pilot(conn, status=status, ended=ended)
    return web(machine)


def test_what_is_around_the_machine_is_told(shift: SmallMachine) -> None:
    found = series(families(filled(shift)))
    assert one(found, "site_bytes", site="work", what="free") == 400
    assert one(found, "site_bytes", site="SURF", what="total") == 1_000_000_000
    assert one(found, "site_inodes", site="work", what="free") == 90
    assert one(found, "site_up", site="work") == 1
    assert 0 <= one(found, "site_measured_seconds", site="work") < 600
    assert one(found, "site_filling_bytes_per_second", site="work") == pytest.approx(1.0, rel=0.2)
    assert 300 < one(found, "site_full_seconds", site="work") < 500
    assert one(found, "queue_messages", queue="work.salt.live") == 7
    assert one(found, "queue_consumers", queue="work.salt.live") == 3
    assert ("headframe_queue_messages", (("queue", "dead"),)) not in found, "there is no such queue"
    assert one(found, "broker_up") == 1
    assert one(found, "pilots", launcher="cori", name="reco", status="running") == 2
    assert one(found, "pilots", launcher="cori", name="reco", status="pending") == 1
    assert ("headframe_pilots", (("launcher", "cori"), ("name", "reco"), ("status", "ended"))) not in found
    assert 5 <= one(found, "launcher_silence_seconds", launcher="cori") < 600
    assert one(found, "nodes_set_aside") == 1
    assert one(found, "runs_open") == 2
    assert 9 <= one(found, "last_backup_seconds") < 600
    assert one(found, "processes", role="conductor") == 1
    assert one(found, "process_versions", role="launcher", version="0.5") == 1


def test_a_broker_that_does_not_answer_is_down_and_its_queues_are_not_told(shift: SmallMachine) -> None:
    client = filled(shift)
    shift.sql("update queue_depth set at = clock_timestamp() - interval '2 min'")
    shift.sql("update process set started_at = clock_timestamp() - interval '5 min'")
    found = series(families(client))
    assert one(found, "broker_up") == 0
    assert not any(name == "headframe_queue_messages" for name, _ in found)
    shift.sql("delete from process")
    assert ("headframe_broker_up", ()) not in series(families(client)), "nobody looks"


def test_no_label_names_a_run_a_file_or_who_did_it(shift: SmallMachine) -> None:
    found = families(filled(shift))
    assert {label for family in found for sample in family.samples for label in sample.labels} <= LABELS
    told = {value for family in found for sample in family.samples for value in sample.labels.values()}
    with shift.engine.connect() as conn:
        secret = {str(row[0]) for row in conn.execute(text(NAMES)) if row[0]}
    assert secret and not secret & told


def test_promtool_finds_nothing_wrong(shift: SmallMachine) -> None:
    assert promtool("check", "metrics", said=filled(shift).get("/metrics").text) == (0, "")


def test_who_asks_for_openmetrics_gets_it(shift: SmallMachine) -> None:
    client = filled(shift)
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    assert growing(open_metrics(answer.text)).keys() == growing(families(client)).keys()
    assert client.get("/metrics").headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_each_family_is_documented_and_each_documented_one_is_there(shift: SmallMachine) -> None:
    client = filled(shift)
    told = {family.name + ("_total" if family.type == "counter" else "") for family in families(client)}
    lines = DOCUMENT.read_text().splitlines()
    written = {line.split("`")[1].partition("{")[0] for line in lines if line.startswith("| `headframe_")}
    assert told - written == set()
    assert written - told == set()


def test_without_a_sweeper_a_conductor_keeps_few_sums_waiting_and_loses_none(shift: SmallMachine) -> None:
    before = growing(families(web(shift)))
    few, many = Folding(shift.engine, most=100_000), Folding(shift.engine, most=2)
    assert few.look() == 0
    assert many.look() > 2
    assert many.look() == 0
    assert growing(families(web(shift))) == before
