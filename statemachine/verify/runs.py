"""Runs against their files."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from .fault import Fault

NOT_AHEAD = text("""
with ends as (
  select pipeline_id, count(*) filter (where scope = 'file') as files_end, count(*) as steps,
    coalesce((array_agg(accepts_failed order by rank) filter (where scope = 'run'))[1], false) as accepts_failed
  from step_rule group by pipeline_id
), runs as (
  select i.id, i.run_id, i.campaign_id, i.pipeline_id, i.state, i.phase, ends.files_end, ends.accepts_failed,
    least(coalesce(s.rank, ends.steps), ends.files_end) as rank
  from item i join ends on ends.pipeline_id = i.pipeline_id
  left join step_rule s on s.pipeline_id = i.pipeline_id and s.state = i.state
  where i.scope = 'run'
), slowest as (
  select r.id, count(f.id) as registered, min(coalesce(s.rank, r.files_end)) filter (
    where f.phase <> 'abandoned' and not (f.phase = 'failed' and r.accepts_failed and r.rank >= r.files_end)) as rank
  from runs r left join item f on f.run_id = r.run_id and f.campaign_id = r.campaign_id and f.scope = 'file'
  left join step_rule s on s.pipeline_id = f.pipeline_id and s.state = f.state and s.scope = 'file'
  group by r.id
)
select 'run ' || run.number || ' in ' || c.name as subject, case when s.rank < r.rank then 'run-ahead'
    else 'run-not-complete' end as code,
  'it is ' || r.state || ' ' || r.phase || case when s.rank < r.rank then ', a file of it is only '
    || (select state from step_rule p where p.pipeline_id = r.pipeline_id and p.rank = s.rank)
    else ', with ' || s.registered || ' files and ' || run.waived || ' declared missing of '
    || coalesce(run.expected::text, 'an unknown number') || case when run.closed_at is null then ', still open' else ''
    end end as sentence
from runs r join slowest s on s.id = r.id join run on run.id = r.run_id join campaign c on c.id = r.campaign_id
where r.rank > 0 and (s.rank < r.rank or run.closed_at is null or run.expected is null
  or s.registered + run.waived <> run.expected)
order by r.id
""")

WAIVED = text("""
select run.number, run.waived, count(file.id) as counted
from run left join file on file.run_id = run.id and file.waived_at is not null
group by run.id having run.waived <> count(file.id) order by run.id
""")


def not_ahead(conn: Connection) -> Iterator[Fault]:
    """A run is in a state only when all its files are there, none is missing, and all that count got there."""
    for row in conn.execute(NOT_AHEAD):
        yield Fault(code=row.code, subject=row.subject, sentence=row.sentence)


def waived(conn: Connection) -> Iterator[Fault]:
    """A run's number of files declared missing is the number of such files."""
    for row in conn.execute(WAIVED):
        sentence = f"{row.waived} files are said to be declared missing, {row.counted} are"
        yield Fault(code="waived-differs", subject=f"run {row.number}", sentence=sentence)
