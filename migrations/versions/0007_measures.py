"""latencies, rates, families of failures, depths of queues."""

from alembic import op
import sqlalchemy as sa

revision = '0007_measures'
down_revision = '0006_changes'
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
