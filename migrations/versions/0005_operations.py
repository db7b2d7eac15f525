"""actions that daemons carry out, notes."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0005_operations'
down_revision = '0004_access'
branch_labels = None
depends_on = None

COLUMNS = (
    sa.Column('names', sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False, comment='the first few items'),
    sa.Column('lane', sa.Text(), nullable=True, comment='into which its items were moved; none: each stays in its own'),
    sa.Column('after', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('runner', sa.Text(), server_default='', nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('why', sa.Text(), server_default='', nullable=False),
)
INDEXES = (
    ('operation_status', ['status', 'id']),
    ('operation_actor', ['actor', 'id']),
    ('operation_action', ['action', 'id']),
    ('operation_at', ['at']),
)


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column('operation', column._copy())
    for name, columns in INDEXES:
        op.create_index(name, 'operation', columns, unique=False)
    # What was left half done has no list of what it was meant for, and is not taken up again by itself.
    op.execute("update operation set status = 'cancelled', finished_at = clock_timestamp(), why = 'left unfinished before an upgrade' where status = 'running' and action <> 'prune-history'")
    op.create_table('operation_item',
    sa.Column('operation_id', sa.BigInteger(), nullable=False),
    sa.Column('item_id', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('operation_id', 'item_id'),
    comment='the items that an action is still to do, in the versions that were seen when it was accepted'
    )
    op.create_table('answered',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('request', sa.Text(), nullable=False),
    sa.Column('answer', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.PrimaryKeyConstraint('key'),
    comment='answers to changes that came with an idempotency key, for who sends the same again'
    )
    op.create_index('answered_at', 'answered', ['at'], unique=False)
    op.create_table('note',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('run_id', sa.BigInteger(), nullable=False),
    sa.Column('file_id', sa.BigInteger(), nullable=True),
    sa.Column('author', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), server_default='note', nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.ForeignKeyConstraint(['file_id'], ['file.id'], ),
    sa.ForeignKeyConstraint(['run_id'], ['run.id'], ),
    sa.PrimaryKeyConstraint('id'),
    comment='what people write about runs and files; never changed, corrected by another note'
    )
    op.create_index('note_run', 'note', ['run_id', 'id'], unique=False)


def downgrade() -> None:
    for table in ('note', 'answered', 'operation_item'):
        op.drop_table(table)
    for name, _ in reversed(INDEXES):
        op.drop_index(name, 'operation')
    for column in reversed(COLUMNS):
        op.drop_column('operation', column.name)
