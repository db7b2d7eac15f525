"""alerts, and who has acknowledged them."""

revision = '0013_alerts'
down_revision = '0012_compatibility'
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
