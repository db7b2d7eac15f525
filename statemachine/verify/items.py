"""Items: what their columns say agrees."""

from collections.abc import Iterator

from sqlalchemy import Connection

from .fault import Fault, faults, named

CONSISTENT = named("""
with judged as (
  select i.*, s.step as rule_step, case
    when (i.scope = 'file') <> (i.file_id is not null) then 'scope is ' || i.scope || ', but the file is '
      || coalesce(i.file_id::text, 'none')
    when i.phase not in ('waiting', 'ready', 'submitted', 'executing', 'failed', 'held', 'abandoned', 'done')
      then 'there is no such phase'
    when i.phase = 'executing' and (i.owner is null or i.lease_until is null)
      then 'its owner is ' || coalesce(i.owner, 'nobody') || ', its lease ' || coalesce(i.lease_until::text, 'none')
    when i.phase <> 'executing' and (i.owner is not null or i.lease_until is not null)
      then 'its owner is ' || coalesce(i.owner, 'nobody') || ', its lease ' || coalesce(i.lease_until::text, 'none')
    when i.phase = 'submitted' and i.submitted_at is null then 'nobody knows since when it is submitted'
    when i.phase = 'waiting' and i.scope <> 'run' then 'only a run waits for its files'
    when i.phase in ('waiting', 'done') and i.step is not null then 'it has step ' || i.step
    when i.phase = 'done' and s.step is not null then 'step ' || s.step || ' is not done'
    when i.phase not in ('waiting', 'done') and i.step is distinct from s.step
      then 'its step is ' || coalesce(i.step, 'none') || ', in this state it should be ' || coalesce(s.step, 'none')
    when c.pipeline_id <> i.pipeline_id then 'its pipeline is not its campaign''s'
    end as sentence
  from item i join campaign c on c.id = i.campaign_id
  left join step_rule s on s.pipeline_id = i.pipeline_id and s.state = i.state and s.scope = i.scope
  where i.id > :after and i.id <= :upto
)
select {subject} as subject, 'phase-columns' as code, i.state || ' ' || i.phase || ': ' || i.sentence as sentence
from judged i {names} where i.sentence is not null order by i.id
""")

ATTEMPTS = named("""
select {subject} as subject, 'attempt-running' as code,
  'attempt ' || a.epoch || ' at ' || a.step || ' counts as running, but it is ' || i.state || ' ' || i.phase
  || ', epoch ' || i.epoch as sentence
from attempt a join item i on i.id = a.item_id {names}
where a.item_id > :after and a.item_id <= :upto and a.outcome = 'running'
  and (i.phase <> 'executing' or i.epoch <> a.epoch)
order by a.item_id, a.epoch
""")


def consistent(conn: Connection) -> Iterator[Fault]:
    """An item has an owner and a lease exactly while it executes, and the step that its state asks for."""
    return faults(conn, CONSISTENT)


def attempts(conn: Connection) -> Iterator[Fault]:
    """An attempt that has not ended is that of an executing item's present epoch."""
    return faults(conn, ATTEMPTS)
