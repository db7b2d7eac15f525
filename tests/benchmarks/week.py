"""A week of a file a second, over a month's end: every change made on the real tables, with all their triggers on.

Nothing is written to history or counts by hand: items are inserted and updated, a version at a time for many of them
at once, with the times of then; so what the database keeps of it is what it would have kept.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, text

from headframe.statemachine.store.campaigns import ensure_pipeline
from headframe.statemachine.store.sweep import fold, next_partitions

from ..integration.months import month
from ..integration.web_filled import pipeline
from .lives import lives

CHUNK = 20_000


class Week(NamedTuple):
    """What was made. `turn` is the first day of the month that began in the middle."""

    files: int
    runs: int
    a_run: int
    turn: date


def fill(engine: Engine, files: int, a_run: int = 1000) -> Week:
    """Fill an empty, migrated database. The last run is open; each twentieth has trouble."""
    turn = month() if datetime.now(UTC).day > 6 else month(1)
    start = datetime.combine(turn, time(), UTC) - timedelta(seconds=files / 2)
    week = Week(files, files // a_run, a_run, turn)
    with engine.begin() as conn:
        next_partitions(conn, (turn - timedelta(days=1)).replace(day=1))
        ids = ensure_pipeline(conn, pipeline())
        campaign = conn.execute(text(CAMPAIGN), {"p": ids}).scalar_one()
        values = {"p": ids, "c": campaign, "runs": week.runs, "a_run": a_run, "start": start, "files": files}
        _tell_lives(conn)
        for statement in (RUNS, RUN_ITEMS):
            conn.execute(text(statement), values)
    for after in range(0, files, CHUNK):
        _chunk(engine, {**values, "after": after, "upto": after + CHUNK})
    with engine.begin() as conn:
        for statement in (*RUN_MOVES, DEAD, PROCESSES):
            conn.execute(text(statement), values)
    _tidy(engine, "analyze")
    return week


def _tell_lives(conn: Connection) -> None:
    rows = [line._asdict() for lines in lives().values() for line in lines]
    conn.execute(text(LIVES), {"rows": msgspec.json.encode(rows).decode()})
    conn.execute(text("create index on fill_life (version, life)"))


def _chunk(engine: Engine, values: dict[str, Any]) -> None:
    numbers = {name: each[0].life for name, each in lives().items()}
    longest = max(len(lines) for lines in lives().values())
    values |= {"lives": msgspec.json.encode(numbers).decode()}
    with engine.begin() as conn:
        for statement in (FILES, CHOSEN, ITEMS):
            conn.execute(text(statement), values)
    for version in range(2, longest + 1):
        with engine.begin() as conn:
            conn.execute(text(MOVE), {**values, "version": version})
    with engine.begin() as conn:
        for statement in (RAW, ATTEMPTS, PRODUCTS, COPIES, SALT, CATALOG):
            conn.execute(text(statement), values)
    _tidy(engine, "vacuum item")


def _tidy(engine: Engine, how: str) -> None:
    """Fold counts as the sweeper does each second, and do what autovacuum does in a week."""
    with engine.connect() as conn:
        while conn.execute(text("select exists (select from count_delta)")).scalar():
            fold(conn, 10_000)
            conn.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        for each in (how, "vacuum count_delta", "vacuum count_total"):
            conn.execute(text(each))


CAMPAIGN = "insert into campaign (name, pipeline_id) values ('realtime', :p) returning id"
LIVES = """
create table fill_life as select * from jsonb_to_recordset(cast(:rows as jsonb)) as l(life integer, version integer,
  after_s double precision, trigger text, state text, phase text, step text, epoch bigint, worked_at text,
  worked_epoch bigint, outcome text)
"""
RUNS = """
insert into run (number, kind, known_kind, campaign_id, started_at, ended_at, expected, first_sequence, closed_at,
  closed_by, source)
select n + 1, 'science', true, :c, start, case when n < :runs - 1 then start + :a_run * interval '1 s' end, :a_run, 0,
  case when n < :runs - 1 then start + (:a_run + 60) * interval '1 s' end,
  case when n < :runs - 1 then 'manifest' else '' end, 'manifest'
from (select n, cast(:start as timestamptz) + n * :a_run * interval '1 s' as start
  from generate_series(0, :runs - 1) n) numbered order by n
"""
RUN_ITEMS = """
insert into item (campaign_id, pipeline_id, run_id, scope, kind, state, phase, trigger, actor, since, changed_at)
select :c, :p, id, 'run', kind, 'arrived', 'waiting', 'arrive', 'conductor', started_at, started_at
from run order by id
"""
RUN_MOVES = [
    f"""
