"""which versions may work on this schema."""

from alembic import op
import sqlalchemy as sa

revision = '0012_compatibility'
down_revision = '0011_pilots'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('compatibility',
    sa.Column('single', sa.Boolean(), server_default=sa.text('true'), nullable=False),
    sa.Column('oldest', sa.Text(), nullable=False, comment='the oldest version that may work on this schema'),
    sa.Column('revision', sa.Text(), nullable=False),
    sa.Column('by', sa.Text(), nullable=False, comment='the version that brought it here'),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.CheckConstraint('single', name='compatibility_is_one_row'),
    sa.PrimaryKeyConstraint('single'),
    comment='which versions may work on this schema: one row'
    )


def downgrade() -> None:
    op.drop_table('compatibility')
