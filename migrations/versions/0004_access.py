"""people, tokens, sessions."""

from alembic import op
import sqlalchemy as sa

revision = '0004_access'
down_revision = '0003_prunable'
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
