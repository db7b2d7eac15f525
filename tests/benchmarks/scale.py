"""Ten million files: a database as it is after a year, filled by the set and not by the change.

What is written is what the machine would have left: each life is walked by hand (`Life`), and history, attempts,
products, replicas and counts follow from its lines; `verify` finds nothing wrong in it. Tables are filled without
indexes and triggers, each in one transaction that begins by emptying it, so that a server with `wal_level = minimal`
writes no log of that; the indexes are made again from their own definitions, two at a time.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, text

from headframe.statemachine.store.campaigns import ensure_pipeline
from headframe.statemachine.store.sweep import next_partitions

from ..integration.web_filled import pipeline
from .lives import DAY, Life, Line

SERVER = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "shared_buffers": "2GB",
    "effective_cache_size": "12GB",
    "random_page_cost": "1.1",
}
"""What such a server is told; `random_page_cost` as everybody has it who stores on flash."""
HANDS = 2
SETTINGS = (
    "set local session_replication_role = replica",
    "set local maintenance_work_mem = '1GB'",
    "set local work_mem = '256MB'",
    "set local max_parallel_maintenance_workers = 0",
    "set local enable_nestloop = off",
)
SPAN = timedelta(days=365)
TABLES = ("run", "file", "item", "history", "attempt", "product", "replica", "catalog_entry")
Job = tuple[str, dict[str, Any]]


class Scale(NamedTuple):
    """What was made. The last run is under way, each twentieth has trouble, each fiftieth misses a file."""

    runs: int
    a_run: int

    @property
    def files(self) -> int:
        """How many files there are."""
        return self.runs * self.a_run


def _first(life: Life) -> Life:
    return life.submit().end("succeed", "succeeded").end("succeed", "succeeded")


def _rest(life: Life) -> Life:
    return life.end("succeed", "succeeded", takes=40).end("succeed", "succeeded")


def _fails(life: Life) -> Life:
    return _first(life).end("fail", "failed", "failed", takes=20)


LIVES: dict[str, Callable[[Life], object]] = {
    "plain": lambda one: _rest(_first(one)),
    "mended": lambda one: _rest(_fails(one).wait(2 * DAY).operator("resolve", "ready")),
    "failed": _fails,
    "held": lambda one: one.submit().end("succeed", "succeeded").operator("hold", "held"),
    "abandoned": lambda one: _fails(one).wait(DAY).operator("abandon", "abandoned"),
    "ready": lambda one: None,
    "submitted": lambda one: one.submit().end("succeed", "succeeded").submit(),
    "executing": lambda one: _first(one).submit().start(),
}
"""With quick steps: a plain one has six lines of history, from arrival to the catalog."""


def fill(engine: Engine, runs: int, a_run: int, tell: Callable[[str], object] = print) -> Scale:
    """Fill an empty, migrated database with a year that ends now; tell how long each part takes."""
    made = Scale(runs, a_run)
    start = datetime.now(UTC) - SPAN
    with engine.begin() as conn:
        months = _months(conn, start.date())
        pinned = ensure_pipeline(conn, pipeline())
        campaign = conn.execute(text(CAMPAIGN), {"p": pinned}).scalar_one()
        values = {"p": pinned, "c": campaign, "runs": runs, "a_run": a_run, "files": made.files, "start": start,
                  "every": SPAN.total_seconds() / made.files}  # fmt: skip
        _tell_lives(conn)
        indexes, references = _drop(conn)
    history = [(HISTORY.format(name=name), {**values, "low": low, "high": high}) for name, low, high in months]
    _timed(tell, "rows", lambda: _at_once(engine, [*history, *((each, values) for each in ROWS)]))
    _timed(tell, "indexes", lambda: _at_once(engine, [(each, {}) for each in indexes]))
    _timed(tell, "counts", lambda: _at_once(engine, [(each, values) for each in COUNTS]))
    with engine.begin() as conn:
        for statement in (*references, *LAST):
            conn.execute(text(statement), values)
    _timed(tell, "statistics", lambda: _analyze(engine))
    return made


def _timed(tell: Callable[[str], object], what: str, do: Callable[[], object]) -> None:
    began = time.monotonic()
    do()
    tell(f"{what}: {time.monotonic() - began:.0f} s")


def _months(conn: Connection, first: date) -> list[tuple[str, date, date]]:
    """Make the partitions that are missing; give each with where it begins and ends."""
    found, month = [], first.replace(day=1)
    while month <= datetime.now(UTC).date():
        after = (month + timedelta(days=32)).replace(day=1)
        next_partitions(conn, month)
        found.append((f"history_{month:%Y_%m}", month, after))
        month = after
    return found


def _tell_lives(conn: Connection) -> None:
    rows = []
    for number, live in enumerate(LIVES.values()):
        life = Life(number)
        live(life)
        rows += [
            _row(before, line, life.lines[-1]) for before, line in zip([None, *life.lines], life.lines, strict=False)
        ]
    conn.execute(text(LIFE), {"rows": msgspec.json.encode(rows).decode()})


def _row(before: Line | None, line: Line, last: Line) -> dict[str, Any]:
    start = {"from_state": before and before.state, "from_phase": before and before.phase}
    return {**line._asdict(), **start, "from_epoch": before.epoch if before else line.epoch, "last": line is last}


def _drop(conn: Connection) -> tuple[list[str], list[str]]:
    """Take indexes and constraints away; give the statements that make them again, references apart."""
    made: dict[str, list[str]] = {}
    for kind in ("references", "constraints", "indexes"):
        rows = conn.execute(text(DEFINED[kind]), {"tables": list(TABLES)}).all()
        made[kind] = [row.make for row in rows]
        for row in rows:
            conn.execute(text(row.drop))
    heavy = sorted([*made["constraints"], *made["indexes"]], key=_weight)
    return heavy, made["references"]


def _weight(statement: str) -> int:
    """Put the long ones first, so that two hands end at about the same time."""
    return next((n for n, name in enumerate(("history", "replica", "attempt", "file", "item")) if name in statement), 9)


def _at_once(engine: Engine, jobs: Sequence[Job]) -> None:
    def do(job: Job) -> None:
        with engine.begin() as conn:
            for setting in SETTINGS:
                conn.execute(text(setting))
            conn.execute(text(job[0]), job[1])

    with ThreadPoolExecutor(HANDS) as hands:
        list(hands.map(do, jobs))


def _analyze(engine: Engine) -> None:
    """Do what autovacuum would have done by then."""

    def do(table: str) -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(text(f"vacuum (analyze) {table}" if table == "item" else f"analyze {table}"))

    with ThreadPoolExecutor(HANDS) as hands:
        list(hands.map(do, _all_tables(engine)))


def _all_tables(engine: Engine) -> Iterable[str]:
    with engine.connect() as conn:
        rows = conn.execute(
            text(
                "select relname from pg_class where relkind = 'r' "
                "and relnamespace = cast(current_schema() as regnamespace) order by relpages desc"
            )
        )
        return list(rows.scalars())


CAMPAIGN = "insert into campaign (name, pipeline_id) values ('realtime', :p) returning id"
LIFE = """
create table fill_life as select * from jsonb_to_recordset(cast(:rows as jsonb)) as l(life integer, version integer,
  after_s double precision, trigger text, from_state text, from_phase text, from_epoch bigint, state text, phase text,
  step text, epoch bigint, worked_at text, worked_epoch bigint, outcome text, last boolean)