update item i set state = '{state}', phase = '{phase}', version = i.version + 1, trigger = 'gather',
  actor = 'conductor', since = r.closed_at + interval '60 h {n} s', changed_at = r.closed_at + interval '60 h {n} s'
from run r where r.id = i.run_id and i.scope = 'run' and r.closed_at is not null and r.number % 20 <> 0
"""
    for n, (state, phase) in enumerate(
        (("salted", "waiting"), ("placed", "waiting"), ("reconstructed", "waiting"), ("cataloged", "done"))
    )
]
FILES = """
insert into file (run_id, sequence, name, site, path, size, mtime_ns, adler32, blake3, inbox, registered_at,
  event_first, event_last, events, created_at)
select r.id, n % :a_run, 'run' || lpad(r.number::text, 6, '0') || '_' || lpad((n % :a_run)::text, 5, '0') || '.h5',
  'source', 'inbox/' || r.number || '/' || n % :a_run || '.h5', 250000000 + n, n, lpad(to_hex(n), 8, '0'),
  md5(n::text) || md5((-n)::text), 'daq', at, n % :a_run * 100, n % :a_run * 100 + 99, 100, at
from generate_series(:after, least(:upto, :files) - 1) n join run r on r.number = n / :a_run + 1,
  lateral (select cast(:start as timestamptz) + n * interval '1 s' as at) timed
order by n
"""
CHOSEN = """
create unlogged table if not exists fill_chosen
  (file_id bigint primary key, run_id bigint, life integer, at timestamptz);
truncate fill_chosen;
insert into fill_chosen
select f.id, f.run_id, cast(cast(:lives as jsonb) ->> case
    when r.closed_at is null then (array['ready', 'ready', 'submitted', 'executing', 'plain'])[1 + f.sequence % 5]
    when r.number % 20 = 0 and f.sequence % 100 in (7, 8, 9)
      then (array['failed', 'held', 'abandoned'])[f.sequence % 100 - 6]
    when f.sequence % 100 = 1 then 'mended' when f.sequence % 100 = 2 then 'interrupted' else 'plain' end as integer),
  f.registered_at
from file f join run r on r.id = f.run_id
where r.number between :after / :a_run + 1 and (:upto - 1) / :a_run + 1
  and f.id > (select coalesce(max(file_id), 0) from item)
"""
ITEMS = """
insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, step, trigger, actor, since,
  changed_at)
select :c, :p, run_id, file_id, 'file', 'science', 'arrived', 'ready', 'salt', 'arrive', 'conductor', at, at
from fill_chosen order by file_id
"""
MOVE = """
update item i set state = l.state, phase = l.phase, step = l.step, epoch = l.epoch, version = l.version,
  trigger = l.trigger, since = f.at + l.after_s * interval '1 s', changed_at = f.at + l.after_s * interval '1 s',
  owner = case when l.phase = 'executing' then 'w-' || i.id % 12 end,
  lease_until = case when l.phase = 'executing' then now() + interval '1 day' end,
  submitted_at = case when l.phase in ('submitted', 'executing') then f.at + l.after_s * interval '1 s' end,
  trouble_since = case when l.phase in ('failed', 'held', 'abandoned') then f.at + l.after_s * interval '1 s' end,
  failures = case when l.phase = 'failed' then 4 else 0 end, actor = case when l.worked_at is null then 'anna'
    else 'w-' || i.id % 12 end, host = case when l.worked_at is null then '' else 'node0' || i.id % 8 end,
  log = case when l.worked_at is null then '' else 'logs/realtime/' || i.id || '-' || l.epoch || '.log' end,
  reason_code = case when l.outcome = 'failed' then 'exit-3' when l.outcome = 'interrupted' then 'lost-lease'
    when l.phase in ('held', 'abandoned') then 'operator-' || l.trigger else '' end,
  reason = case when l.outcome = 'failed' then 'strax: no peaks in 1,024 of 4,096 channels' else '' end
from fill_chosen f join fill_life l on l.life = f.life and l.version = :version
where i.file_id = f.file_id
"""
RAW = """
insert into replica (run_id, file_id, role, step, site, path, status, size, adler32, blake3, created_at)
select f.run_id, f.id, 'raw', '', f.site, f.path, 'present', f.size, f.adler32, f.blake3, f.registered_at
from fill_chosen c join file f on f.id = c.file_id order by f.id
"""
ATTEMPTS = """
insert into attempt (item_id, epoch, step, owner, host, started_at, ended_at, outcome, reason_code, reason, log_site,
  log, usage)
