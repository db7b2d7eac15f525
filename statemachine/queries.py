"""Reads `queries.sql`: every statement by its name."""

import re
from functools import cache
from pathlib import Path

from sqlalchemy import TextClause, text

FILE = Path(__file__).with_name("queries.sql")


@cache
def _statements() -> dict[str, TextClause]:
    parts = re.split(r"^-- name: (\w+)\n", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: text(_bare(body)) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _bare(body: str) -> str:
    """Leave comments out: a colon in one would be read as a parameter."""
    lines = [line for line in body.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(lines).strip().rstrip(";")


def query(name: str) -> TextClause:
    """Give the statement of this name. Raises `KeyError`."""
    return _statements()[name]