"""
DEFINED = {
    "references": """
select format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop,
  format('alter table %s add constraint %I %s not valid', conrelid::regclass, conname, pg_get_constraintdef(oid))
    as make
from pg_constraint where contype = 'f' and conparentid = 0
  and connamespace = cast(current_schema() as regnamespace)
""",
    "constraints": """
select format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop,
  format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as make
from pg_constraint where contype in ('p', 'u') and conparentid = 0
  and conrelid = any(cast(cast(:tables as text[]) as regclass[]))
""",
    "indexes": """
select format('drop index %s', indexrelid::regclass) as drop,
  replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') as make
from pg_index join pg_class on pg_class.oid = indexrelid
where indrelid = any(cast(cast(:tables as text[]) as regclass[]))
""",
}
NUMBERED = """
from (select n, n / :a_run + 1 as run, n % :a_run as seq,
    cast(:start as timestamptz) + n * :every * interval '1 s' as at
  from generate_series(cast({low} as bigint), cast({high} as bigint)) n) f
"""
ALL = NUMBERED.format(low="0", high=":files - 1")
KIND = "case when f.run % 10 = 0 then 'calibration' else 'science' end"
LIVED = """
join fill_life l on l.life = case
  when f.run = :runs then (array[5, 5, 6, 7, 0])[1 + f.seq % 5]
  when f.run % 20 = 0 and f.seq % 100 between 7 and 9 then (array[2, 3, 4])[f.seq % 100 - 6]
  when f.seq % 100 = 1 then 1 else 0 end