select i.id, l.worked_epoch, l.worked_at, 'w-' || i.id % 12, 'node0' || i.id % 8,
  f.at + (l.after_s - 1) * interval '1 s', case when l.outcome <> 'running' then f.at + l.after_s * interval '1 s' end,
  l.outcome, case l.outcome when 'failed' then 'exit-3' when 'interrupted' then 'lost-lease' else '' end, '', 'work',
  'logs/realtime/' || i.id || '-' || l.worked_epoch || '.log', '{"cpu_s": 1.5, "memory": 512000000}'
from fill_chosen f join item i on i.file_id = f.file_id join fill_life l on l.life = f.life
where l.outcome <> 'running' or i.phase = 'executing' and l.version = i.version
order by i.id, l.version
"""
PRODUCTS = """
insert into product (run_id, file_id, campaign_id, item_id, epoch, step, name, type, size, adler32, blake3, event_first,
  event_last, events, software, configuration, created_at)
select i.run_id, i.file_id, case when a.step = 'reconstruct' then :c end, i.id, a.epoch, a.step, a.step || '.root',
  a.step, 1000000, '1b2c3d4e', md5(i.id::text) || md5(a.step), f.event_first, f.event_last, f.events,
  'headframe 0.1.0', 'a1b2c3', a.ended_at
from fill_chosen c join file f on f.id = c.file_id join item i on i.file_id = f.id join attempt a on a.item_id = i.id
where a.outcome = 'succeeded' and a.step in ('salt', 'reconstruct') order by i.id, a.epoch;
insert into replica (run_id, file_id, product_id, role, step, site, path, link, status, size, adler32, blake3,
  verified_at, item_id, epoch, created_at)
select p.run_id, p.file_id, p.id, p.step, p.step, 'work', 'attempts/realtime/run' || p.run_id || '/' || p.item_id || '-'
  || p.step || '/e' || p.epoch || '/' || p.name, 'realtime/run' || p.run_id || '/' || p.item_id || p.name, 'verified',
  p.size, p.adler32, p.blake3, p.created_at, p.item_id, p.epoch, p.created_at
from fill_chosen c join product p on p.file_id = c.file_id order by p.id
"""
COPIES = """
insert into replica (run_id, file_id, product_id, role, step, site, path, status, size, adler32, blake3, verified_at,
  item_id, epoch, created_at)
select p.run_id, p.file_id, p.id, 'salt', 'place', 'center', 'attempts/realtime/run' || p.run_id || '/' || p.item_id
  || '-place/e' || a.epoch || '/' || p.name, 'verified', p.size, p.adler32, p.blake3, a.ended_at, p.item_id, a.epoch,
  a.ended_at
from fill_chosen c join product p on p.file_id = c.file_id and p.step = 'salt'
join attempt a on a.item_id = p.item_id and a.step = 'place' and a.outcome = 'succeeded' order by p.id
"""
SALT = """
insert into salt_record (product_id, file_id, key_id, sealed, created_at)
select p.id, p.file_id, 'committee-2026', decode(repeat(md5(p.id::text), 6), 'hex'), p.created_at
from fill_chosen c join product p on p.file_id = c.file_id and p.step = 'salt' order by p.id
"""
CATALOG = """
insert into catalog_entry (item_id, epoch, step, file_id, run_id, campaign_id, facts, created_at)
select i.id, i.epoch, 'catalog', i.file_id, i.run_id, :c, '{"trees": ["events"], "events": 100}', i.changed_at
from fill_chosen c join item i on i.file_id = c.file_id where i.phase = 'done' order by i.id
"""
DEAD = """
insert into dead_letter (fingerprint, queue, code, sentence, subject, run_number, count, cleared_at, last_at)
select 'f' || n, 'arrivals', (array['name-mismatch', 'vanished', 'bad-manifest'])[1 + n % 3],
  'the name matches none of the inbox daq''s patterns', 'inbox/stray_' || n || '.dat', n % :runs, 1 + n % 4,
  case when n % 50 <> 0 then now() end, cast(:start as timestamptz) + n * interval '30 s'
from generate_series(1, :files / 30) n
"""
PROCESSES = """
insert into process (owner, role, host, pid, version)
select 'w-' || n, case when n < 12 then 'worker' when n = 12 then 'conductor' else 'sweeper' end,
  'node0' || n % 8, n, '0.1.0' from generate_series(0, 13) n
"""
