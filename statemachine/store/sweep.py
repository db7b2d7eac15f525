"""What the sweeper repairs: expired leases, lost hints, runs that should have moved, counts, partitions."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from ..piloting import OVER, loss, loss_by_requeue
from ..queries import query
from ..records import Record
from .core import Ready, execute
from .folders import order_cleaning
from .named import Named, named
from .reports import interrupt


class TakenBack(Record):
    """An attempt that was taken from its worker, and why."""

    named: Named
    item: int
    epoch: int
    step: str
    owner: str
    code: str
    reason: str


class Expired(Record):
    """What a page of expired leases came to, and where the next page begins: none at the end."""

    taken: tuple[TakenBack, ...] = ()
    after: int | None = None


def expire(connection: Connection, after: int, page: int) -> Expired:
    """Interrupt executing items whose lease is over.

    The refiller sends them out again. Where a worker was lost with its pilot, the pilot's end is what is said.
    """
    rows = execute(connection, "expired_leases", after=after, page=page, over=list(OVER))
    if not rows:
        return Expired()
    return Expired(taken=take_back(connection, [_lost(row) for row in rows]), after=int(rows[-1].item))


def _lost(row: Row[Any]) -> dict[str, Any]:
    code, reason = _with_pilot(row) if row.pilot_over or row.before_requeue else ("lost-lease", _silent(row))
    shared = {"item": row.item, "epoch": row.epoch, "owner": row.owner, "host": row.host}
    return {**shared, "reason_code": code, "reason": reason}


def _with_pilot(row: Row[Any]) -> tuple[str, str]:
    ended = loss(row.code) if row.pilot_over else loss_by_requeue(row.requeued or "", said_so=row.said_so)
    code, became = ended
    words = f": {row.reason}" if row.pilot_over and row.reason else ""
    return code, f"its {_pilot(row)} {became}{words}"


def _silent(row: Row[Any]) -> str:
    of = f", of pilot {row.pilot}," if row.pilot else ""
    return f"worker {row.owner} on {row.host or 'an unknown host'}{of} was not heard of for a whole lease"


def _pilot(row: Row[Any]) -> str:
    """Name a pilot with its job and the node of the worker that was lost."""
    node = row.host or row.node
    known = [*([f"job {row.job}"] if row.job else []), *([f"on {node}"] if node else [])]
    return f"pilot {row.pilot}" + (f" ({' '.join(known)})" if known else "")


def take_back(connection: Connection, lost: list[dict[str, Any]]) -> tuple[TakenBack, ...]:
    """Interrupt attempts whose worker is gone, end them in the record, order their folders removed; give them."""
    changed = interrupt(connection, lost, "sweeper")
    done = {row.item for row in changed}
    ended = {row["item"]: {**row, "outcome": "interrupted"} for row in lost if row["item"] in done}
    execute(connection, "end_attempts", list(ended.values()))
    order_cleaning(connection, [(row.item, row.epoch, row.step, row.owner) for row in changed if row.owner])
    names = named(connection, done)
    return tuple(
        TakenBack(
            named=names[row.item],
            item=row.item,
            epoch=row.epoch,
            step=row.step,
            owner=row.owner or "",
            code=ended[row.item]["reason_code"],
            reason=ended[row.item]["reason"],
        )
        for row in changed
    )


class Place(NamedTuple):
    """A work queue; `large`: the one for what ran out of time or memory before."""

    step: str
    lane: str
    large: bool = False


def sent_places(connection: Connection) -> list[Place]:
    """Give the queues through which anything that is with the broker went, whether they are configured or not."""
    return [Place(row.step, row.lane, row.large) for row in execute(connection, "places_sent")]


class Hint(Record):
    """A work message of an item's epoch, and when it went out last."""

    item: int
    epoch: int
    sent_at: datetime


def lost_hints(connection: Connection, place: Place, gone_by: datetime, older_s: float, page: int) -> list[Ready]:
    """Give items still submitted whose message was sent by `gone_by`, and is older than `older_s`; at most a page."""
    rows = execute(connection, "lost_hints", **place._asdict(), gone_by=gone_by, older_s=older_s, page=page)
    return [Ready(item=row.item, epoch=row.epoch, step=place.step, lane=place.lane) for row in rows]


def newest_submitted(connection: Connection, place: Place) -> Hint | None:
    """Give the hint that went out last."""
    for row in execute(connection, "newest_submitted", **place._asdict()):
        return Hint(item=row.item, epoch=row.epoch, sent_at=row.submitted_at)
    return None


def taken_up(connection: Connection, hints: Iterable[Hint]) -> set[tuple[int, int]]:
    """Give those (item, epoch) that a worker has taken up."""
    rows = [{"item": hint.item, "epoch": hint.epoch} for hint in hints]
    return {(row.item, row.epoch) for row in execute(connection, "taken_up", rows)} if rows else set()


