"""what the broker holds, and what operators did in the order of time."""

from alembic import op
import sqlalchemy as sa

revision = '0010_queue_depth'
down_revision = '0009_campaigns'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('queue_depth',
    sa.Column('queue', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('step', sa.Text(), server_default='', nullable=False),
    sa.Column('lane', sa.Text(), server_default='', nullable=False),
    sa.Column('messages', sa.BigInteger(), nullable=True, comment='none where the broker has no such queue'),
    sa.Column('consumers', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.PrimaryKeyConstraint('queue'),
    comment='what the broker held when a conductor last asked it'
    )
    op.create_index('operation_selection', 'operation', ['selection'], unique=False, postgresql_using='gin', postgresql_ops={'selection': 'jsonb_path_ops'})
    op.create_index('run_operation_at', 'run_operation', ['at', 'id'], unique=False)
    op.create_index('run_operation_actor', 'run_operation', ['actor', 'at', 'id'], unique=False)
    op.create_index('access_event_actor', 'access_event', ['actor', 'at', 'id'], unique=False)


def downgrade() -> None:
    op.drop_index('access_event_actor', 'access_event')
    op.drop_index('run_operation_actor', 'run_operation')
    op.drop_index('run_operation_at', 'run_operation')
    op.drop_index('operation_selection', 'operation')
    op.drop_table('queue_depth')
