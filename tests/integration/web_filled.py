"""A database as it looks in the middle of a shift: complete runs, a live one, failures, gaps, odd names."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import psycopg2
from sqlalchemy import Connection, Engine, text

from headframe.statemachine.pipeline import Pipeline, RunType, Step, build
from headframe.statemachine.store.campaigns import ensure_pipeline

from .servers import PostgresServer

ODD_NAME = '<script>alert("x")</script> & ünï.h5'


@dataclass(frozen=True)
class Filled:
    """What was put in: run numbers oldest first, files a run."""

    first: int
    runs: int
    files: int

    @property
    def newest(self) -> int:
        return self.first + self.runs - 1


class Template(NamedTuple):
    """A filled database that others are cloned from: its name, what is in it."""

    name: str
    filled: Filled


@contextmanager
def cloned(postgres: PostgresServer, template: str) -> Iterator[str]:
    """Give the URL of a clone of the migrated database, for a whole module; it vanishes afterwards."""
    name = f"web_{secrets.token_hex(6)}"
    with closing(psycopg2.connect(postgres.url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"create database {name} template {template}")
        yield postgres.url_of(name)
        cursor.execute(f"drop database {name} with (force)")


def pipeline() -> Pipeline:
    steps = [
        Step(name="salt", to="salted", owned_by="file"),
        Step(name="place", to="placed", makes="copy", owned_by="file"),
        Step(name="reconstruct", to="reconstructed"),
        Step(name="catalog", to="cataloged", makes="nothing"),
    ]
    bypass = RunType(bypass=("salt",))
    return build("default", steps, {"science": RunType(), "calibration": bypass, "led": bypass})


def fill(
    engine: Engine, runs: int = 20, files: int = 1000, first: int = 1201, *, leave_out: tuple[str, ...] = ()
) -> Filled:
    """Fill an empty, migrated database. The newest run is under way; each fifth has trouble; each seventh a gap.

    `leave_out` are statements of `STATEMENTS` that a large fill may do without.
    """
    with engine.begin() as connection:
        pinned = ensure_pipeline(connection, pipeline())
        campaign = connection.execute(text(CAMPAIGN), {"p": pinned}).scalar_one()
        values = {"p": pinned, "c": campaign, "runs": runs, "files": files, "first": first}
        for statement in STATEMENTS:
            if statement not in leave_out:
                connection.execute(text(statement), values)
        _odd(connection, first + runs - 1)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))
    return Filled(first=first, runs=runs, files=files)


def _odd(connection: Connection, newest: int) -> None:
    values = {"name": ODD_NAME, "run": newest}
    for statement in ODD:
        connection.execute(text(statement), values)


CAMPAIGN = "insert into campaign (name, pipeline_id) values ('realtime-2026w47', :p) returning id"
RUNS = """
insert into run (number, kind, known_kind, campaign_id, started_at, ended_at, expected, first_sequence, closed_at,
  closed_by, source)
select :first + n, (array['science', 'science', 'calibration', 'led'])[1 + n % 4], true, :c, start,
  case when n < :runs - 1 then start + interval '52 min' end, :files, 0,
  case when n < :runs - 1 then start + interval '53 min' end, case when n < :runs - 1 then 'manifest' else '' end,
  'manifest'
from (select n, timestamptz '2026-11-20 00:12:30Z' + n * interval '1 hour' as start
  from generate_series(0, :runs - 1) n) numbered
"""
FILES = """
insert into file (run_id, sequence, name, site, path, size, mtime_ns, adler32, blake3, inbox, registered_at)
select r.id, q, 'run' || lpad(r.number::text, 6, '0') || '_' || lpad(q::text, 5, '0') || '.h5',
  case when here then 'SURF' end, case when here then 'inbox/' || r.number || '/' || q || '.h5' end,
  case when here then 250000000 + q end, 0, case when here then '0a1b2c3d' end,
  case when here then repeat(md5(r.number || '-' || q), 2) end, 'daq',
  case when here then r.started_at + q * interval '3 s' end
