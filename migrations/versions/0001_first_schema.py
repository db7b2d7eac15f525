"""first schema."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None

TRIGGERS = """
create table history_default partition of history default;

create function item_inserted() returns trigger language plpgsql as $$
begin
  insert into history (item_id, version, at, trigger, to_state, to_phase, epoch, to_epoch, campaign_id,
                       owner, actor, host, job, log, reason_code, reason)
  select id, version, changed_at, trigger, state, phase, epoch, epoch, campaign_id,
         owner, actor, host, job, log, reason_code, reason
  from new_rows;
  insert into count_delta (run_id, campaign_id, scope, state, phase, site, n)
  select run_id, campaign_id, scope, state, phase, '', count(*)
  from new_rows group by run_id, campaign_id, scope, state, phase;
  return null;
end $$;

create function item_updated() returns trigger language plpgsql set enable_nestloop = off as $$
begin
  insert into history (item_id, version, at, trigger, from_state, from_phase, to_state, to_phase,
                       epoch, to_epoch, campaign_id, owner, actor, host, job, log, reason_code, reason)
  select n.id, n.version, n.changed_at, n.trigger, o.state, o.phase, n.state, n.phase,
         o.epoch, n.epoch, n.campaign_id, coalesce(n.owner, o.owner), n.actor, n.host, n.job, n.log,
         n.reason_code, n.reason
  from new_rows n join old_rows o using (id)
  where n.version <> o.version;
  insert into count_delta (run_id, campaign_id, scope, state, phase, site, n)
  select run_id, campaign_id, scope, state, phase, '', sum(n) from (
    select run_id, campaign_id, scope, state, phase, 1 as n from new_rows
    union all
    select run_id, campaign_id, scope, state, phase, -1 from old_rows
  ) as both_sides
  group by run_id, campaign_id, scope, state, phase having sum(n) <> 0;
  return null;
end $$;

create function replica_changed() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into count_delta (run_id, campaign_id, scope, state, phase, site, n)
    select run_id, 0, 'replica', role, status, site, count(*)
    from new_rows group by run_id, role, status, site;
  else
    insert into count_delta (run_id, campaign_id, scope, state, phase, site, n)
    select run_id, 0, 'replica', role, status, site, sum(n) from (
      select run_id, role, status, site, 1 as n from new_rows
      union all
      select run_id, role, status, site, -1 from old_rows
    ) as both_sides
    group by run_id, role, status, site having sum(n) <> 0;
  end if;
  return null;
end $$;

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'history is append only';
end $$;

create trigger item_history_insert after insert on item
  referencing new table as new_rows for each statement execute function item_inserted();
create trigger item_history_update after update on item
  referencing old table as old_rows new table as new_rows for each statement execute function item_updated();
create trigger replica_count_insert after insert on replica
  referencing new table as new_rows for each statement execute function replica_changed();
create trigger replica_count_update after update on replica
  referencing old table as old_rows new table as new_rows for each statement execute function replica_changed();
create trigger history_append_only before update or delete on history
  for each row execute function refuse_change();
