"""What conductors saw of the broker, for pages that never meet it; and the indexes by which people look back."""

from sqlalchemy import BigInteger, Column, Index, Table, Text

from .access import access_event
from .columns import metadata, moment, number, words
from .service import operation

queue_depth = Table(
    "queue_depth",
    metadata,
    Column("queue", Text, primary_key=True),
    words("kind", None),
    words("step"),
    words("lane"),
    Column("messages", BigInteger, comment="none where the broker has no such queue"),
    number("consumers"),
    moment("at", now=True),
    comment="what the broker held when a conductor last asked it",
)

Index(
    "operation_selection",
    operation.c.selection,
    postgresql_using="gin",
    postgresql_ops={"selection": "jsonb_path_ops"},
)

Index("access_event_actor", access_event.c.actor, access_event.c.at, access_event.c.id)
