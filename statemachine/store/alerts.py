"""Alerts as they are kept: opened, fired, calm, cleared; acknowledged by somebody until a time."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection

from ..alerting import BY_CODE
from ..records import Record
from .core import execute
from .errors import NotFoundError, RefusedError

LONGEST = timedelta(days=30)
"""For so long an alert can be acknowledged at most: who does it, looks again."""


class Seen(Record):
    """Something that is so now: which alert, of what, and what is said of it."""

    code: str
    name: str
    sentence: str
    command: str


class Change(Record):
    """An alert that has just fired, or been cleared."""

    code: str
    name: str
    cleared: bool


def alone(connection: Connection) -> bool:
    """Become the only one who looks at alerts in this transaction; False where somebody else does."""
    return bool(execute(connection, "alerts_alone")[0].mine)


def keep(
    connection: Connection, codes: Sequence[str], seen: Iterable[Seen], calm_s: float, patience: float = 1.0
) -> list[Change]:
    """Write down what is so now of these codes, and what is not any more; give what fired or was cleared.

    `patience` multiplies the time that something has to be so.
    """
    rows = [
        {
            **msgspec.to_builtins(each),
            "severity": BY_CODE[each.code].severity,
            "for_s": BY_CODE[each.code].for_s * patience,
        }
        for each in {(each.code, each.name): each for each in seen}.values()
    ]
    execute(connection, "keep_alerts", rows)
    fired = [Change(code=row.code, name=row.name, cleared=False) for row in execute(connection, "fire_alerts", rows)]
    now = msgspec.json.encode(rows).decode()
    calm = execute(connection, "calm_alerts", codes=list(codes), now=now, calm_s=calm_s)
    return [*fired, *(Change(code=row.code, name=row.name, cleared=True) for row in calm if row.cleared)]


def forget(connection: Connection, page: int) -> None:
    """Forget what has been over for a month."""
    execute(connection, "forget_alerts", page=page)


def acknowledge(connection: Connection, code: str, name: str, owner: str, reason: str, for_s: float) -> datetime:
    """Say that somebody knows of an alert, until which time; give it. One that was given before ends.

    It may be one that is not open here: Prometheus sees some alone, or first, and work that is planned comes later.
    Raises `NotFoundError`, `RefusedError`.
    """
    _check_reason(reason)
    if not 0 < for_s <= LONGEST.total_seconds():
        raise RefusedError(f"an alert can be acknowledged for up to {LONGEST.days} days; say for how long")
    _lock(connection, code, name)
    if not execute(connection, "open_alert", code=code, of=name):
        _check_possible(connection, code, name)
    execute(connection, "end_acknowledgement", code=code, of=name, by=owner)
    made = execute(connection, "acknowledge", code=code, of=name, owner=owner, reason=reason.strip(), for_s=for_s)
    until: datetime = made[0].until
    of = {"alert": code, "name": name, "until": until.isoformat()}
    _write_down(connection, "alert-acknowledge", of, owner, reason)
    return until


def withdraw(connection: Connection, code: str, name: str, owner: str, reason: str) -> None:
    """Take an acknowledgement back: the alert is told again. Raises `NotFoundError`, `RefusedError`."""
    _check_reason(reason)
    _lock(connection, code, name)
    if not execute(connection, "end_acknowledgement", code=code, of=name, by=owner):
        raise NotFoundError(f"nobody has acknowledged alert {said(code, name)}")
    _write_down(connection, "alert-unacknowledge", {"alert": code, "name": name}, owner, reason)


def said(code: str, name: str) -> str:
    """Name an alert as commands do."""
    return f"{code} {name}".rstrip()


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise RefusedError("an operator's action needs a reason")


def _check_possible(connection: Connection, code: str, name: str) -> None:
    """See to it that there may be such an alert: who mistypes one would believe that it is silent."""
    kind = BY_CODE.get(code)
    if kind is None:
        raise NotFoundError(f"there is no alert {code}; docs/alerts.md has all of them, headframe alerts the open ones")
    if kind.label and not name:
        of = "step, launcher or pilot" if kind.label == "name" else kind.label
        raise RefusedError(f"{code} is about one {of} each: say which, as in headframe alerts ack {code} NAME")
    if name and not (kind.label and execute(connection, "alert_subject", label=kind.label, of=name)[0].there):
        hint = f"there is no {kind.label} {name}" if kind.label else f"{code} needs no name"
        raise NotFoundError(f"there is no open alert {said(code, name)}, and {hint}")


def _lock(connection: Connection, code: str, name: str) -> None:
    """Let two who acknowledge one alert at once wait for each other, or both would hold it."""
    execute(connection, "lock_alert", code=code, of=name)


def _write_down(connection: Connection, action: str, of: dict[str, Any], actor: str, reason: str) -> None:
    values = {"actor": actor, "action": action, "selection": msgspec.json.encode(of).decode(), "reason": reason.strip()}
    execute(connection, "write_operation", None, **values)
