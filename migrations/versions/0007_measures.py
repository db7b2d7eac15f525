"""latencies, rates, families of failures."""

from alembic import op
import sqlalchemy as sa

revision = '0007_measures'
down_revision = '0006_changes'
branch_labels = None
depends_on = None

# What people say of a failure, without what differs from one to the next: hosts, paths, names in quotes, numbers.
TEMPLATE = r"""
create function failure_template(said text, host text) returns text language plpgsql immutable parallel safe as $$
declare t text := left(said, 1000);
begin
  if length(host) > 2 then t := replace(t, host, '<host>'); end if;
  t := regexp_replace(t, '\s+', ' ', 'g');
  t := regexp_replace(t, '[a-z][a-z0-9+.-]*://\S+', '<url>', 'gi');
  t := regexp_replace(t, '"[^"]*"|`[^`]*`|“[^”]*”|(?<!\w)''[^'']*''(?!\w)', '<name>', 'g');
  t := regexp_replace(t, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '<id>', 'gi');
  t := regexp_replace(t, '(~|\.{1,2})?(?<![\w<])/[^\s,;:)\]>]+', '<path>', 'g');
  t := regexp_replace(t, '[\w.+@=-]+(/[\w.+@=-]+){2,}|[\w.+@=-]+/[\w+@=-]+\.\w+', '<path>', 'g');
  t := regexp_replace(t, '\m(?=[a-z0-9.-]*\d)[a-z0-9-]*[a-z][a-z0-9-]*(\.[a-z0-9-]+)+\.[a-z]{2,}\M', '<host>', 'gi');
  t := regexp_replace(t, '\m[a-z0-9-]+(\.[a-z0-9-]+)+\.(org|edu|gov|com|net|int|local|lan|cn|ch|uk|de|fr|it|jp)\M', '<host>', 'gi');
  t := regexp_replace(t, '\m(0x[0-9a-f]+|(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,})\M', '<hex>', 'gi');
  t := regexp_replace(t, '\d+(,\d{3})*(\.\d+)?(e[+-]?\d+)?', '#', 'gi');
  t := regexp_replace(t, '(#|<[a-z]+>)(, ?\1)+', '\1', 'g');
  return coalesce(nullif(trim(left(trim(t), 300)), ''), '(no reason given)');
end $$;

create function failure_family_of(step text, code text, said text, host text) returns text language sql immutable
parallel safe as $$
  select left(md5(step || chr(10) || code || chr(10) || failure_template(said, host)), 16)
$$;

create function attempt_named() returns trigger language plpgsql as $$
begin
  new.family := failure_family_of(new.step, new.reason_code, new.reason, new.host);
  return new;
end $$;

create trigger attempt_family_insert before insert on attempt for each row
  when (new.outcome in ('failed', 'interrupted') and new.reason_code not in ('drain', 'given-back'))
  execute function attempt_named();
create trigger attempt_family_update before update on attempt for each row
  when (new.outcome in ('failed', 'interrupted') and new.reason_code not in ('drain', 'given-back'))
  execute function attempt_named();
"""

# What is to be measured is written down in the transaction of the change itself: whatever commits is measured, in
# whatever order it commits, and what does not commit never is.
DUE = """
create function item_measured() returns trigger language plpgsql set enable_nestloop = off as $$
begin
  insert into measure_due (item_id, version, epoch, at, trigger, step, lane, campaign_id, kind, finished)
  select n.id, n.version, o.epoch, n.changed_at, n.trigger, coalesce(o.step, ''), n.lane, n.campaign_id, n.kind,
    n.scope = 'file' and n.phase = 'done' and o.phase <> 'done'
  from new_rows n join old_rows o using (id)
  where n.version <> o.version and n.trigger in ('succeed', 'skipped', 'bypassed', 'reused', 'fail', 'interrupt');
  return null;
end $$;

create trigger item_measure after update on item
  referencing old table as old_rows new table as new_rows for each statement execute function item_measured();
"""
UNNAMED = "family is null and outcome in ('failed', 'interrupted') and reason_code not in ('drain', 'given-back')"


def upgrade() -> None:
    op.create_table('measure_due',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('item_id', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('version', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('epoch', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('trigger', sa.Text(), nullable=False),
    sa.Column('step', sa.Text(), server_default='', nullable=False),
    sa.Column('lane', sa.Text(), server_default='', nullable=False),
    sa.Column('campaign_id', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('kind', sa.Text(), server_default='', nullable=False),
    sa.Column('finished', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    comment='changes to be measured, in the transaction of the change itself; taken by one process'
    )
    op.create_table('measure_latency',
    sa.Column('what', sa.Text(), nullable=False),
    sa.Column('span', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('step', sa.Text(), nullable=False),
    sa.Column('campaign_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('bucket', sa.Integer(), nullable=False),
    sa.Column('n', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('seconds', sa.Double(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('what', 'span', 'at', 'step', 'campaign_id', 'kind', 'bucket'),
    comment='how long things took: counts in buckets of time, eight to a doubling, by spans of minutes'
    )
    op.create_table('measure_rate',
    sa.Column('span', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('campaign_id', sa.BigInteger(), nullable=False),
    sa.Column('step', sa.Text(), nullable=False),
    sa.Column('lane', sa.Text(), nullable=False),
    sa.Column('done', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('passed', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('failed', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('interrupted', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('busy_s', sa.Double(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('span', 'at', 'campaign_id', 'step', 'lane'),
    comment='what each step did, by spans of minutes'
    )
    op.create_table('measure_failure',
    sa.Column('span', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('family', sa.Text(), nullable=False),
    sa.Column('campaign_id', sa.BigInteger(), nullable=False),
    sa.Column('n', sa.BigInteger(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('span', 'at', 'family', 'campaign_id'),
    comment='how many attempts failed alike, by spans of minutes'
    )
    op.create_table('failure_family',
    sa.Column('family', sa.Text(), nullable=False),
    sa.Column('step', sa.Text(), nullable=False),
    sa.Column('reason_code', sa.Text(), nullable=False),
    sa.Column('template', sa.Text(), nullable=False),
    sa.Column('onset', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('n', sa.BigInteger(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('family'),
    comment='failures that say the same but for paths, hosts, names and numbers'
    )
    # Nullable and without a default: a table of any length gets it at once. The sweeper names what was before.
    op.add_column('attempt', sa.Column('family', sa.Text(), nullable=True, comment='of failures that say the same'))
    op.create_index('attempt_family', 'attempt', ['family', 'ended_at'], unique=False, postgresql_where=sa.text('family is not null'))
    op.create_index('attempt_failed', 'attempt', ['item_id'], unique=False, postgresql_where=sa.text('family is not null'))
    op.create_index('attempt_unnamed', 'attempt', ['ended_at'], unique=False, postgresql_where=sa.text(UNNAMED))
    op.execute(TEMPLATE)
    op.execute(DUE)


def downgrade() -> None:
    op.execute('drop trigger item_measure on item')
    op.execute('drop trigger attempt_family_update on attempt')
    op.execute('drop trigger attempt_family_insert on attempt')
    for function in ('item_measured()', 'attempt_named()', 'failure_family_of(text, text, text, text)', 'failure_template(text, text)'):
        op.execute(f'drop function {function}')
    op.drop_index('attempt_unnamed', 'attempt')
    op.drop_index('attempt_failed', 'attempt')
    op.drop_index('attempt_family', 'attempt')
    op.drop_column('attempt', 'family')
    for table in ('failure_family', 'measure_failure', 'measure_rate', 'measure_latency', 'measure_due'):
        op.drop_table(table)
