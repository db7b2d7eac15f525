"""what changed, for those who watch."""

from alembic import op
import sqlalchemy as sa

revision = '0006_changes'
down_revision = '0005_operations'
branch_labels = None
depends_on = None

# One row a transaction and thing: the key of the table lets no second one in. Within a transaction that takes a
# thousand items of one run through several statements, the first of them writes it.
FUNCTIONS = """
create function run_watched() returns trigger language plpgsql as $$
begin
  insert into change (topic, key) select distinct 'runs', id from new_rows on conflict do nothing;
  return null;
end $$;

create function of_run_watched() returns trigger language plpgsql as $$
begin
  insert into change (topic, key) select distinct 'runs', run_id from new_rows on conflict do nothing;
  return null;
end $$;

create function item_watched() returns trigger language plpgsql set enable_nestloop = off as $$
begin
  insert into change (topic, key)
  select distinct 'runs', n.run_id from new_rows n join old_rows o using (id) where n.version <> o.version
  on conflict do nothing;
  return null;
end $$;

create function operation_watched() returns trigger language plpgsql as $$
begin
  insert into change (topic, key) select 'operations', id from new_rows on conflict do nothing;
  return null;
end $$;

create function letter_watched() returns trigger language plpgsql as $$
begin
  insert into change (topic, key) select 'dead-letters', 0 where exists (select from new_rows) on conflict do nothing;
  insert into change (topic, key) select distinct 'runs', r.id from new_rows n join run r on r.number = n.run_number
  on conflict do nothing;
  return null;
end $$;

create function any_watched() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    insert into change (topic, key) select tg_argv[0], 0 where exists (select from old_rows) on conflict do nothing;
  else
    insert into change (topic, key) select tg_argv[0], 0 where exists (select from new_rows) on conflict do nothing;
  end if;
  return null;
end $$;
"""
NEW, BOTH, OLD = 'new table as new_rows', 'old table as old_rows new table as new_rows', 'old table as old_rows'
OTHERS = {'pause': 'pauses', 'process': 'processes', 'site': 'sites', 'campaign': 'campaigns', 'pilot': 'pilots'}
TRIGGERS = (
    ('item', 'insert', NEW, 'of_run_watched()'),
    ('item', 'update', BOTH, 'item_watched()'),
    ('replica', 'insert', NEW, 'of_run_watched()'),
    ('replica', 'update', NEW, 'of_run_watched()'),
    ('file', 'insert', NEW, 'of_run_watched()'),
    ('file', 'update', NEW, 'of_run_watched()'),
    ('run_operation', 'insert', NEW, 'of_run_watched()'),
    ('note', 'insert', NEW, 'of_run_watched()'),
    ('run', 'insert', NEW, 'run_watched()'),
    ('run', 'update', NEW, 'run_watched()'),
    ('operation', 'insert', NEW, 'operation_watched()'),
    ('operation', 'update', NEW, 'operation_watched()'),
    ('dead_letter', 'insert', NEW, 'letter_watched()'),
    ('dead_letter', 'update', NEW, 'letter_watched()'),
    *((table, event, OLD if event == 'delete' else NEW, f"any_watched('{topic}')")
      for table, topic in OTHERS.items() for event in ('insert', 'update', 'delete')),
)


def upgrade() -> None:
    op.create_table('change',
    sa.Column('xid', sa.BigInteger(), server_default=sa.text('cast(cast(pg_current_xact_id() as text) as bigint)'), nullable=False),
    sa.Column('topic', sa.Text(), nullable=False),
    sa.Column('key', sa.BigInteger(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('xid', 'topic', 'key'),
    comment='what each transaction of the last minutes changed, for those who watch; written by triggers'
    )
    op.execute(FUNCTIONS)
    for table, event, rows, function in _present():
        op.execute(f'create trigger {table}_watched_{event} after {event} on {table} '
                   f'referencing {rows} for each statement execute function {function}')


def downgrade() -> None:
    for table, event, _, _ in _present():
        op.execute(f'drop trigger {table}_watched_{event} on {table}')
    for name in ('run', 'of_run', 'item', 'operation', 'letter', 'any'):
        op.execute(f'drop function {name}_watched()')
    op.drop_table('change')


def _present() -> list[tuple[str, str, str, str]]:
    there = set(sa.inspect(op.get_bind()).get_table_names())
    return [trigger for trigger in TRIGGERS if trigger[0] in there]
