"""Runs in the order of their start; what was answered to a call that carried an idempotency key."""

from alembic import op
import sqlalchemy as sa

revision = '0008_lists'
down_revision = '0007_measures'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('run_began', 'run', [sa.text('coalesce(started_at, created_at)'), 'number'])


def downgrade() -> None:
    op.drop_index('run_began', 'run')
