"""backups that were made; months of history for who does not own the schema."""

from alembic import op
import sqlalchemy as sa

revision = '0015_backups'
down_revision = '0014_metrics'
branch_labels = None
depends_on = None

# The sweeper's own role owns nothing, and a partition of history can be made by its owner alone. What it may ask for is
# a month, and nothing else: the name and the bounds are made here.
MONTH = """
create function make_history_month(first date) returns boolean language plpgsql security definer
  set search_path from current as $$
declare
  month date := date_trunc('month', first);
  following date := month + interval '1 month';
  name text := 'history_' || to_char(month, 'YYYY_MM');
begin
  if month > clock_timestamp() + interval '3 months' or month < clock_timestamp() - interval '1 month'
    or to_regclass(name) is not null
    or exists (select from history_default where at >= month and at < following) then
    return false;
  end if;
  execute format('create table %I partition of history for values from (%L) to (%L)', name, month, following);
  perform share_history_months();
  return true;
end $$;
"""
# Almost all go through history. But pg_dump reads each partition by its own name, and a sweeper the one by default.
SHARE = """
create function share_history_months() returns void language plpgsql set search_path from current as $$
declare
  one record;
begin
  for one in select distinct p.inhrelid::regclass as month, a.grantee::regrole as reader
    from pg_inherits p, pg_class d, aclexplode(d.relacl) a
    where p.inhparent = 'history'::regclass and d.oid = 'history_default'::regclass
      and a.privilege_type = 'SELECT' and a.grantee <> d.relowner and a.grantee <> 0
      and not has_table_privilege(a.grantee, p.inhrelid, 'select')
  loop
    execute format('grant select on %s to %s', one.month, one.reader);
  end loop;
end $$;
"""


def upgrade() -> None:
    op.create_table('backup',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('place', sa.Text(), nullable=False),
    sa.Column('host', sa.Text(), server_default='', nullable=False),
    sa.Column('actor', sa.Text(), server_default='', nullable=False),
    sa.Column('version', sa.Text(), server_default='', nullable=False),
    sa.Column('blake3', sa.Text(), server_default='', nullable=False),
    sa.Column('size', sa.BigInteger(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('id'),
    comment='complete backups, so that their age can be watched; the files themselves lie elsewhere'
    )
    op.create_index('backup_ended', 'backup', ['ended_at'], unique=False)
    op.execute(SHARE)
    op.execute(MONTH)
    op.execute('revoke execute on function make_history_month(date) from public')


def downgrade() -> None:
    op.execute('drop function make_history_month(date)')
    op.execute('drop function share_history_months()')
    op.drop_table('backup')
