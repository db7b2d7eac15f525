"""which versions may work on this schema."""

revision = '0012_compatibility'
down_revision = '0011_pilots'
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