from run r cross join generate_series(0, :files - 1) q
cross join lateral (select not (
  (r.number = :first + :runs - 1 and q > :files * 3 / 5) or ((r.number - :first) % 7 = 6 and q in (17, 18, 19, 44))
) as here) h
where not ((r.number - :first) % 7 = 6 and q in (18, 44))
order by r.id, q
"""
ITEMS = """
insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, step, trigger, actor, owner,
  host, log, reason_code, reason, trouble_since, lease_until, epoch, version, failures)
select :c, :p, r.id, f.id, 'file', r.kind, states[rank + 1], phase, steps[rank + 1], 'arrive', 'conductor',
  case when phase = 'executing' then 'w-' || f.id % 12 end,
  case when phase in ('executing', 'failed') then 'node07' else '' end,
  case when phase = 'failed' then 'logs/' || f.id || '.log' else '' end,
  case phase when 'failed' then 'exit-3' when 'held' then 'operator' when 'abandoned' then 'operator' else '' end,
  case phase when 'failed' then 'strax: no peaks in 1,024 of 4,096 channels'
    when 'held' then 'PMT trip, wait for DAQ' when 'abandoned' then 'detector off' else '' end,
  case when phase in ('failed', 'held', 'abandoned') then now() - interval '40 min' end,
  case when phase = 'executing' then now() + interval '50 s' end, rank + 1, rank * 3 + 1,
  case when phase = 'failed' then 4 else 0 end
from file f join run r on r.id = f.run_id
cross join (select array['arrived', 'salted', 'placed', 'reconstructed', 'cataloged'] as states,
  array['salt', 'place', 'reconstruct', 'catalog', null] as steps) names
cross join lateral (select case
  when r.number = :first + :runs - 1 then greatest(0, least(4, 4 - f.sequence * 7 / :files))
  when (r.number - :first) % 5 = 3 and f.sequence in (3, 4, 5, 40, 41, 90, 91) then 2 else 4 end as rank) ranked
cross join lateral (select case
  when rank = 4 then 'done'
  when (r.number - :first) % 5 = 3 then
    case when f.sequence < 6 then 'failed' when f.sequence < 50 then 'held' else 'abandoned' end
  when f.sequence % 97 = 11 then 'failed'
  else (array['ready', 'submitted', 'submitted', 'executing'])[1 + f.sequence % 4] end as phase) phased
where f.registered_at is not null
order by f.id
"""
RUN_ITEMS = """
insert into item (campaign_id, pipeline_id, run_id, scope, kind, state, phase, trigger, actor)
select :c, :p, r.id, 'run', r.kind,
  case when r.closed_at is null then 'arrived' when (r.number - :first) % 5 = 3 then 'placed'
    when (r.number - :first) % 7 = 6 then 'arrived' else 'cataloged' end,
  case when r.closed_at is null or (r.number - :first) % 5 = 3 or (r.number - :first) % 7 = 6
    then 'waiting' else 'done' end,
  'arrive', 'conductor' from run r order by r.id
"""
REPLICAS = """
insert into replica (run_id, file_id, role, site, path, status, size, adler32, blake3)
select run_id, id, 'raw', 'SURF', path, 'present', size, adler32, blake3 from file
where registered_at is not null order by id
"""
PRODUCTS = """
with made as (
  insert into product (run_id, file_id, item_id, epoch, step, name, type, size, adler32, blake3, event_first,
    event_last, events, software, configuration)
  select i.run_id, f.id, i.id, 1, 'salt', 'salted_' || f.name, 'raw', f.size + 1000, '1b2c3d4e', f.blake3,
    f.sequence * 100, f.sequence * 100 + 99, 100, 'headframe 0.1.0', 'a1b2c3'
  from item i join file f on f.id = i.file_id where i.state <> 'arrived' order by i.id
  returning id, run_id, file_id, item_id, size, adler32, blake3)
