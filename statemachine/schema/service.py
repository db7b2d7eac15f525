"""Around the machine: dead letters, operators' actions, pauses, who is alive."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Computed,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from .columns import facts, key, metadata, moment, number, words

REPLAYABLE = """case when queue = 'arrivals' then mtime_ns > 0
  else queue <> '' and coalesce(octet_length(body) = body_size, false) end"""
"""A dead letter can be tried again: a message that is whole, or a file that the watcher can look at again."""

dead_letter = Table(
    "dead_letter",
    metadata,
    key(),
    Column("fingerprint", Text, nullable=False, unique=True),
    words("queue", None),
    words("code", None),
    words("sentence", None),
    words("subject"),
    Column("run_number", BigInteger),
    words("payload"),
    number("size"),
    number("mtime_ns"),
    number("count", 1),
    moment("first_at", now=True),
    moment("last_at", now=True),
    moment("replayed_at"),
    words("replayed_by"),
    moment("cleared_at"),
    Column("body", LargeBinary, comment="the whole message, or the beginning of one that was too large"),
    number("body_size"),
    facts("headers"),
    moment("asked_at"),
    words("asked_by"),
    words("asked_reason"),
    number("replays"),
    words("replay_error"),
    words("cleared_by"),
    words("cleared_reason"),
    Column("replayable", Boolean, Computed(REPLAYABLE, persisted=True)),
    Index("dead_letter_run", "run_number"),
    Index("dead_letter_subject", "subject"),
    Index("dead_letter_last", "last_at"),
    Index("dead_letter_asked", "id", postgresql_where=text("asked_at is not null")),
    Index("dead_letter_open", "last_at", "id", postgresql_where=text("cleared_at is null")),
)

operation = Table(
    "operation",
    metadata,
    key(),
    moment("at", now=True),
    words("actor", None),
    words("action", None),
    facts("selection"),
    words("reason", None),
    Column("idempotency_key", Text, unique=True),
    number("total"),
    number("done"),
    number("changed"),
    words("status", "running"),
    moment("finished_at"),
    Column("names", ARRAY(Text), nullable=False, server_default=text("'{}'"), comment="the first few items"),
    Column("lane", Text, comment="into which its items were moved; none: each stays in its own"),
    number("after"),
    words("runner"),
    moment("seen_at"),
    moment("started_at"),
    words("why"),
    Index("operation_status", "status", "id"),
    Index("operation_actor", "actor", "id"),
    Index("operation_action", "action", "id"),
    Index("operation_at", "at"),
    Index(
        "operation_growing",
        "id",
        postgresql_where=text("status = 'running' and action in ('campaign-create', 'campaign-grow')"),
    ),
    comment="what operators did; a bulk action is a job that commits pages",
)

pause = Table(
    "pause",
    metadata,
    words("what", None),
    words("name", None),
    words("actor", None),
    words("reason", None),
    moment("since", now=True),
    PrimaryKeyConstraint("what", "name"),
)

watermark = Table(
    "watermark",
    metadata,
    Column("lane", Text, primary_key=True),
    moment("applied_at", now=True),
    words("reign"),
    moment("reign_since", now=True),
    comment="every report sent before this time has been applied; reign: who consumes the lane, and since when",
)

process = Table(
    "process",
    metadata,
    Column("owner", Text, primary_key=True),
    words("role", None),
    words("host"),
    Column("pid", BigInteger),
    words("version"),
    facts("detail"),
    moment("started_at", now=True),
    moment("seen_at", now=True),
    comment="daemons and workers, by the random id of a process start",
)

pilot = Table(
    "pilot",
    metadata,
    key(),
    Column("token", Text, nullable=False, unique=True),
    words("steps"),
    words("status", "intended"),
    words("job"),
    words("node"),
    facts("request"),
    words("reason"),
    moment("created_at", now=True),
    moment("submitted_at"),
    moment("started_at"),
    moment("ended_at"),
)
