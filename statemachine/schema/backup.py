"""Backups that were made of this instance: what `headframe backup` writes down when one is complete."""

from sqlalchemy import Index, Table

from .columns import key, metadata, moment, number, words

backup = Table(
    "backup",
    metadata,
    key(),
    moment("started_at", now=True),
    moment("ended_at", now=True),
    words("place", None),
    words("host"),
    words("actor"),
    words("version"),
    words("blake3"),
    number("size"),
    Index("backup_ended", "ended_at"),
    comment="complete backups, so that their age can be watched; the files themselves lie elsewhere",
)