insert into replica (run_id, file_id, product_id, role, step, site, path, status, size, adler32, blake3, verified_at,
  item_id, epoch)
select m.run_id, m.file_id, m.id, 'salt', case when site = 'USDC' then 'place' else 'salt' end, site,
  'salted/' || m.id || '-' || m.file_id || '.h5', 'verified', m.size, m.adler32, m.blake3, now(), m.item_id, 1
from made m cross join (values ('SURF'), ('USDC')) s(site) order by m.id
"""
ATTEMPTS = """
insert into attempt (item_id, epoch, step, owner, host, job, started_at, ended_at, outcome, reason_code, reason,
  log_site, log, usage)
select i.id, e, coalesce(i.step, 'catalog'), 'w-' || i.id % 12, 'node0' || i.id % 8, '81' || i.id,
  now() - interval '9 min',
  case when e < i.epoch or i.phase <> 'executing' then now() - interval '8 min' end,
  case when e = i.epoch and i.phase = 'failed' then 'failed' when e = i.epoch and i.phase = 'executing' then 'running'
    else 'succeeded' end,
  case when e = i.epoch and i.phase = 'failed' then i.reason_code else '' end,
  case when e = i.epoch and i.phase = 'failed' then i.reason else '' end, 'SURF', 'logs/' || i.id || '-' || e || '.log',
  jsonb_build_object('wall_s', 60 + i.id % 40, 'cpu_s', 50 + i.id % 30, 'memory_peak', 1500000000 + i.id * 1000,
    'queue_s', i.id % 7)
from item i cross join lateral generate_series(1, i.epoch) e where i.file_id is not null and i.run_id > :runs - 4
order by i.id, e
"""
DEAD = """
insert into dead_letter (fingerprint, queue, code, sentence, subject, run_number, count)
select 'f' || n, 'arrivals', (array['name-mismatch', 'vanished', 'bad-manifest'])[1 + n % 3],
  'the name matches none of the inbox daq''s patterns', 'inbox/stray_' || n || '.dat', :first + n % 60, 1 + n % 4
from generate_series(1, 120) n
"""
PROCESSES = """
insert into process (owner, role, host, pid, version)
select 'w-' || n, case when n < 12 then 'worker' when n = 12 then 'conductor' else 'sweeper' end,
  'node0' || n % 8, n, '0.1.0'
from generate_series(0, 13) n
"""
FOLD = """
with taken as (delete from count_delta where run_id < :runs returning *), of_runs as (
  insert into count_total (run_id, campaign_id, scope, state, phase, site, n)
  select run_id, campaign_id, scope, state, phase, site, sum(n) from taken
  group by run_id, campaign_id, scope, state, phase, site
)
insert into count_whole (campaign_id, scope, state, phase, site, n)
select campaign_id, scope, state, phase, site, sum(n) from taken group by campaign_id, scope, state, phase, site
"""
STATEMENTS = (RUNS, FILES, ITEMS, RUN_ITEMS, REPLICAS, PRODUCTS, ATTEMPTS, DEAD, PROCESSES, FOLD)
RENAME = """
update file set name = :name
where id = (select min(f.id) from file f join run r on r.id = f.run_id where r.number = :run)
"""
FAIL = """
update item set state = 'placed', step = 'reconstruct', phase = 'failed', version = version + 1,
  trigger = 'fail', reason_code = 'exit-3', reason = :name,
  changed_at = clock_timestamp()
where file_id = (select id from file where name = :name) and :run > 0
"""
ODD_DEAD = """
insert into dead_letter (fingerprint, queue, code, sentence, subject, run_number)
values ('odd', 'arrivals', 'name-mismatch', :name, :name, :run)
"""
ODD = (RENAME, FAIL, ODD_DEAD)
