"""The circuit breaker of nodes: one on which attempts keep dying, while others do well, is set aside by itself."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, text

from ..records import Record
from ..wording import plural
from .core import execute
from .pauses import pause

ACTOR = "sweeper"
PLACE = ("lost-lease", "worker-died", "node-failed", "no-process", "too-little-memory", "io-error", "site-away")
"""Codes of interrupts that speak of the place. What costs an item nothing, and what it ran out of, speaks of others."""
LOOKED_AT = 1000
"""So many of a node's latest attempts are looked at, and of each step elsewhere."""
BURST_S = 10
"""Interrupts within so many seconds on a node are one: it lost all its workers at once, or a disk hung for a moment."""
DEATHS, AT_ONCE_S = 3, 60
"""So many pilots in a row that died within so many seconds of their start, or unheard, set their node aside."""
LONGEST = 500
"""Characters of the last reason that are kept."""
_ALONE = "select pg_try_advisory_xact_lock(hashtext(current_schema() || '.breaker')), set_config('jit', 'off', true)"


class Breaker(Record):
    """After how many `failures` in a row, within `window_s`, a node is set aside (0: never); at most this share of all
    nodes that had workers within the window, but always one.
    """

    failures: int = 5
    window_s: float = 3600.0
    share: float = 0.25


class Failing(Record):
    """A node on which nothing went well since these failed, and how the same steps did elsewhere meanwhile.

    `set_aside`: it is now; else too many are already.
    """

    host: str
    reason: str
    set_aside: bool


def break_circuits(connection: Connection, breaker: Breaker) -> list[Failing]:
    """Set the nodes aside on which attempts keep dying; give them, and those that may not be for lack of others.

    A node is known by what speaks of the place, or by what failed there and then went well elsewhere. Where the same
    item dies elsewhere too, or others did no better between the first and the last of them, it is the item's, the
    step's or the service's fault. What others do later says nothing: after an outage some have their turn first.
    A node that kills pilots as they start never begins an attempt; it is known by its pilots.
    One sweeper at a time, so that two do not set aside more than may be.
    """
    if not breaker.failures or not connection.execute(text(_ALONE)).scalar_one():
        return []
    suspects = execute(connection, "suspect_nodes", window_s=breaker.window_s)
    found = execute(
        connection,
        "failing_nodes",
        [{"host": row.host, "since": row.since} for row in suspects],
        place=list(PLACE),
        failures=breaker.failures,
        look=LOOKED_AT,
        burst_s=BURST_S,
    )
    reasons = {row.host: _reason(row) for row in found}
    for row in execute(
        connection,
        "black_holes",
        window_s=breaker.window_s,
        deaths=min(DEATHS, breaker.failures),
        quick_s=AT_ONCE_S,
        burst_s=BURST_S,
    ):
        reasons.setdefault(row.host, _pilots_reason(row))
    room = _room(connection, breaker) if reasons else 0
    return [
        _set_aside(connection, host, reason, may=place < room) for place, (host, reason) in enumerate(reasons.items())
    ]


def _room(connection: Connection, breaker: Breaker) -> int:
    """Say how many more nodes may be set aside by itself."""
    (row,) = execute(connection, "nodes_aside", actor=ACTOR, window_s=breaker.window_s)
    return max(1, int(row.nodes * breaker.share)) - int(row.aside)


def _set_aside(connection: Connection, host: str, reason: str, *, may: bool) -> Failing:
    return Failing(host=host, reason=reason, set_aside=may and pause(connection, "node", host, ACTOR, reason))


def _reason(row: Row[Any]) -> str:
    """Say what happened, with counts and codes, and the last one's sentence."""
    here = f"{row.attempts} attempts at {row.items} items ended badly in a row ({_counted(row.codes)})"
    there = f"{row.good} at the same steps went well on {plural(row.other_nodes, 'other node')}"
    return f"{here}, while {there}; the last: {(row.last or row.last_code)[:LONGEST]}"


def _pilots_reason(row: Row[Any]) -> str:
    """Say what became of the pilots there, and of others of their names."""
    whose = f"{plural(row.pilots, 'pilot')} of {', '.join(row.names)}"
    here = f"{whose} died in a row as they started or soon after ({_counted(row.codes)})"
    there = f"{row.good} did well on {plural(row.other_nodes, 'other node')}"
    return f"{here}, while {there}; the last: {(row.last or row.codes[-1])[:LONGEST]}"


def _counted(codes: Iterable[str]) -> str:
    found = sorted(codes)
    return ", ".join(f"{code} {found.count(code)}" for code in dict.fromkeys(found))