def applied_until(connection: Connection, lane: str) -> datetime:
    """Give up to when all reports of a lane have been applied; long ago where none are known to be."""
    applied: datetime = execute(connection, "applied_until", lane=lane)[0].applied_at
    return applied


def resent(connection: Connection, sent: list[Ready]) -> int:
    """Begin the wait anew for hints that went out again; the epoch stays."""
    return len(execute(connection, "resent", [{"item": entry.item, "epoch": entry.epoch} for entry in sent]))


def unfinished_runs(connection: Connection, after: int, page: int) -> list[tuple[int, int]]:
    """Give a page of (run id, campaign id), for `gather`: runs that wait for their files, or fell behind them."""
    return [(row.run_id, row.campaign_id) for row in execute(connection, "unfinished_runs", after=after, page=page)]


def fold(connection: Connection, page: int) -> None:
    """Fold count deltas into the totals, if no other process is at it."""
    mine = connection.execute(text("select pg_try_advisory_xact_lock(hashtext(current_schema() || '.fold'))")).scalar()
    if mine:
        execute(connection, "fold_counts", page=page)
        execute(connection, "drop_zero_counts")


class Mark(Record):
    """The newest marker that came through a lane: when it was sent, and who consumed it over which channel.

    A lane has one consumer at a time, so that whoever comes to a marker has applied all that was sent before it.
    But a consumer that dies leaves messages behind, and the next one gets them after newer ones: only markers sent
    since the present one consumes (its reign) say anything.
    """

    lane: str
    sent_at: datetime
    reign: str


def mark_applied(connection: Connection, marks: Iterable[Mark]) -> None:
    """Write down up to when all reports of a lane have been applied."""
    rows = [{"lane": mark.lane, "sent_at": mark.sent_at, "reign": mark.reign} for mark in marks]
    execute(connection, "begin_reigns", rows)
    execute(connection, "mark_applied", rows)


def anything_out(connection: Connection) -> bool:
    """Say whether any item is with a worker, or on its way to one."""
    return bool(execute(connection, "anything_out")[0][0])


def next_partitions(connection: Connection, today: date | None = None) -> list[str]:
    """Make the history partitions of this month and the next two; give the new ones.

    A month whose rows are in the default partition already stays there: nothing is moved, nothing is lost.
    """
    first = (today or datetime.now(UTC).date()).replace(day=1)
    made = []
    for _ in range(3):
        following = (first.replace(day=28) + timedelta(days=7)).replace(day=1)
        name = f"history_{first:%Y_%m}"
        if connection.execute(text(_NO_MONTH), {"name": name, "first": first, "following": following}).scalar_one():
            _make_month(connection, name, first, following)
            made.append(name)
        first = following
    return made


def _make_month(connection: Connection, name: str, first: date, following: date) -> None:
    """Make one month's partition. Who does not own history asks the schema's own function to."""
    if connection.execute(text(_OWNS_HISTORY)).scalar_one():
        values = f"values from ('{first}') to ('{following}')"
        connection.execute(text(f"create table {name} partition of history for {values}"))
        if connection.execute(text("select to_regprocedure('share_history_months()')")).scalar() is not None:
            execute(connection, "share_history_months")
    else:
        execute(connection, "make_history_month", first=first)


_OWNS_HISTORY = """
select pg_has_role(relowner, 'usage') from pg_class where oid = cast('history' as regclass)
"""


_NO_MONTH = """
select to_regclass(:name) is null
  and not exists (select from history_default where at >= :first and at < :following)
"""


def forget_silent(connection: Connection) -> None:
    """Forget processes that were not heard of for a week, but for the last one of each role: a row a start adds up.

    Those of pilots a day after their pilot's end.
    """
    execute(connection, "forget_workers_of_pilots")
    execute(connection, "forget_silent")


def snapshot(connection: Connection) -> str:
    """Give what is visible now, for `forget_changes`."""
    return str(execute(connection, "snapshot")[0][0])


def forget_changes(connection: Connection, seen: str, page: int) -> int:
    """Forget changes that a snapshot saw, those of the oldest transactions first; give how many went."""
    return connection.execute(query("forget_changes"), {"snapshot": seen, "page": page}).rowcount


def restart_local(connection: Connection) -> tuple[TakenBack, ...]:
    """Take back all that was submitted or executing, when every worker is known to be gone.

    Only for a single process tree that holds the instance's lock: its own restart proves its old workers dead.
    """
    rows = connection.execute(
        text("select id, epoch, owner, host from item where phase in ('submitted', 'executing') order by id")
    ).all()
    lost = [
        {
            "item": row.id,
            "epoch": row.epoch,
            "owner": row.owner,
            "host": row.host,
            "reason_code": "given-back",
            "reason": "the process tree was started again",
        }
        for row in rows
    ]
    return take_back(connection, lost)
