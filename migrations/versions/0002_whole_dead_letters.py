"""whole dead letters."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0002_letters'
down_revision = '0001'
branch_labels = None
depends_on = None

REPLAYABLE = """case when queue = 'arrivals' then mtime_ns > 0
  else queue <> '' and coalesce(octet_length(body) = body_size, false) end"""
COLUMNS = (
    sa.Column('body', sa.LargeBinary(), nullable=True, comment='the whole message, or the beginning of one that was too large'),
    sa.Column('body_size', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('headers', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('asked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('asked_by', sa.Text(), server_default='', nullable=False),
    sa.Column('asked_reason', sa.Text(), server_default='', nullable=False),
    sa.Column('replays', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('replay_error', sa.Text(), server_default='', nullable=False),
    sa.Column('cleared_by', sa.Text(), server_default='', nullable=False),
    sa.Column('cleared_reason', sa.Text(), server_default='', nullable=False),
    sa.Column('replayable', sa.Boolean(), sa.Computed(REPLAYABLE, persisted=True)),
)


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column('dead_letter', column._copy())
    op.create_index('dead_letter_asked', 'dead_letter', ['id'], unique=False, postgresql_where=sa.text('asked_at is not null'))


def downgrade() -> None:
    op.drop_index('dead_letter_asked', 'dead_letter')
    for column in reversed(COLUMNS):
        op.drop_column('dead_letter', column.name)
