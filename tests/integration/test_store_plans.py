"""The statements that run all the time use an index, in tables of 20,000 rows."""

import re
from collections.abc import Iterator

import msgspec
import pytest
from sqlalchemy import Connection, Engine, text

from headframe.statemachine.database import connect
from headframe.statemachine.queries import query
from headframe.statemachine.store import dispatch
from headframe.statemachine.store.campaigns import realtime_campaign
from headframe.statemachine.views.demand import HEAD, LARGE, NUMBERS, QUEUES

from .servers import PostgresServer
from .small_machine import pipeline
from .web_filled import cloned

ROWS = 20_000
NEVER = "2000-01-01 00:00Z"
FILL = """
insert into run (number) values (1);
insert into file (run_id, sequence, name, site, path, size, mtime_ns, registered_at)
  select run.id, n, 'f' || n, 'daq', 'in/f' || n, 1, 1, now() from run, generate_series(1, {rows}) n;
insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, step, trigger, submitted_at,
    owner, lease_until)
  select c.id, c.pipeline_id, f.run_id, f.id, 'file', 'science',
    case when f.sequence % 100 < 3 then 'arrived' else 'cataloged' end,
    (array['ready', 'submitted', 'executing'])[f.sequence % 100 + 1],
    case when f.sequence % 100 < 3 then 'salt' end, 'arrive', now() - interval '1 hour', 'w',
    now() - interval '1 hour'
  from file f, campaign c where f.sequence % 100 < 3
  union all
  select c.id, c.pipeline_id, f.run_id, f.id, 'file', 'science', 'cataloged', 'done', null, 'arrive', null, null, null
  from file f, campaign c where f.sequence % 100 >= 3;
insert into watermark (lane, applied_at) values ('live', now());
insert into dead_letter (fingerprint, queue, code, sentence, subject)
  select 'd' || n, 'arrivals', 'rewritten', 'x', 'in/g' || n from generate_series(1, {rows}) n;
analyze;
"""


