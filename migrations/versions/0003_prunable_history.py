"""prunable history, counts of all runs together, indexes for long tables."""

from alembic import op
import sqlalchemy as sa

revision = '0003_prunable'
down_revision = '0002_letters'
branch_labels = None
depends_on = None

INDEXES = (
    ('dead_letter_open', 'dead_letter', ['last_at', 'id'], 'cleared_at is null'),
    ('attempt_host', 'attempt', ['host', 'ended_at'], None),
    ('attempt_step', 'attempt', ['step', 'ended_at'], None),
    ('attempt_trouble', 'attempt', ['ended_at'], "outcome <> 'succeeded'"),
    ('count_total_zero', 'count_total', ['run_id'], 'n = 0'),
)
CHECKPOINT = 'where replay starts for an item whose older history was dropped'
DELTA = 'signed, in the transaction of the change itself; folded into count_total'


def upgrade() -> None:
    # Nobody folds from here to the end: what is summed is what stays, and what is not folded yet is folded into both.
    op.execute('lock table count_total in share row exclusive mode')
    op.execute('delete from count_total where n = 0')
    _whole()
    _checkpoint()
    op.create_table_comment('count_total', 'kept counts by run; what has become zero goes')
    op.create_table_comment('count_delta', f'{DELTA} and count_whole by one process', existing_comment=f'{DELTA} by one process')
    for name, table, columns, where in INDEXES:
        op.create_index(name, table, columns, unique=False, postgresql_where=sa.text(where) if where else None)


def downgrade() -> None:
    for name, table, _, _ in reversed(INDEXES):
        op.drop_index(name, table)
    op.create_table_comment('count_delta', f'{DELTA} by one process')
    op.drop_table_comment('count_total')
    op.create_table_comment('history_checkpoint', CHECKPOINT)
    for column in ('released_version', 'duplicate_version', 'accepted_epoch', 'campaign_id'):
        op.drop_column('history_checkpoint', column)
    op.drop_table('count_whole')


def _whole() -> None:
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
    op.execute("""
    insert into count_whole (campaign_id, scope, state, phase, site, n)
    select campaign_id, scope, state, phase, site, sum(n) from count_total group by campaign_id, scope, state, phase, site
    """)


def _checkpoint() -> None:
    # Nothing dropped months before, so no row is known to be here. One that is began in what its item is in now, as
    # nothing tells otherwise, and had accepted what its attempts say.
    op.add_column('history_checkpoint', sa.Column('campaign_id', sa.BigInteger(), nullable=True))
    op.add_column('history_checkpoint', sa.Column('accepted_epoch', sa.BigInteger(), server_default='0', nullable=False))
    op.add_column('history_checkpoint', sa.Column('duplicate_version', sa.BigInteger(), nullable=True, comment='first held as the double of another file'))
    op.add_column('history_checkpoint', sa.Column('released_version', sa.BigInteger(), nullable=True, comment='last released or recovered by an operator'))
    op.execute("""
    update history_checkpoint c set campaign_id = i.campaign_id, accepted_epoch = coalesce((
      select max(a.epoch) from attempt a
      where a.item_id = c.item_id and a.epoch <= c.epoch and a.outcome in ('succeeded', 'skipped')), 0)
    from item i where i.id = c.item_id
    """)
    op.execute('delete from history_checkpoint where campaign_id is null')
    op.alter_column('history_checkpoint', 'campaign_id', nullable=False)
    op.create_table_comment('history_checkpoint', f'{CHECKPOINT}, and what of that still matters', existing_comment=CHECKPOINT)