"""
WHEN = "f.at + l.after_s * interval '1 s'"
REASON_CODE = """case when l.outcome = 'failed' then 'exit-3'
  when l.phase in ('held', 'abandoned') then 'operator-' || l.trigger else '' end"""
REASON = """case when l.outcome = 'failed' then 'strax: no peaks in ' || f.seq || ' of 4096 channels'
  when l.phase in ('held', 'abandoned') then 'the shift says so' else '' end"""
ACTOR = "case when l.worked_at is null then 'anna' else 'w-' || f.n % 12 end"
HOST = "case when l.worked_at is null then '' else 'node0' || f.n % 8 end"
HISTORY = f"""
truncate {{name}};
insert into {{name}} (item_id, version, at, trigger, from_state, from_phase, to_state, to_phase, epoch, to_epoch,
  campaign_id, actor, host, reason_code, reason)
select f.n + 1, l.version, {WHEN}, l.trigger, l.from_state, l.from_phase, l.state, l.phase, l.from_epoch, l.epoch, :c,
  {ACTOR}, {HOST}, {REASON_CODE}, {REASON}
{
    NUMBERED.format(
        low="greatest(0, floor(extract(epoch from :low - cast(:start as timestamptz)) / :every) - 400000 / :every)",
        high="least(:files - 1, ceil(extract(epoch from :high - cast(:start as timestamptz)) / :every))",
    )
} {LIVED}
where {WHEN} >= :low and {WHEN} < :high
"""
RUNS = f"""
truncate run cascade;
insert into run (id, number, kind, known_kind, campaign_id, started_at, ended_at, expected, first_sequence, closed_at,
  closed_by, source) overriding system value
select f.run, f.run, {KIND}, true, :c, f.at, ends, :a_run + (f.run % 50 = 0)::int, 0, ends, 'manifest', 'manifest'
{ALL}, lateral (select case when f.run < :runs then f.at + (:a_run * :every + 60) * interval '1 s' end as ends) e
where f.seq = 0
"""
FILES = f"""
truncate file;
insert into file (id, run_id, sequence, name, site, path, size, mtime_ns, closed_ns, adler32, blake3, inbox,
  registered_at, event_first, event_last, events, secured_at, created_at) overriding system value
select f.n + 1, f.run, f.seq, name, 'source', 'inbox/' || name, 250000000 + f.n % 1000, f.n,
  cast(extract(epoch from f.at) * 1000000000 as bigint), lpad(to_hex(f.n), 8, '0'), md5(f.n::text) || md5(f.seq::text),
  'daq', f.at, f.seq * 100, f.seq * 100 + 99, 100, f.at, f.at
{ALL}, lateral (select 'run' || lpad(f.run::text, 6, '0') || '_' || lpad(f.seq::text, 5, '0') || '.h5' as name) named
"""
ITEMS = f"""
truncate item;
insert into item (id, campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, step, epoch, version, owner,
  lease_until, submitted_at, failures, since, trouble_since, trigger, actor, host, reason_code, reason, changed_at)
  overriding system value
