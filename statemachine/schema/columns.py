"""The columns that tables are made of, and the metadata that holds all tables."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Identity, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()
NOW = text("clock_timestamp()")
TIME = DateTime(timezone=True)


def key(name: str = "id") -> Column[int]:
    """Give a generated 64-bit primary key."""
    return Column(name, BigInteger, Identity(), primary_key=True)


def words(name: str, default: str | None = "") -> Column[str]:
    """Give a text column, never null, empty unless told."""
    return Column(name, Text, nullable=False, server_default=default)


def number(name: str, default: int = 0) -> Column[int]:
    """Give a 64-bit integer column, never null."""
    return Column(name, BigInteger, nullable=False, server_default=str(default))


def moment(name: str, *, now: bool = False) -> Column[object]:
    """Give a point in time; `now` makes it the database's clock, never null."""
    return Column(name, TIME, nullable=not now, server_default=NOW if now else None)


def facts(name: str) -> Column[object]:
    """Give a JSON object column, never null."""
    return Column(name, JSONB, nullable=False, server_default=text("'{}'::jsonb"))


def refers(name: str, to: str, *, optional: bool = False) -> Column[int]:
    """Give a foreign key."""
    return Column(name, BigInteger, ForeignKey(to), nullable=optional)
