"""A file beside a sibling that worked: the nearest one in its run, else the latest one of its type."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from .fields import View

NEAR = 50
"""So many files before and after one in its run are its neighbours."""
LATEST = 500


class Side(View):
    """One attempt at one file. Times in seconds, sizes in bytes; `version` is that of the worker, empty if unknown."""

    file: int | None
    name: str
    run: int
    sequence: int | None
    campaign: str
    item: int
    epoch: int
    step: str
    state: str
    phase: str
    outcome: str
    reason_code: str
    reason: str
    host: str
    job: str
    worker: str
    version: str
    started_at: datetime | None
    ended_at: datetime | None
    wall_s: float | None
    cpu_s: float | None
    memory_peak: int | None
    input_size: int | None
    software: str
    configuration: str
    tries: int
    log_site: str
    log: str


class Difference(View):
    """One thing side by side, written out; `differs` where it is not the same, or for a number far from it."""

    what: str
    this: str
    that: str
    differs: bool


class Comparison(View):
    """A file's attempt and its sibling's, at the same step. `how` says how the sibling was chosen, or that none was."""

    this: Side
    that: Side | None
    how: str
    differences: tuple[Difference, ...]


def compare(conn: Connection, file: int, campaign: str | None = None) -> Comparison | None:
    """Compare a file with a sibling that worked; none where nothing was tried of it.

    It is the last attempt that did not succeed that counts, or the last one of all.
    """
    mine = conn.execute(text(SIDE + OF_FILE), {"file": file, "campaign": campaign}).first()
    if mine is None:
        return None
    this = _side(mine)
    that, how = _sibling(conn, mine)
    return Comparison(this=this, that=that, how=how, differences=_differences(this, that) if that else ())


def _sibling(conn: Connection, mine: Row[Any]) -> tuple[Side | None, str]:
    asked = {"file": mine.file, "run_id": mine.run_id, "step": mine.step, "campaign_id": mine.campaign_id}
    nearest = conn.execute(text(NEAREST), {**asked, "sequence": mine.sequence, "near": NEAR}).first()
    if nearest is not None:
        return _one(conn, nearest), f"the nearest file of run {mine.run} whose {mine.step} worked"
    latest = conn.execute(text(SAME_TYPE), {**asked, "kind": mine.kind, "latest": LATEST}).first()
    if latest is not None:
        return _one(conn, latest), f"the latest file of type {mine.kind or 'unknown'} whose {mine.step} worked"
    return None, f"no file near it, and none lately of its type, has had its {mine.step} done"


def _one(conn: Connection, found: Row[Any]) -> Side:
    return _side(conn.execute(text(SIDE + OF_ATTEMPT), {"item": found.item_id, "epoch": found.epoch}).one())


def _side(row: Row[Any]) -> Side:
    usage = row.usage
    values = {name: row._mapping[name] for name in Side.__struct_fields__ if name in row._mapping}
    return Side(**values, **{name: usage.get(name) for name in ("wall_s", "cpu_s", "memory_peak")})


def _differences(this: Side, that: Side) -> tuple[Difference, ...]:
    """Put what may explain it side by side."""
    words = ("outcome", "reason_code", "host", "worker", "version", "software", "configuration", "campaign", "run")
    found = [_words(name, this, that) for name in words]
    found += [_numbers(name, this, that) for name in ("input_size", "wall_s", "cpu_s", "memory_peak", "tries")]
    return tuple(each for each in found if each.this or each.that)


def _words(name: str, this: Side, that: Side) -> Difference:
    one, other = str(getattr(this, name) or ""), str(getattr(that, name) or "")
    unknown = name in ("software", "configuration", "version") and not (one and other)
    return Difference(what=name, this=one, that=other, differs=one != other and not unknown)


def _numbers(name: str, this: Side, that: Side) -> Difference:
    """A number differs where it is more than a half larger than the other."""
    one, other = getattr(this, name), getattr(that, name)
    known = one is not None and other is not None
    differs = known and max(one, other) > 1.5 * min(one, other) + (0.01 if name.endswith("_s") else 0)
    return Difference(what=name, this=_written(one), that=_written(other), differs=bool(differs))


def _written(value: float | None) -> str:
    return "" if value is None else f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"


SIDE = """
select f.id as file, coalesce(f.name, '') as name, run.number as run, run.id as run_id, f.sequence,
  c.name as campaign, c.id as campaign_id, i.kind, i.id as item, a.epoch, a.step, i.state, i.phase, a.outcome,
  a.reason_code, a.reason, a.host, a.job, a.owner as worker, coalesce(p.version, '') as version, a.started_at,
  a.ended_at, a.usage, coalesce(inputs.size, f.size) as input_size, coalesce(made.software, '') as software,
  coalesce(made.configuration, '') as configuration, a.log_site, a.log,
  (select count(*) from attempt t where t.item_id = a.item_id and t.step = a.step and t.epoch <= a.epoch) as tries
from attempt a join item i on i.id = a.item_id join run on run.id = i.run_id join campaign c on c.id = i.campaign_id
left join file f on f.id = i.file_id left join process p on p.owner = a.owner
left join lateral (select m.software, m.configuration from product m
  where m.item_id = a.item_id and m.epoch = a.epoch and m.step = a.step order by m.id limit 1) made on true
left join lateral (select m.size from product m join step_rule s on s.pipeline_id = i.pipeline_id and s.step = m.step
  join step_rule now on now.pipeline_id = i.pipeline_id and now.step = a.step
  where m.file_id = i.file_id and s.rank < now.rank and m.superseded_at is null
    and (m.campaign_id is null or m.campaign_id = i.campaign_id)
  order by s.rank desc, m.id desc limit 1) inputs on true
"""
OF_FILE = """
where i.file_id = :file and (cast(:campaign as text) is null or c.name = :campaign)
order by c.id = run.campaign_id desc, a.outcome in ('failed', 'interrupted') desc, a.item_id desc, a.epoch desc limit 1
"""
OF_ATTEMPT = " where a.item_id = :item and a.epoch = :epoch"
NEAREST = """
select a.item_id, a.epoch from (
  (select id, sequence from file where run_id = :run_id and sequence < :sequence order by sequence desc limit :near)
  union all
  (select id, sequence from file where run_id = :run_id and sequence > :sequence order by sequence limit :near)
) near join item i on i.file_id = near.id and i.campaign_id = :campaign_id
join attempt a on a.item_id = i.id and a.step = :step and a.outcome = 'succeeded'
order by abs(near.sequence - :sequence), a.epoch desc limit 1
"""
SAME_TYPE = """
select a.item_id, a.epoch from (
  select item_id, epoch, ended_at from attempt where step = :step and ended_at is not null and outcome = 'succeeded'
  order by ended_at desc limit :latest
) a join item i on i.id = a.item_id and i.kind = :kind and i.file_id is distinct from :file
order by a.ended_at desc limit 1
"""
