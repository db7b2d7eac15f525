"""pilots: jobs of workers with all that is known of them; what attempts used."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0011_pilots'
down_revision = '0010_queue_depth'
branch_labels = None
depends_on = None

WORDS = ('launcher', 'name', 'state', 'code', 'log', 'told', 'told_by', 'told_reason')
FAILURES = "outcome in ('failed', 'interrupted') and reason_code not in"
# What costs an item nothing is no failure; before, the ends of pilots were not among that.
POLITE = "('drain', 'given-back', 'preempted', 'pilot-ended')"
POLITE_BEFORE = "('drain', 'given-back')"
MOMENTS = ('ends_at', 'seen_at', 'heard_at', 'told_at')


def leave_out(polite: str) -> None:
    unnamed = f'family is null and {FAILURES} {polite}'
    op.drop_index('attempt_unnamed', 'attempt')
    op.create_index('attempt_unnamed', 'attempt', ['ended_at'], unique=False, postgresql_where=sa.text(unnamed))
    for when in ('insert', 'update'):
        op.execute(f'drop trigger attempt_family_{when} on attempt')
        op.execute(f"create trigger attempt_family_{when} before {when} on attempt for each row "
                   f"when (new.outcome in ('failed', 'interrupted') and new.reason_code not in {polite}) "
                   "execute function attempt_named()")


def upgrade() -> None:
    leave_out(POLITE)
    op.execute("comment on column pilot.token is 'the name of its job, by which it is found again'")
    op.execute("comment on table pilot is 'jobs of workers, each written down before it is asked for'")
    for name in WORDS:
        op.add_column('pilot', sa.Column(name, sa.Text(), server_default='', nullable=False))
    for name in MOMENTS:
        op.add_column('pilot', sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    for name in ('detail', 'usage'):
        op.add_column('pilot', sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False))
    op.add_column('pilot', sa.Column('large', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='for what ran out of time or memory'))
    op.add_column('pilot', sa.Column('restarts', sa.BigInteger(), server_default='0', nullable=False))
    op.create_index('pilot_open', 'pilot', ['launcher', 'id'], unique=False, postgresql_where=sa.text('ended_at is null'))
    op.create_index('pilot_of_launcher', 'pilot', ['launcher', 'id'], unique=False)
    op.create_index('pilot_of_name', 'pilot', ['name', 'id'], unique=False)
    op.create_index('pilot_ended_of_name', 'pilot', ['launcher', 'name', 'id'], unique=False, postgresql_where=sa.text("ended_at is not null and code <> 'withdrawn'"))
    op.create_index('pilot_status', 'pilot', ['status', 'id'], unique=False)
    op.create_index('pilot_ended', 'pilot', ['ended_at'], unique=False, postgresql_where=sa.text('ended_at is not null'))
    op.create_index('process_launcher', 'process', ['owner'], unique=False, postgresql_where=sa.text("role = 'launcher'"))
    op.create_index('process_pilot', 'process', [sa.text("(detail ->> 'pilot')")], unique=False, postgresql_where=sa.text("(detail ->> 'pilot') <> ''"))
    op.create_index('pilot_job', 'pilot', ['job', 'id'], unique=False, postgresql_where=sa.text("job <> ''"))
    op.create_index('attempt_job', 'attempt', ['job', 'ended_at'], unique=False, postgresql_where=sa.text("job <> ''"))
    op.create_index('item_large', 'item', ['step', 'lane'], unique=False, postgresql_where=sa.text("phase in ('ready', 'submitted') and request <> '{}'::jsonb"))
    for name in ('lost_s', 'metered_s', 'cpu_s', 'queue_s'):
        op.add_column('measure_rate', sa.Column(name, sa.Double(), server_default='0', nullable=False))
    for name in ('queued', 'memory_peak'):
        op.add_column('measure_rate', sa.Column(name, sa.BigInteger(), server_default='0', nullable=False))
    op.create_index('measure_rate_campaign', 'measure_rate', ['campaign_id', 'step'], unique=False)
    op.create_index('pilot_created', 'pilot', ['created_at'], unique=False)


def downgrade() -> None:
    leave_out(POLITE_BEFORE)
    op.drop_index('pilot_created', 'pilot')
    op.drop_index('measure_rate_campaign', 'measure_rate')
    for name in ('memory_peak', 'queued', 'queue_s', 'cpu_s', 'metered_s', 'lost_s'):
        op.drop_column('measure_rate', name)
    op.drop_index('item_large', 'item')
    op.drop_index('attempt_job', 'attempt')
    for name in ('process_pilot', 'process_launcher'):
        op.drop_index(name, 'process')
    for name in ('pilot_job', 'pilot_ended', 'pilot_status', 'pilot_ended_of_name', 'pilot_of_name', 'pilot_of_launcher', 'pilot_open'):
        op.drop_index(name, 'pilot')
    for name in ('restarts', 'large', 'usage', 'detail', *MOMENTS, *WORDS):
        op.drop_column('pilot', name)
    op.execute("comment on table pilot is null")
    op.execute("comment on column pilot.token is null")