@pytest.fixture(scope="module")
def large(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[str]:
    """Fill a database, once; give its name."""
    with cloned(postgres, database_template) as url:
        engine = connect(url, instance)
        with engine.begin() as conn:
            realtime_campaign(conn, pipeline(), "week", 1)
            for statement in FILL.format(rows=ROWS).split(";\n"):
                if statement.strip():
                    conn.exec_driver_sql(statement.replace("%", "%%"))
        engine.dispose()  # a database with sessions cannot be cloned
        yield url.rpartition("/")[2]


@pytest.fixture
def full(postgres: PostgresServer, large: str, instance: str) -> Iterator[Engine]:
    with cloned(postgres, large) as url:
        engine = connect(url, instance)
        yield engine
        engine.dispose()


def plan(conn: Connection, name: str, **values: object) -> str:
    explained = text(f"explain {query(name).text}")
    return "\n".join(conn.execute(explained, values).scalars())


def arrivals() -> str:
    rows = [
        {
            "n": n,
            "run_id": 1,
            "sequence": n,
            "name": f"f{n}",
            "site": "daq",
            "path": f"in/f{n}",
            "subject": f"in/f{n}",
            "size": 1,
            "mtime_ns": 1,
        }
        for n in range(1, 101)
    ]
    return msgspec.json.encode(rows).decode()


@pytest.mark.parametrize("lane", ["live", "bulk"])
def test_what_is_sent_next_is_found_by_index_beside_a_storm_of_bulk_work(full: Engine, lane: str) -> None:
    with full.begin() as conn:
        conn.execute(text(STORM))
    with full.connect() as conn:
        conn.execute(text("analyze item"))
        told = plan(conn, "ready_items", step="salt", lane=lane, room=200) + plan(conn, "lanes_in_phase", phase="ready")
    assert "Seq Scan on item " not in told and "Sort" not in told, told
    assert told.count("item_ready") >= 3, told


def test_what_waits_in_a_paused_campaign_is_not_read_to_find_what_may_go(full: Engine) -> None:
    with full.begin() as conn:
        conn.execute(text(STORM))
        conn.execute(text("update campaign set status = 'paused'"))
        conn.execute(text("insert into campaign (name, pipeline_id) select 'other', pipeline_id from campaign"))
        conn.execute(text("update item set campaign_id = (select max(id) from campaign) where id % 5000 = 0"))
        conn.execute(text("analyze item"))
    with full.connect() as conn:
        explained = text(f"explain (analyze, buffers) {query('ready_items_shared').text}")
        told = "\n".join(conn.execute(explained, {"step": "salt", "room": 200, "blocked": "[]"}).scalars())
        sent = len(dispatch.waiting(conn, "salt", "bulk", 200))
    assert "Seq Scan on item " not in told, told
    assert told.count("item_ready_bulk") >= 3, told
    assert 1 < sent < 10
    read = max(int(rows) for rows in re.findall(r"on item\S* \S+ .*?actual time=\S+ rows=(\d+)", told))
    assert read < 10, told


ROUND = {"launcher": "here", "names": ["reco-1", "salt"], "lately_s": 900, "last": 8}


@pytest.mark.parametrize(
    ("name", "values", "index"),
    [
        ("pilots_of_launcher", ROUND, "pilot_ended "),
        ("pilots_of_launcher", ROUND, "pilot_ended_of_name "),
        ("other_launchers", {"launcher": "here", "owner": "w", "lately_s": 60}, "process_launcher"),
    ],
)
def test_a_round_of_a_launcher_reads_neither_all_pilots_nor_all_processes(
    full: Engine, name: str, values: dict[str, object], index: str
) -> None:
    with full.begin() as conn:
        conn.execute(text(PILOTS))
        conn.execute(text("analyze pilot, process"))
        told = plan(conn, name, **values)
    for table in ("pilot", "process"):
        assert f"Seq Scan on {table} " not in told, told
    assert index in told, told


PILOTS = """
insert into pilot (token, launcher, name, status, started_at, ended_at)
select 't' || n, 'here', 'reco-' || n % 50, 'ended', now(), now() - n * interval '1 min'
from generate_series(1, 20000) n;
insert into process (owner, role, seen_at, detail)
select 'o' || n, 'worker', now() - n * interval '1 min', jsonb_build_object('pilot', 't' || n)
from generate_series(1, 20000) n
"""


def test_the_demand_reads_no_more_of_a_long_backlog_than_its_head(full: Engine) -> None:
    with full.begin() as conn:
        conn.execute(text(STORM))
        conn.execute(text("update item set request = '{\"memory\": 2}' where id % 5000 = 0"))
        conn.execute(text("analyze item"))
    values = {"steps": ["salt", "place"], "lanes": ["live", "bulk"], "head": HEAD, "blocked": "[]", "minutes": 5}
    for asked, index in ((QUEUES, "item_ready"), (LARGE, "item_large"), (NUMBERS, "item_executing")):
        with full.connect() as conn:
            explained = text(f"explain (analyze, buffers) {asked.text}")
            told = "\n".join(conn.execute(explained, values).scalars())
        assert "Seq Scan on item " not in told, told
        assert index in told, told
        read = max(int(rows) for rows in re.findall(r"on item\S*\s.*?actual time=\S+ rows=(\d+)", told))
        assert read <= HEAD, told


STORM = """
update item set state = 'arrived', phase = 'ready', step = 'salt', lane = 'bulk', version = version + 1
where phase = 'done'
"""


@pytest.mark.parametrize(
    ("name", "values", "indexes"),
    [
        ("ready_items", {"step": "salt", "lane": "live", "room": 100}, ["item_ready"]),
        ("places_sent", {}, ["item_submitted"]),
        (
            "lost_hints",
            {"step": "salt", "lane": "live", "large": False, "older_s": 60, "gone_by": NEVER, "page": 100},
            ["item_submitted"],
        ),
        ("newest_submitted", {"step": "salt", "lane": "live", "large": False}, ["item_submitted"]),
        ("expired_leases", {"after": 0, "page": 100, "over": ["ended"]}, ["item_executing"]),
        ("end_pilot_leases", {"over": ["ended"]}, ["item_executing"]),
        ("lanes_in_phase", {"phase": "ready"}, ["item_ready"]),
        ("still_ready", {"rows": "[]", "step": "salt", "lane": "live", "window": 100}, ["item_submitted"]),
        ("known_arrivals", {"rows": arrivals()}, ["file_place", "dead_letter_subject"]),
        ("files_like", {"rows": arrivals()}, ["file_place", "_name on", "file_run_sequence"]),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
)
def test_a_statement_of_the_hot_path_uses_its_index(
    full: Engine, name: str, values: dict[str, object], indexes: list[str]
) -> None:
    with full.connect() as conn:
        told = plan(conn, name, **values)
    for table in ("item", "file", "dead_letter"):
        assert f"Seq Scan on {table} " not in told, told
    for index in indexes:
        assert index in told, told
