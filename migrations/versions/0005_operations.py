"""actions that daemons carry out, notes."""

from alembic import op
import sqlalchemy as sa

revision = '0005_operations'
down_revision = '0004_access'
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