"""


def upgrade() -> None:
    op.create_table('count_delta',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('run_id', sa.BigInteger(), nullable=False),
    sa.Column('campaign_id', sa.BigInteger(), nullable=False),
    sa.Column('scope', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('phase', sa.Text(), nullable=False),
    sa.Column('site', sa.Text(), nullable=False),
    sa.Column('n', sa.BigInteger(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('id'),
    comment='signed, in the transaction of the change itself; folded into count_total and count_whole by one process'
    )
    op.create_index('count_delta_run', 'count_delta', ['run_id'], unique=False)
    op.create_table('count_total',
    sa.Column('run_id', sa.BigInteger(), nullable=False),
    sa.Column('campaign_id', sa.BigInteger(), nullable=False),
    sa.Column('scope', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('phase', sa.Text(), nullable=False),
    sa.Column('site', sa.Text(), nullable=False),
    sa.Column('n', sa.BigInteger(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('run_id', 'campaign_id', 'scope', 'state', 'phase', 'site'),
    comment='kept counts by run; what has become zero goes'
    )
    op.create_index('count_total_zero', 'count_total', ['run_id'], unique=False, postgresql_where=sa.text('n = 0'))
    op.create_table('count_whole',
    sa.Column('campaign_id', sa.BigInteger(), nullable=False),
    sa.Column('scope', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('phase', sa.Text(), nullable=False),
    sa.Column('site', sa.Text(), nullable=False),
    sa.Column('n', sa.BigInteger(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('campaign_id', 'scope', 'state', 'phase', 'site'),
    comment='the same of all runs together, so that the whole instance is not summed over every run there ever was'
    )
    op.create_table('dead_letter',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('fingerprint', sa.Text(), nullable=False),
    sa.Column('queue', sa.Text(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), server_default='', nullable=False),
    sa.Column('run_number', sa.BigInteger(), nullable=True),
    sa.Column('payload', sa.Text(), server_default='', nullable=False),
    sa.Column('size', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('mtime_ns', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('count', sa.BigInteger(), server_default='1', nullable=False),
    sa.Column('first_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('last_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('replayed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('replayed_by', sa.Text(), server_default='', nullable=False),
    sa.Column('cleared_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('fingerprint')
    )
    op.create_index('dead_letter_last', 'dead_letter', ['last_at'], unique=False)
    op.create_index('dead_letter_open', 'dead_letter', ['last_at', 'id'], unique=False, postgresql_where=sa.text('cleared_at is null'))
    op.create_index('dead_letter_run', 'dead_letter', ['run_number'], unique=False)
    op.create_index('dead_letter_subject', 'dead_letter', ['subject'], unique=False)
    op.create_table('history',
    sa.Column('item_id', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('trigger', sa.Text(), nullable=False),
    sa.Column('from_state', sa.Text(), nullable=True),
    sa.Column('from_phase', sa.Text(), nullable=True),
    sa.Column('to_state', sa.Text(), nullable=False),
    sa.Column('to_phase', sa.Text(), nullable=False),
    sa.Column('epoch', sa.BigInteger(), nullable=True, comment='the epoch that the trigger acted on'),
    sa.Column('to_epoch', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('campaign_id', sa.BigInteger(), nullable=False),
    sa.Column('owner', sa.Text(), nullable=True),
    sa.Column('actor', sa.Text(), server_default='', nullable=False),
    sa.Column('host', sa.Text(), server_default='', nullable=False),
    sa.Column('job', sa.Text(), server_default='', nullable=False),
    sa.Column('log', sa.Text(), server_default='', nullable=False),
    sa.Column('reason_code', sa.Text(), server_default='', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    comment='append only; written by the trigger item_history, by nothing else',
    postgresql_partition_by='RANGE (at)'
    )
    op.create_index('history_at', 'history', ['at'], unique=False, postgresql_using='brin')
    op.create_index('history_item', 'history', ['item_id', 'version'], unique=False)
    op.create_table('history_checkpoint',
    sa.Column('item_id', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('phase', sa.Text(), nullable=False),
    sa.Column('epoch', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('campaign_id', sa.BigInteger(), nullable=False),
    sa.Column('accepted_epoch', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('held_as_duplicate', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.PrimaryKeyConstraint('item_id'),
    comment='where replay starts for an item whose older history was dropped, and what of that still matters'
    )
    op.create_table('late',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('item_id', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('epoch', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('owner', sa.Text(), server_default='', nullable=False),
    sa.Column('trigger', sa.Text(), server_default='', nullable=False),
    sa.Column('cause', sa.Text(), server_default='', nullable=False),
    sa.Column('host', sa.Text(), server_default='', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('id'),
    comment='what came too late to count: a stale epoch, another owner, a settled item'
    )
    op.create_index('late_item', 'late', ['item_id'], unique=False)
    op.create_table('operation',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('selection', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('idempotency_key', sa.Text(), nullable=True),
    sa.Column('total', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('done', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('changed', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('status', sa.Text(), server_default='running', nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('idempotency_key'),
    comment='what operators did; a bulk action is a job that commits pages'
    )
    op.create_table('pause',
    sa.Column('what', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.PrimaryKeyConstraint('what', 'name')
    )
    op.create_table('pilot',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('token', sa.Text(), nullable=False),
    sa.Column('steps', sa.Text(), server_default='', nullable=False),
    sa.Column('status', sa.Text(), server_default='intended', nullable=False),
    sa.Column('job', sa.Text(), server_default='', nullable=False),
    sa.Column('node', sa.Text(), server_default='', nullable=False),
    sa.Column('request', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('submitted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('token')
    )
    op.create_table('pipeline',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('name', sa.Text(), server_default='', nullable=False),
    sa.Column('version', sa.Text(), server_default='', nullable=False),
    sa.Column('definition', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('name', 'version')
    )
    op.create_table('process',
    sa.Column('owner', sa.Text(), nullable=False),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('host', sa.Text(), server_default='', nullable=False),
    sa.Column('pid', sa.BigInteger(), nullable=True),
    sa.Column('version', sa.Text(), server_default='', nullable=False),
    sa.Column('detail', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.PrimaryKeyConstraint('owner'),
    comment='daemons and workers, by the random id of a process start'
    )
    op.create_table('settle',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('site', sa.Text(), nullable=False),
    sa.Column('path', sa.Text(), nullable=False),
    sa.Column('link', sa.Text(), nullable=True),
    sa.Column('replica_id', sa.BigInteger(), nullable=True),
    sa.Column('tries', sa.Integer(), server_default='0', nullable=False),
    sa.Column('error', sa.Text(), server_default='', nullable=False),
    sa.Column('not_before', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('action', 'site', 'path'),
    comment='file-system work after the fact; a row goes when a worker has said that it is done'
    )
    op.create_index('settle_due', 'settle', ['not_before'], unique=False)
    op.create_table('site',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), server_default='processing', nullable=False),
    sa.Column('path', sa.Text(), server_default='', nullable=False),
    sa.Column('status', sa.Text(), server_default='up', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('space', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.PrimaryKeyConstraint('name')
    )
    op.create_table('watermark',
    sa.Column('lane', sa.Text(), nullable=False),
    sa.Column('applied_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.PrimaryKeyConstraint('lane'),
    comment='every report sent before this time has been applied'
    )
    op.create_table('campaign',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('pipeline_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), server_default='realtime', nullable=False),
    sa.Column('lane', sa.Text(), server_default='live', nullable=False),
    sa.Column('weight', sa.Integer(), server_default='100', nullable=False),
    sa.Column('status', sa.Text(), server_default='open', nullable=False),
    sa.Column('created_by', sa.Text(), server_default='conductor', nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('note', sa.Text(), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['pipeline_id'], ['pipeline.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('name')
    )
    op.create_table('step_rule',
    sa.Column('pipeline_id', sa.BigInteger(), nullable=False),
    sa.Column('rank', sa.Integer(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('step', sa.Text(), nullable=False),
    sa.Column('to_state', sa.Text(), nullable=False),
    sa.Column('scope', sa.Text(), nullable=False),
    sa.Column('makes', sa.Text(), nullable=False),
    sa.Column('owned_by', sa.Text(), nullable=False),
    sa.Column('accepts_failed', sa.Boolean(), nullable=False),
    sa.Column('retries', sa.Integer(), nullable=False),
    sa.Column('interrupts', sa.Integer(), nullable=False),
    sa.Column('backoff_s', sa.Double(), nullable=False),
    sa.Column('backoff_max_s', sa.Double(), nullable=False),
    sa.Column('lease_s', sa.Double(), nullable=False),
    sa.Column('bypassed_by', sa.ARRAY(sa.Text()), nullable=False),
    sa.ForeignKeyConstraint(['pipeline_id'], ['pipeline.id'], ),
    sa.PrimaryKeyConstraint('pipeline_id', 'state'),
    comment="a pipeline's table of legal next states, as the store's SQL joins it"
    )
    op.create_table('run',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=True),
    sa.Column('known_kind', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('campaign_id', sa.BigInteger(), nullable=True),
    sa.Column('identity', sa.Text(), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('expected', sa.Integer(), nullable=True),
    sa.Column('first_sequence', sa.Integer(), nullable=True),
    sa.Column('waived', sa.Integer(), server_default='0', nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_by', sa.Text(), server_default='', nullable=False),
    sa.Column('quality', sa.Text(), server_default='unknown', nullable=False),
    sa.Column('metadata', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('source', sa.Text(), server_default='', nullable=False),
    sa.Column('rewound_at', sa.DateTime(timezone=True), nullable=True, comment='set while a run-scope result may be older than the files'),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('version', sa.BigInteger(), server_default='1', nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaign.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('number')
    )
    op.create_table('file',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('run_id', sa.BigInteger(), nullable=False),
    sa.Column('sequence', sa.Integer(), nullable=True),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('site', sa.Text(), nullable=True),
    sa.Column('path', sa.Text(), nullable=True),
    sa.Column('size', sa.BigInteger(), nullable=True),
    sa.Column('mtime_ns', sa.BigInteger(), nullable=True),
    sa.Column('closed_ns', sa.BigInteger(), nullable=True),
    sa.Column('adler32', sa.Text(), nullable=True),
    sa.Column('blake3', sa.Text(), nullable=True),
    sa.Column('inbox', sa.Text(), server_default='', nullable=False),
    sa.Column('registered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('expected_size', sa.BigInteger(), nullable=True),
    sa.Column('expected_adler32', sa.Text(), nullable=True),
    sa.Column('waived_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('waived_by', sa.Text(), server_default='', nullable=False),
    sa.Column('waived_reason', sa.Text(), server_default='', nullable=False),
    sa.Column('event_first', sa.BigInteger(), nullable=True),
    sa.Column('event_last', sa.BigInteger(), nullable=True),
    sa.Column('events', sa.BigInteger(), nullable=True),
    sa.Column('secured_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.ForeignKeyConstraint(['run_id'], ['run.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('file_content', 'file', ['blake3'], unique=False, postgresql_where=sa.text('blake3 is not null'))
    op.create_index('file_name', 'file', ['name'], unique=False)
    op.create_index('file_place', 'file', ['site', 'path'], unique=True)
    op.create_index('file_run_name', 'file', ['run_id', 'name'], unique=True)
    op.create_index('file_run_sequence', 'file', ['run_id', 'sequence'], unique=True)
    op.create_table('run_operation',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('run_id', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('operation', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('before', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('after', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.ForeignKeyConstraint(['run_id'], ['run.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('run_operation_run', 'run_operation', ['run_id', 'id'], unique=False)
    op.create_table('item',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('campaign_id', sa.BigInteger(), nullable=False),
    sa.Column('pipeline_id', sa.BigInteger(), nullable=False),
    sa.Column('run_id', sa.BigInteger(), nullable=False),
    sa.Column('file_id', sa.BigInteger(), nullable=True),
    sa.Column('scope', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), server_default='', nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('phase', sa.Text(), nullable=False),
    sa.Column('step', sa.Text(), nullable=True),
    sa.Column('lane', sa.Text(), server_default='live', nullable=False),
    sa.Column('priority', sa.Integer(), server_default='0', nullable=False),
    sa.Column('epoch', sa.BigInteger(), server_default='1', nullable=False),
    sa.Column('version', sa.BigInteger(), server_default='1', nullable=False),
    sa.Column('owner', sa.Text(), nullable=True),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('submitted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('not_before', sa.DateTime(timezone=True), nullable=True),
    sa.Column('failures', sa.Integer(), server_default='0', nullable=False),
    sa.Column('interrupts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('nodes', sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('request', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('conditions', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('trouble_since', sa.DateTime(timezone=True), nullable=True),
    sa.Column('trigger', sa.Text(), nullable=False),
    sa.Column('actor', sa.Text(), server_default='', nullable=False),
    sa.Column('reason_code', sa.Text(), server_default='', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('host', sa.Text(), server_default='', nullable=False),
    sa.Column('job', sa.Text(), server_default='', nullable=False),
    sa.Column('log', sa.Text(), server_default='', nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaign.id'], ),
    sa.ForeignKeyConstraint(['file_id'], ['file.id'], ),
    sa.ForeignKeyConstraint(['pipeline_id'], ['pipeline.id'], ),
    sa.ForeignKeyConstraint(['run_id'], ['run.id'], ),
    sa.PrimaryKeyConstraint('id'),
    postgresql_with={'fillfactor': '70'}
    )
    op.create_index('item_executing', 'item', ['id'], unique=False, postgresql_where=sa.text("phase = 'executing'"))
    op.create_index('item_file', 'item', ['file_id'], unique=False)
    op.create_index('item_of_run', 'item', ['phase', 'state', 'run_id'], unique=False, postgresql_where=sa.text("scope = 'run'"))
    op.create_index('item_once', 'item', ['campaign_id', 'run_id', 'file_id'], unique=True, postgresql_nulls_not_distinct=True)
    op.create_index('item_ready', 'item', ['step', 'lane', 'priority', 'id'], unique=False, postgresql_where=sa.text("phase = 'ready'"))
    op.create_index('item_run', 'item', ['run_id'], unique=False)
    op.create_index('item_submitted', 'item', ['step', 'lane', 'submitted_at'], unique=False, postgresql_where=sa.text("phase = 'submitted'"))
    op.create_index('item_trouble', 'item', ['phase', 'id'], unique=False, postgresql_where=sa.text("phase in ('failed', 'held', 'abandoned')"))
    op.create_table('attempt',
    sa.Column('item_id', sa.BigInteger(), nullable=False),
    sa.Column('epoch', sa.BigInteger(), nullable=False),
    sa.Column('step', sa.Text(), nullable=False),
    sa.Column('owner', sa.Text(), server_default='', nullable=False),
    sa.Column('host', sa.Text(), server_default='', nullable=False),
    sa.Column('job', sa.Text(), server_default='', nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('outcome', sa.Text(), server_default='running', nullable=False),
    sa.Column('reason_code', sa.Text(), server_default='', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('log_site', sa.Text(), server_default='', nullable=False),
    sa.Column('log', sa.Text(), server_default='', nullable=False),
    sa.Column('usage', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.ForeignKeyConstraint(['item_id'], ['item.id'], ),
    sa.PrimaryKeyConstraint('item_id', 'epoch')
    )
    op.create_index('attempt_ended', 'attempt', ['ended_at'], unique=False)
    op.create_index('attempt_host', 'attempt', ['host', 'ended_at'], unique=False)
    op.create_index('attempt_step', 'attempt', ['step', 'ended_at'], unique=False)
    op.create_index('attempt_trouble', 'attempt', ['ended_at'], unique=False, postgresql_where=sa.text("outcome <> 'succeeded'"))
    op.create_table('catalog_entry',
    sa.Column('item_id', sa.BigInteger(), nullable=False),
    sa.Column('epoch', sa.BigInteger(), nullable=False),
    sa.Column('step', sa.Text(), nullable=False),
    sa.Column('file_id', sa.BigInteger(), nullable=True),
    sa.Column('run_id', sa.BigInteger(), nullable=False),
    sa.Column('campaign_id', sa.BigInteger(), nullable=False),
    sa.Column('facts', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaign.id'], ),
    sa.ForeignKeyConstraint(['file_id'], ['file.id'], ),
    sa.ForeignKeyConstraint(['item_id'], ['item.id'], ),
    sa.ForeignKeyConstraint(['run_id'], ['run.id'], ),
    sa.PrimaryKeyConstraint('item_id', 'step')
    )
    op.create_index('catalog_entry_run', 'catalog_entry', ['run_id'], unique=False)
    op.create_table('product',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('run_id', sa.BigInteger(), nullable=False),
    sa.Column('file_id', sa.BigInteger(), nullable=True),
    sa.Column('campaign_id', sa.BigInteger(), nullable=True),
    sa.Column('item_id', sa.BigInteger(), nullable=False),
    sa.Column('epoch', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('step', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('type', sa.Text(), nullable=False),
    sa.Column('size', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('adler32', sa.Text(), server_default='', nullable=False),
    sa.Column('blake3', sa.Text(), server_default='', nullable=False),
    sa.Column('event_first', sa.BigInteger(), nullable=True),
    sa.Column('event_last', sa.BigInteger(), nullable=True),
    sa.Column('events', sa.BigInteger(), nullable=True),
    sa.Column('software', sa.Text(), server_default='', nullable=False),
    sa.Column('configuration', sa.Text(), server_default='', nullable=False),
    sa.Column('metadata', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('superseded_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('superseded_reason', sa.Text(), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaign.id'], ),
    sa.ForeignKeyConstraint(['file_id'], ['file.id'], ),
    sa.ForeignKeyConstraint(['item_id'], ['item.id'], ),
    sa.ForeignKeyConstraint(['run_id'], ['run.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('item_id', 'epoch', 'name')
    )
    op.create_index('product_file', 'product', ['file_id', 'step'], unique=False)
    op.create_index('product_run', 'product', ['run_id', 'type'], unique=False)
    op.create_table('replica',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('run_id', sa.BigInteger(), nullable=False),
    sa.Column('file_id', sa.BigInteger(), nullable=True),
    sa.Column('product_id', sa.BigInteger(), nullable=True),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('step', sa.Text(), server_default='', nullable=False),
    sa.Column('site', sa.Text(), nullable=False),
    sa.Column('path', sa.Text(collation='C'), nullable=False),
    sa.Column('link', sa.Text(), server_default='', nullable=False),
    sa.Column('status', sa.Text(), server_default='present', nullable=False),
    sa.Column('size', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('adler32', sa.Text(), server_default='', nullable=False),
    sa.Column('blake3', sa.Text(), server_default='', nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('verified_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('retired_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('item_id', sa.BigInteger(), nullable=True),
    sa.Column('epoch', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['file_id'], ['file.id'], ),
    sa.ForeignKeyConstraint(['product_id'], ['product.id'], ),
    sa.ForeignKeyConstraint(['run_id'], ['run.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('site', 'path')
    )
    op.create_index('replica_file', 'replica', ['file_id'], unique=False)
    op.create_index('replica_product', 'replica', ['product_id'], unique=False)
    op.create_index('replica_run', 'replica', ['run_id', 'site'], unique=False)
    op.create_table('salt_record',
    sa.Column('product_id', sa.BigInteger(), nullable=False),
    sa.Column('file_id', sa.BigInteger(), nullable=False),
    sa.Column('key_id', sa.Text(), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.ForeignKeyConstraint(['file_id'], ['file.id'], ),
    sa.ForeignKeyConstraint(['product_id'], ['product.id'], ),
    sa.PrimaryKeyConstraint('product_id')
    )
    op.execute(TRIGGERS)


def downgrade() -> None:
    raise RuntimeError('the first schema has nothing below it; drop the PostgreSQL schema instead')
