"""alerts, and who has acknowledged them; whether the detector runs."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0013_alerts'
down_revision = '0012_compatibility'
branch_labels = None
depends_on = None

WATCHED = ('alert', 'alert_ack', 'alert_notice')
ROWS = {'insert': 'new table as new_rows', 'update': 'new table as new_rows', 'delete': 'old table as old_rows'}


def upgrade() -> None:
    op.create_table('alert',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), server_default='', nullable=False),
    sa.Column('severity', sa.Text(), nullable=False),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.Column('command', sa.Text(), server_default='', nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('fired_at', sa.DateTime(timezone=True), nullable=True, comment='since when it has been so for long enough; none: not yet'),
    sa.Column('calm_since', sa.DateTime(timezone=True), nullable=True, comment='since when it is no longer so; it stays open for a while'),
    sa.Column('cleared_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('told_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('resolved_told_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    comment='what needs somebody, as the sweeper sees it: open ones, and those of the last month'
    )
    op.create_index('alert_open', 'alert', ['code', 'name'], unique=True, postgresql_where=sa.text('cleared_at is null'))
    op.create_index('alert_cleared', 'alert', ['cleared_at'], unique=False)
    op.create_index('alert_to_resolve', 'alert', ['id'], unique=False, postgresql_where=sa.text('cleared_at is not null and resolved_told_at is null'))
    op.create_table('alert_ack',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), server_default='', nullable=False),
    sa.Column('owner', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('until', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_by', sa.Text(), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('id'),
    comment='who knows of an alert, and until when it is told to nobody else'
    )
    op.create_index('alert_ack_of', 'alert_ack', ['code', 'name', 'until'], unique=False)
    op.create_table('alert_notice',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('receiver', sa.Text(), nullable=False),
    sa.Column('body', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('tries', sa.Integer(), server_default='0', nullable=False),
    sa.Column('error', sa.Text(), server_default='', nullable=False),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('given_up_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    comment='what is told to a receiver of alerts, in order; kept until it has it, and a month'
    )
    op.create_index('alert_notice_waiting', 'alert_notice', ['receiver', 'id'], unique=False, postgresql_where=sa.text('sent_at is null and given_up_at is null'))
    op.create_index('alert_notice_made', 'alert_notice', ['made_at'], unique=False)
    op.create_table('detector',
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('running', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('detail', sa.Text(), server_default='', nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False),
    sa.Column('until', sa.DateTime(timezone=True), nullable=False, comment='after this nobody knows: what a source says does not last for ever'),
    sa.PrimaryKeyConstraint('source'),
    comment='whether the detector takes data, by who says so'
    )
    for table in WATCHED:
        for event, rows in ROWS.items():
            op.execute(f"create trigger {table}_watched_{event} after {event} on {table} "
                       f"referencing {rows} for each statement execute function any_watched('alerts')")


def downgrade() -> None:
    for name in ('detector', 'alert_notice', 'alert_ack', 'alert'):
        op.drop_table(name)
