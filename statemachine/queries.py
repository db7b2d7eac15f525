"""Reads `queries.sql`: every statement by its name."""

import re
from functools import cache
from pathlib import Path

from sqlalchemy import TextClause, text

FILE = Path(__file__).with_name("queries.sql")


@cache
def _statements() -> dict[str, TextClause]:
    parts = re.split(r"^-- name: (\w+)\n", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: text(body.strip().rstrip(";")) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def query(name: str) -> TextClause:
    """Give the statement of this name. Raises `KeyError`."""
    return _statements()[name]
