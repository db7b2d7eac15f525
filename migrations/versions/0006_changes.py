"""what changed, for those who watch."""

from alembic import op
import sqlalchemy as sa

revision = '0006_changes'
down_revision = '0005_operations'
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
