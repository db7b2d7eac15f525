"""Pilots: written down before they are asked for, seen by their launcher, told by operators; what their end means.

A pilot goes forward only, whoever speaks of it and however late. A row is locked before what its workers execute.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from ..piloting import OVER, LivePilot, Orders, PilotSeen, PilotStatus, PilotWish, Round
from ..records import Record
from ..views.demand import demand
from .core import database_time, execute, notify
from .errors import NotFoundError, RefusedError
from .pauses import set_aside

ALONE_S = 60.0
"""For how long after its last round a launcher keeps others of its name away; for three intervals if those are more."""
LATELY_S = 900.0
"""For how long a launcher is told of every pilot that has ended."""
LAST = 8
"""Of each name it is told of so many that ended, whenever that was: so many tries make the rest of a name as long as it
gets (60 s, doubled seven times, is more than the hour that is the most)."""
DRAIN, CANCEL = "drain", "cancel"
ORDER = [str(status) for status in PilotStatus]
ENDED = [str(status) for status in OVER]


class PilotTold(Record):
    """A pilot that an operator has told something; `new` is False where that had been said before."""

    id: int
    word: str
    launcher: str
    new: bool

    @property
    def sentence(self) -> str:
        """Say what was done."""
        end = "drained" if self.word == DRAIN else "cancelled"
        if not self.new:
            return f"pilot {self.id} was to be {end} already"
        return f"pilot {self.id} is to be {end}: launcher {self.launcher} does it in its next round"


def intend(connection: Connection, launcher: str, wishes: Sequence[PilotWish]) -> int:
    """Write pilots down that a launcher is about to submit; give how many are new. The same again changes nothing.

    Raises `RefusedError` where a token stands for another pilot.
    """
    rows = [{**msgspec.structs.asdict(wish), "steps": ", ".join(wish.steps)} for wish in wishes]
    new = len(execute(connection, "intend_pilots", rows, launcher=launcher))
    for other in execute(connection, "tokens_of_others", rows, launcher=launcher):
        whose = f"pilot {other.name} of launcher {other.launcher}"
        raise RefusedError(f"the token {other.token} stands for {whose}; make another one: a token is used once")
    return new


def see(connection: Connection, launcher: str, round_: Round) -> Orders:
    """Take what a launcher has seen; give its pilots, what operators want of them, and what work there is.

    What it says of pilots that are not its own is left alone. Raises `RefusedError` where another launcher of this
    name is at work.
    """
    execute(connection, "lock_launcher", launcher=launcher)
    owner = round_.owner or f"launcher {launcher}"
    _refuse_second(connection, launcher, owner)
    _see_launcher(connection, launcher, owner, round_)
    lost = [_seen(connection, launcher, part) for part in _one_each(round_.seen)]
    if any(lost):
        end_leases(connection)
    return _orders(connection, launcher, round_.names)


def end_leases(connection: Connection) -> int:
    """End the leases of what workers of pilots that are over execute; give how many there were."""
    ended = len(execute(connection, "end_pilot_leases", over=ENDED))
    if ended:
        notify(connection, "pilots")
    return ended


def tell(connection: Connection, number: int, word: str, actor: str, reason: str) -> PilotTold:
    """Have a pilot drained or cancelled: its launcher does it. Raises `NotFoundError`, `RefusedError`."""
    if not reason.strip():
        raise RefusedError("an operator's action needs a reason")
    row = next(iter(execute(connection, "lock_pilot", id=number)), None)
    if row is None:
        raise NotFoundError(f"there is no pilot {number}; headframe pilots list --all shows all")
    if row.status in ENDED:
        why = f": {row.reason}" if row.reason else ""
        raise RefusedError(f"pilot {number} is {row.status} already{why}")
    if row.told == CANCEL and word == DRAIN:
        raise RefusedError(f"pilot {number} is to be cancelled: {row.told_by} said so")
    new = row.told != word
    if new:
        execute(connection, "tell_pilot", id=number, word=word, actor=actor, reason=reason)
        _write_down(connection, f"pilot-{word}", number, row, actor, reason)
    return PilotTold(id=number, word=word, launcher=row.launcher, new=new)


def _refuse_second(connection: Connection, launcher: str, owner: str) -> None:
    for other in execute(connection, "other_launchers", launcher=launcher, owner=owner, lately_s=ALONE_S):
        silent, host, left = float(other.silent_s), other.host or "another host", float(other.left_s)
        raise RefusedError(
            f"launcher {launcher} runs on {host} (heard of {silent:.0f} s ago); end one of the two or give one another "
            f"[launcher] name. If that one has ended, this one goes on in {left:.0f} s"
        )


def _see_launcher(connection: Connection, launcher: str, owner: str, said: Round) -> None:
    detail = {
        "launcher": launcher,
        "back_end": said.back_end,
        "cluster": said.cluster,
        "trouble": said.trouble,
        "names": said.names,
        "interval_s": said.interval_s,
        "wanted": said.wanted,
    }
    row = {"owner": owner, "role": "launcher", "host": said.host, "version": said.version, "detail": detail}
    execute(connection, "see_process", [row])


def _one_each(seen: Iterable[PilotSeen]) -> list[list[PilotSeen]]:
    """Part what is said so that no part names a pilot twice: a statement changes a row once only."""
    parts: list[dict[str, PilotSeen]] = []
    for each in seen:
        for part in parts:
            if each.token not in part:
                part[each.token] = each
                break
        else:
            parts.append({each.token: each})
    return [list(part.values()) for part in parts]


def _seen(connection: Connection, launcher: str, seen: Sequence[PilotSeen]) -> bool:
    """Apply what was seen of pilots, each named once; say whether workers were lost with one."""
    rows = [msgspec.structs.asdict(each) for each in seen]
    return any(row.lost for row in execute(connection, "see_pilots", rows, launcher=launcher, order=ORDER, over=ENDED))


def _orders(connection: Connection, launcher: str, names: Sequence[str]) -> Orders:
    which = list(names)
    rows = execute(connection, "pilots_of_launcher", launcher=launcher, names=which, lately_s=LATELY_S, last=LAST)
    return Orders(
        now=database_time(connection),
        pilots=tuple(LivePilot(**row._mapping) for row in rows),
        demand=demand(connection),
        set_aside=set_aside(connection),
    )


def _write_down(connection: Connection, action: str, number: int, row: Any, actor: str, reason: str) -> None:
    selection = {"pilot": number, "name": row.name, "launcher": row.launcher, "job": row.job}
    said = msgspec.json.encode(selection).decode()
    execute(connection, "note_operation", actor=actor, action=action, selection=said, reason=reason, total=1, changed=1)