select f.n + 1, :c, :p, f.run, f.n + 1, 'file', {KIND}, l.state, l.phase, l.step, l.epoch, l.version,
  case when l.phase = 'executing' then 'w-' || f.n % 12 end,
  case when l.phase = 'executing' then now() + interval '1 day' end,
  case when l.phase in ('submitted', 'executing') then {WHEN} end, case when l.phase = 'failed' then 4 else 0 end,
  {WHEN}, case when l.phase in ('failed', 'held', 'abandoned') then {WHEN} end, l.trigger, {ACTOR}, {HOST},
  {REASON_CODE}, {REASON}, {WHEN}
{ALL} {LIVED} and l.last;
insert into item (id, campaign_id, pipeline_id, run_id, scope, kind, state, phase, version, trigger, actor, since,
  changed_at) overriding system value
select :files + f.run, :c, :p, f.run, 'run', {KIND}, case when done then 'cataloged' else 'arrived' end,
  case when done then 'done' else 'waiting' end, case when done then 5 else 1 end,
  case when done then 'gather' else 'arrive' end, 'conductor', f.at, f.at
{ALL}, lateral (select f.run % 20 <> 0 and f.run % 50 <> 0 and f.run < :runs as done) d where f.seq = 0
"""
ATTEMPTS = f"""
truncate attempt;
insert into attempt (item_id, epoch, step, owner, host, started_at, ended_at, outcome, reason_code, reason, log_site,
  log, usage)
select f.n + 1, l.worked_epoch, l.worked_at, 'w-' || f.n % 12, 'node0' || f.n % 8, {WHEN} - interval '1 s',
  case when l.outcome <> 'running' then {WHEN} end, l.outcome, {REASON_CODE}, {REASON}, 'work',
  'logs/' || f.n || '.log', '{{}}'
{ALL} {LIVED} where l.outcome <> 'running' or l.outcome = 'running' and l.last
"""
PRODUCTS = f"""
truncate product cascade;
insert into product (id, run_id, file_id, campaign_id, item_id, epoch, step, name, type, size, adler32, blake3,
  event_first, event_last, events, software, configuration, created_at) overriding system value
select f.n + 1, f.run, f.n + 1, :c, f.n + 1, l.worked_epoch, l.worked_at, 'rq.root', 'rq', 1000000,
  lpad(to_hex(f.n), 8, '0'), md5(f.n::text) || md5(f.seq::text), f.seq * 100, f.seq * 100 + 99, 100, 'headframe 0.1.0',
  'a1b2c3', {WHEN}
{ALL} {LIVED} where l.worked_at = 'reconstruct' and l.outcome = 'succeeded'
"""
PLACE = "'run' || lpad(f.run::text, 6, '0') || '/' || f.seq"
NO_PRODUCT = "cast(null as bigint)"
REPLICAS = "truncate replica;" + ";".join(
    f"""
insert into replica (id, run_id, file_id, product_id, role, step, site, path, status, size, adler32, blake3,
  created_at, verified_at, item_id, epoch) overriding system value
select {number} * :files + f.n + 1, f.run, f.n + 1, {product}, '{role}', '{step}', '{site}', '{site}/' || {PLACE},
  'verified', 250000000, lpad(to_hex(f.n), 8, '0'), md5(f.n::text) || md5(f.seq::text), f.at, f.at, f.n + 1, {number}
{ALL} {LIVED} {which}"""
    for number, (product, role, step, site, which) in enumerate(
        (
            (NO_PRODUCT, "raw", "", "source", "and l.last"),
            (NO_PRODUCT, "raw", "place", "center", "where l.worked_at = 'place' and l.outcome = 'succeeded'"),
            ("f.n + 1", "reconstruct", "reconstruct", "work",
             "where l.worked_at = 'reconstruct' and l.outcome = 'succeeded'"),
        )
    )
)  # fmt: skip
CATALOG = f"""
truncate catalog_entry;
insert into catalog_entry (item_id, epoch, step, file_id, run_id, campaign_id, facts, created_at)
select f.n + 1, l.epoch, 'catalog', f.n + 1, f.run, :c, '{{"trees": ["events"]}}', {WHEN}
{ALL} {LIVED} and l.last where l.phase = 'done'
"""
ROWS = (REPLICAS, ATTEMPTS, ITEMS, FILES, PRODUCTS, CATALOG, RUNS)
COUNTS = (
    """
