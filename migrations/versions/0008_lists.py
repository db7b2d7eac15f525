"""Runs in the order of their start, and those with files in trouble; what was answered to a call that carried an idempotency key."""

from alembic import op
import sqlalchemy as sa

revision = '0008_lists'
down_revision = '0007_measures'
branch_labels = None
depends_on = None

TROUBLE = "scope = 'file' and phase in ('failed', 'held', 'abandoned')"


def upgrade() -> None:
    op.create_index('run_began', 'run', [sa.text('coalesce(started_at, created_at)'), 'number'])
    op.create_index('count_total_trouble', 'count_total', ['phase', 'run_id'], postgresql_where=sa.text(TROUBLE))


def downgrade() -> None:
    op.drop_index('count_total_trouble', 'count_total')
    op.drop_index('run_began', 'run')
