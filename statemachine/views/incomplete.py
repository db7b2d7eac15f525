"""Runs with missing files: fewer have come, or been declared missing, than the detector announced."""

from sqlalchemy import Connection, text

SHORT = text("""
with waiting as materialized (
  select run.id, run.number, run.campaign_id, run.expected, run.waived from item i join run on run.id = i.run_id
  where i.scope = 'run' and i.phase in ('waiting', 'held') and i.campaign_id = run.campaign_id
    and run.expected > run.waived
), came as (
  select run_id, campaign_id, sum(n) as n from (
    select t.run_id, t.campaign_id, t.n from waiting w
    join count_total t on t.run_id = w.id and t.campaign_id = w.campaign_id and t.scope = 'file'
    union all
    select d.run_id, d.campaign_id, d.n from count_delta d where d.scope = 'file'
  ) as both_tables group by run_id, campaign_id
)
select w.id from waiting w left join came on came.run_id = w.id and came.campaign_id = w.campaign_id
where w.expected - w.waived > coalesce(came.n, 0)
""")
"""What is complete and done is not looked at: only runs that still wait for their files can miss one."""


def incomplete(conn: Connection) -> list[int]:
    """Give the ids of the runs that miss files, all of them."""
    return list(conn.execute(SHORT).scalars())
