"""At the operators' desk: what an action is meant for, answers kept for who asks twice, notes."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from .columns import key, metadata, moment, refers, words

operation_item = Table(
    "operation_item",
    metadata,
    Column("operation_id", BigInteger, nullable=False),
    Column("item_id", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("operation_id", "item_id"),
    comment="the items that an action is still to do, in the versions that were seen when it was accepted",
)

answered = Table(
    "answered",
    metadata,
    Column("key", Text, primary_key=True),
    words("actor", None),
    words("request", None),
    Column("answer", JSONB),
    moment("at", now=True),
    Index("answered_at", "at"),
    comment="answers to changes that came with an idempotency key, for who sends the same again",
)

note = Table(
    "note",
    metadata,
    key(),
    refers("run_id", "run.id"),
    refers("file_id", "file.id", optional=True),
    words("author", None),
    words("kind", "note"),
    words("text", None),
    moment("at", now=True),
    Index("note_run", "run_id", "id"),
    comment="what people write about runs and files; never changed, corrected by another note",
)
