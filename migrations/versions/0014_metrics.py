"""kept sums for metrics."""

from alembic import op
import sqlalchemy as sa

revision = '0014_metrics'
down_revision = '0013_alerts'
branch_labels = None
depends_on = None

# The classes are kept, not the codes: commands make up codes of their own, and a counter must not change its class later.
CLASSES = """
create function retry_class(trigger text, code text) returns text language sql immutable parallel safe as $$
  select case when trigger = 'fail' then 'payload'
    when code = 'walltime' then 'walltime'
    when code in ('memory', 'too-little-memory', 'no-memory') then 'memory'
    when code in ('preempted', 'pilot-ended', 'drain', 'given-back') then 'preempted'
    when code in ('no-space', 'no-quota', 'read-only', 'stale-handle', 'io-error', 'storage-away', 'site-away') then 'storage'
    when code in ('delivery-limit', 'undelivered') then 'broker'
    else 'infrastructure' end
$$;

create function seconds_bucket(seconds double precision) returns integer language sql immutable parallel safe as $$
  select cast(floor(8 * ln(greatest(seconds, 0.001)) / ln(cast(2 as double precision))) as integer)
$$;
"""

# One pass over what changed writes both: what is to be measured, and what is counted. 0.1.0 takes what is measured alike.
CHANGED = """
create or replace function item_measured() returns trigger language plpgsql set enable_nestloop = off as $$
begin
  with changed as (
    select n.id, n.version, o.epoch, n.changed_at, n.trigger, coalesce(o.step, '') as step, n.lane, n.campaign_id, n.kind,
      n.scope = 'file' and n.phase = 'done' and o.phase <> 'done' as finished,
      n.phase = 'ready' and n.trigger in ('fail', 'interrupt') as again, n.reason_code
    from new_rows n join old_rows o using (id)
    where n.version <> o.version
  ), due as (
    insert into measure_due (item_id, version, epoch, at, trigger, step, lane, campaign_id, kind, finished)
    select id, version, epoch, changed_at, trigger, step, lane, campaign_id, kind, finished from changed
    where trigger in ('succeed', 'skipped', 'bypassed', 'reused', 'fail', 'interrupt')
  )
  insert into sum_delta (name, step, lane, what, n)
  select 'transition', step, lane, trigger, count(*) from changed group by step, lane, trigger
  union all
  select 'retry', step, '', retry_class(trigger, reason_code), count(*) from changed where again group by 2, 4;
  return null;
end $$;
"""
CHANGED_BEFORE = """
create or replace function item_measured() returns trigger language plpgsql set enable_nestloop = off as $$
begin
  insert into measure_due (item_id, version, epoch, at, trigger, step, lane, campaign_id, kind, finished)
  select n.id, n.version, o.epoch, n.changed_at, n.trigger, coalesce(o.step, ''), n.lane, n.campaign_id, n.kind,
    n.scope = 'file' and n.phase = 'done' and o.phase <> 'done'
  from new_rows n join old_rows o using (id)
  where n.version <> o.version and n.trigger in ('succeed', 'skipped', 'bypassed', 'reused', 'fail', 'interrupt');
  return null;
end $$;
"""

# A plan that was made while tables were small is kept: it must be by their keys, or it reads them whole later.
MADE = """
create function item_summed() returns trigger language plpgsql set enable_seqscan = off as $$
begin
  insert into sum_delta (name, lane, what, n)
  select 'transition', lane, trigger, count(*) from new_rows group by lane, trigger;
  insert into sum_delta (name, what, bucket, n, seconds)
  select 'reached', state, seconds_bucket(seconds), count(*), sum(seconds)
  from (
    select n.state, cast(greatest(0, extract(epoch from n.changed_at
        - coalesce(to_timestamp(f.closed_ns / 1e9), f.registered_at))) as double precision) as seconds
    from new_rows n join campaign c on c.id = n.campaign_id join file f on f.id = n.file_id
    where n.scope = 'file' and c.kind = 'realtime'
  ) arrived
  where seconds is not null group by 2, 3;
  return null;
end $$;

create function replica_summed() returns trigger language plpgsql set enable_seqscan = off as $$
begin
  insert into sum_delta (name, what, n)
  select 'arrived', case when r.known_kind then r.kind else 'unknown' end, count(*)
  from new_rows n join run r on r.id = n.run_id where n.role = 'raw' and n.item_id is null group by 2
  union all
  select 'written', site, sum(size) from new_rows where item_id is not null group by site;
  return null;
end $$;

create trigger item_sum_insert after insert on item
  referencing new table as new_rows for each statement execute function item_summed();
create trigger replica_sum_insert after insert on replica
  referencing new table as new_rows for each statement execute function replica_summed();
"""

# Since when no file has arrived is known from the beginning; all else is counted from here on.
LAST = """
insert into sum_total (name, step, lane, what, bucket, last_at)
select 'arrived', '', '', case when r.known_kind then r.kind else 'unknown' end, 0, f.registered_at
from file f join run r on r.id = f.run_id where f.registered_at is not null order by f.id desc limit 1
"""


def _keys() -> list[sa.Column]:
    words = [sa.Column(name, sa.Text(), server_default='', nullable=False) for name in ('name', 'step', 'lane', 'what')]
    return [*words, sa.Column('bucket', sa.Integer(), server_default='0', nullable=False)]


def _sums() -> list[sa.Column]:
    return [
        sa.Column('n', sa.BigInteger(), server_default='0', nullable=False),
        sa.Column('seconds', sa.Double(), server_default='0', nullable=False),
        sa.Column('last_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    ]


def upgrade() -> None:
    op.create_table('site_sample',
    sa.Column('site', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('free', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('total', sa.BigInteger(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('site', 'at'),
    comment='how much room a site had, the first look of each five minutes; for a week'
    )
    op.create_table('sum_total',
    *_keys(), *_sums(),
    sa.PrimaryKeyConstraint('name', 'step', 'lane', 'what', 'bucket'),
    comment='what has happened since the beginning, for metrics: it only grows'
    )
    op.create_table('sum_delta',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    *_keys(), *_sums(),
    sa.PrimaryKeyConstraint('id'),
    comment='in the transaction of the change itself; folded into sum_total by one process'
    )
    op.create_index('run_open', 'run', ['id'], unique=False, postgresql_where=sa.text('closed_at is null'))
    op.execute(CLASSES)
    op.execute(LAST)
    op.execute(CHANGED)
    op.execute(MADE)


def downgrade() -> None:
    op.execute('drop trigger replica_sum_insert on replica')
    op.execute('drop trigger item_sum_insert on item')
    op.execute(CHANGED_BEFORE)
    for function in ('replica_summed()', 'item_summed()', 'seconds_bucket(double precision)', 'retry_class(text, text)'):
        op.execute(f'drop function {function}')
    op.drop_index('run_open', 'run')
    for table in ('sum_delta', 'sum_total', 'site_sample'):
        op.drop_table(table)
