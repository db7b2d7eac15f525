"""A row of a table (CSV or SQL) as run information: columns are named as the fields of `RunInfo`."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ...statemachine.records import RunInfo
from .announced import LARGEST_NUMBER, utc

COLUMNS = ("run", "type", "kind", "started", "ended", "expected", "first_sequence", "closed", "identity")
"""The columns with a meaning; all others become metadata of the run."""
WORDS = {"true": True, "yes": True, "t": True, "1": True, "false": False, "no": False, "f": False, "0": False}


class RowError(ValueError):
    """A row that cannot be used; the text begins with the column at fault."""


def info(row: Mapping[str, object], source: str) -> RunInfo:
    """Turn a row into run information; empty values count as absent. Raises `RowError`.

    Without a column `closed`, a run is closed once it has ended. Times without a zone are in UTC.
    """
    values = {name.strip().lower(): value for name, value in row.items() if not _empty(value)}
    run = _number(values, "run", "run")
    if run is None:
        raise RowError("run: is missing")
    ended = _time(values, "ended")
    closed = _flag(values, "closed")
    return RunInfo(
        run=run,
        source=source,
        kind=_text(values, "kind") or _text(values, "type"),
        started=_time(values, "started"),
        ended=ended,
        expected=_number(values, "expected", "expected"),
        first_sequence=_number(values, "first_sequence", "sequence"),
        closed=closed if closed is not None else ended is not None,
        identity=_text(values, "identity"),
        metadata={name: _plain(value) for name, value in values.items() if name not in COLUMNS},
    )


def _empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _text(values: Mapping[str, object], column: str) -> str | None:
    return str(values[column]).strip() if column in values else None


def _number(values: Mapping[str, object], column: str, what: str) -> int | None:
    if column not in values:
        return None
    text = str(values[column]).strip()
    if not re.fullmatch(r"[0-9]{1,40}", text, re.ASCII):
        raise RowError(f"{column}: {text[:80]!r} is not a whole number from 0")
    if int(text) > LARGEST_NUMBER[what]:
        raise RowError(f"{column}: {text} is larger than {LARGEST_NUMBER[what]}")
    return int(text)


def _flag(values: Mapping[str, object], column: str) -> bool | None:
    if column not in values:
        return None
    text = str(values[column]).strip().lower()
    if text not in WORDS:
        raise RowError(f"{column}: {text[:80]!r} is none of {', '.join(WORDS)}")
    return WORDS[text]


def _time(values: Mapping[str, object], column: str) -> datetime | None:
    value = values.get(column)
    try:
        return None if value is None else utc(_moment(value))
    except (ValueError, OverflowError, OSError) as error:
        text = str(value)[:80]
        raise RowError(f"{column}: {text!r} is no time such as 2026-03-01T12:00:00Z") from error


def _moment(value: object) -> datetime | float:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 (without a zone means UTC)
    text = str(value).strip()
    # Seconds since 1970 have at least nine digits since 1973; a date without hyphens has eight.
    return float(text) if re.fullmatch(r"[0-9]{9,}(\.[0-9]*)?", text) else datetime.fromisoformat(text)


def _plain(value: object) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    return float(value) if isinstance(value, Decimal) else str(value)
