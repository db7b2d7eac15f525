"""kept sums for metrics."""

revision = '0014_metrics'
down_revision = '0013_alerts'
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