insert into count_total (run_id, campaign_id, scope, state, phase, site, n)
select run_id, campaign_id, scope, state, phase, '', count(*) from item
group by run_id, campaign_id, scope, state, phase
""",
    """
insert into count_total (run_id, campaign_id, scope, state, phase, site, n)
select run_id, 0, 'replica', role, status, site, count(*) from replica group by run_id, role, status, site
""",
)
RUN_HISTORY = """
insert into history (item_id, version, at, trigger, from_state, from_phase, to_state, to_phase, epoch, to_epoch,
  campaign_id, actor)
select i.id, v, i.since, case v when 1 then 'arrive' else 'gather' end, (array[null, 'arrived', 'salted', 'placed',
  'reconstructed'])[v], case when v > 1 then 'waiting' end,
  (array['arrived', 'salted', 'placed', 'reconstructed', 'cataloged'])[v], case v when 5 then 'done' else 'waiting' end,
  i.epoch, i.epoch, i.campaign_id, 'conductor'
from item i, generate_series(1, i.version) v where i.scope = 'run'
"""
WHOLE = """
insert into count_whole (campaign_id, scope, state, phase, site, n)
select campaign_id, scope, state, phase, site, sum(n) from count_total group by campaign_id, scope, state, phase, site
"""
DEAD = """
insert into dead_letter (fingerprint, queue, code, sentence, subject, run_number, count, cleared_at, last_at)
select 'f' || n, 'arrivals', (array['name-mismatch', 'vanished', 'bad-manifest'])[1 + n % 3],
  'the name matches none of the inbox daq''s patterns', 'inbox/stray_' || n || '.dat', n % :runs, 1 + n % 4,
  case when n % 50 <> 0 then now() end, cast(:start as timestamptz) + n * interval '30 s'
from generate_series(1, :files / 100) n
"""
OPERATIONS = """
insert into operation (actor, action, selection, reason, total, done, changed, status, at, finished_at)
select 'anna', 'resolve', '{}', 'the disk is back', 10, 10, 10, 'done', at, at
from (select cast(:start as timestamptz) + n * 10 * :every * interval '1 s' as at
  from generate_series(1, :files / 10) n limit 200000) t
"""
PROCESSES = """
insert into process (owner, role, host, pid, version)
select 'w-' || n, case when n < 12 then 'worker' when n = 12 then 'conductor' else 'sweeper' end,
  'node0' || n % 8, n, '0.1.0' from generate_series(0, 13) n
"""
PILOTS = """
insert into pilot (token, launcher, name, steps, status, job, node, code, large, submitted_at, started_at, ended_at)
select 'hf-' || n, 'perlmutter', (array['live', 'again'])[1 + n % 2], 'reconstruct',
  case when n % 500 = 0 then 'running' else 'ended' end, cast(4710 + n as text), 'nid00' || n % 40,
  case when n % 500 <> 0 then 'done' else '' end, n % 20 = 0, at, at,
  case when n % 500 <> 0 then at + interval '1 hour' end
from (select n, cast(:start as timestamptz) + n * interval '10 min' as at from generate_series(1, 5000) n) t
"""
SEQUENCES = tuple(
    f"select setval(pg_get_serial_sequence('{table}', 'id'), coalesce(max(id), 1)) from {table}"
    for table in ("run", "file", "item", "product", "replica")
)
LAST = (RUN_HISTORY, WHOLE, DEAD, OPERATIONS, PROCESSES, PILOTS, *SEQUENCES)
