"""kept sums for metrics."""

from alembic import op
import sqlalchemy as sa

revision = '0014_metrics'
down_revision = '0013_alerts'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('site_sample',
    sa.Column('site', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('free', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('total', sa.BigInteger(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('site', 'at'),
    comment='how much room a site had, the first look of each five minutes; for a week'
    )


def downgrade() -> None:
    op.drop_table('site_sample')
