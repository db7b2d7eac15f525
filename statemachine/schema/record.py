"""What the machine leaves behind: history, attempts, late reports, kept counts."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, PrimaryKeyConstraint, Table, Text, text

from ..interrupts import POLITE
from .columns import NOW, TIME, facts, key, metadata, moment, number, words

history = Table(
    "history",
    metadata,
    Column("item_id", BigInteger, nullable=False),
    number("version"),
    Column("at", TIME, nullable=False, server_default=NOW),
    words("trigger", None),
    Column("from_state", Text),
    Column("from_phase", Text),
    words("to_state", None),
    words("to_phase", None),
    Column("epoch", BigInteger, comment="the epoch that the trigger acted on"),
    number("to_epoch"),
    Column("campaign_id", BigInteger, nullable=False),
    Column("owner", Text),
    words("actor"),
    words("host"),
    words("job"),
    words("log"),
    words("reason_code"),
    words("reason"),
    Index("history_item", "item_id", "version"),
    Index("history_at", "at", postgresql_using="brin"),
    postgresql_partition_by="RANGE (at)",
    comment="append only; written by the trigger item_history, by nothing else",
)

history_checkpoint = Table(
    "history_checkpoint",
    metadata,
    Column("item_id", BigInteger, primary_key=True),
    number("version"),
    Column("at", TIME, nullable=False),
    words("state", None),
    words("phase", None),
    number("epoch"),
    Column("campaign_id", BigInteger, nullable=False),
    number("accepted_epoch"),
    Column("duplicate_version", BigInteger, comment="first held as the double of another file"),
    Column("released_version", BigInteger, comment="last released or recovered by an operator"),
    comment="where replay starts for an item whose older history was dropped, and what of that still matters",
)

UNNAMED = f"family is null and outcome in ('failed', 'interrupted') and reason_code not in {POLITE}"
"""Failures of before families were kept; the sweeper names them. (A tuple of words is written as SQL writes a list.)"""

attempt = Table(
    "attempt",
    metadata,
    Column("item_id", BigInteger, ForeignKey("item.id"), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    words("step", None),
    words("owner"),
    words("host"),
    words("job"),
    moment("started_at"),
    moment("ended_at"),
    words("outcome", "running"),
    words("reason_code"),
    words("reason"),
    words("log_site"),
    words("log"),
    facts("usage"),
    Column("family", Text, comment="of failures that say the same"),
    PrimaryKeyConstraint("item_id", "epoch"),
    Index("attempt_ended", "ended_at"),
    Index("attempt_host", "host", "ended_at"),
    Index("attempt_step", "step", "ended_at"),
    Index("attempt_trouble", "ended_at", postgresql_where=text("outcome <> 'succeeded'")),
    Index("attempt_job", "job", "ended_at", postgresql_where=text("job <> ''")),
    Index("attempt_family", "family", "ended_at", postgresql_where=text("family is not null")),
    Index("attempt_failed", "item_id", postgresql_where=text("family is not null")),
    Index("attempt_unnamed", "ended_at", postgresql_where=text(UNNAMED)),
)

late = Table(
    "late",
    metadata,
    key(),
    moment("at", now=True),
    number("item_id"),
    number("epoch"),
    words("owner"),
    words("trigger"),
    words("cause"),
    words("host"),
    words("reason"),
    Index("late_item", "item_id"),
    comment="what came too late to count: a stale epoch, another owner, a settled item",
)

_TROUBLE = "scope = 'file' and phase in ('failed', 'held', 'abandoned')"
_COUNTED = ("run_id", "campaign_id", "scope", "state", "phase", "site")


def _counted() -> list[Column[object]]:
    kinds = (BigInteger, BigInteger, Text, Text, Text, Text)
    return [Column(name, kind, nullable=False) for name, kind in zip(_COUNTED, kinds, strict=True)]


count_total = Table(
    "count_total",
    metadata,
    *_counted(),
    number("n"),
    PrimaryKeyConstraint(*_COUNTED),
    Index("count_total_zero", "run_id", postgresql_where=text("n = 0")),
    Index("count_total_trouble", "phase", "run_id", postgresql_where=text(_TROUBLE)),
    comment="kept counts by run; what has become zero goes",
)

count_whole = Table(
    "count_whole",
    metadata,
    *_counted()[1:],
    number("n"),
    PrimaryKeyConstraint(*_COUNTED[1:]),
    comment="the same of all runs together, so that the whole instance is not summed over every run there ever was",
)

count_delta = Table(
    "count_delta",
    metadata,
    key(),
    *_counted(),
    number("n"),
    Index("count_delta_run", "run_id"),
    comment="signed, in the transaction of the change itself; folded into count_total and count_whole by one process",
)
