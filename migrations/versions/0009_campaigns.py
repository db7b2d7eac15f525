"""campaigns that people begin: what they take in, where they start, who paused or closed them and why."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0009_campaigns'
down_revision = '0008_lists'
branch_labels = None
depends_on = None

COLUMNS = (
    sa.Column('start_state', sa.Text(), server_default='', nullable=False),
    sa.Column('query', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('left_out', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False, comment='files that fit the query and could not start, by why, when it last took runs in'),
    sa.Column('status_by', sa.Text(), server_default='', nullable=False),
    sa.Column('status_reason', sa.Text(), server_default='', nullable=False),
    sa.Column('status_since', sa.DateTime(timezone=True), nullable=True),
)
GROWING = "status = 'running' and action in ('campaign-create', 'campaign-grow')"


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column('campaign', column._copy())
    op.create_index('campaign_status', 'campaign', ['status', 'id'], unique=False)
    op.create_index('operation_growing', 'operation', ['id'], unique=False, postgresql_where=sa.text(GROWING))
    op.create_index('item_ready_bulk', 'item', ['step', 'campaign_id', 'priority', 'id'], unique=False, postgresql_where=sa.text("phase = 'ready' and lane = 'bulk'"))
    op.create_index('run_of_campaign', 'item', ['campaign_id', 'run_id', 'kind'], unique=False, postgresql_where=sa.text("scope = 'run'"))


def downgrade() -> None:
    op.drop_index('run_of_campaign', 'item')
    op.drop_index('item_ready_bulk', 'item')
    op.drop_index('operation_growing', 'operation')
    op.drop_index('campaign_status', 'campaign')
    for column in reversed(COLUMNS):
        op.drop_column('campaign', column.name)
