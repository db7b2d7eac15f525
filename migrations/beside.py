"""Migrations beside a machine that runs: how to change a large table without keeping others from it.

`headframe db upgrade` gives a migration half a second for each lock, and tries it again where it gets none. So what
takes a lock on a large table (a column, a trigger) stands in a migration that is short once it has its locks. An index
on a large table is made beside the work, by these; a migration that has one holds nothing else, for it is then not one
transaction, and is begun again from its first line where it fails.
"""

from collections.abc import Sequence
from typing import Any

from alembic import op
from sqlalchemy import text


def create_index(name: str, table: str, columns: Sequence[Any], **options: Any) -> None:
    """Make an index while others write to its table; one that an earlier try left half made is made anew."""
    with op.get_context().autocommit_block():
        _wait_for_all()
        if _half_made(name):
            op.drop_index(name, table, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, if_not_exists=True, **options)
        _wait_no_longer()


def drop_index(name: str, table: str) -> None:
    """Take an index away while others use its table."""
    with op.get_context().autocommit_block():
        _wait_for_all()
        op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)
        _wait_no_longer()


def _half_made(name: str) -> bool:
    found = text("select not indisvalid from pg_index where indexrelid = to_regclass(:name)")
    return bool(op.get_bind().execute(found, {"name": name}).scalar())


def _wait_for_all() -> None:
    """Wait for older transactions however long they take: nobody waits behind us, as we hold no lock that matters."""
    op.execute("set lock_timeout = 0")


def _wait_no_longer() -> None:
    op.execute("set lock_timeout = '500ms'")
