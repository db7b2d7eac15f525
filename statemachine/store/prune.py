"""Drops whole months of history, after it has stored from where each item they touch is replayed.

Month by month, the oldest first: checkpoints in pages that each commit, beside whatever else goes on; then one short
transaction that proves that every line of the month has its checkpoint, and takes the partition away. A crash before
that leaves checkpoints beside the lines that they stand for, which is as right as either; said again, it goes on.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from ..queries import query
from ..records import Record
from ..schema import operation
from .core import execute
from .errors import RefusedError

PAGE = 10_000
"""Numbers of items a page, so about so many checkpoints a transaction."""
PATIENCE_S = 120.0
"""How long to go on asking for a moment without readers of the history."""
LOCK_WAIT = "200ms"
"""How long one such question may keep writers waiting behind it."""
PAUSE_S = 1.0
NOT_NOW = ("55P03", "40P01")
"""PostgreSQL's codes of a lock that did not come in time, and of a deadlock."""


class Month(Record):
    """A partition of history: its lines are from `first` on and before `until`; `size` with its indexes, in bytes."""

    name: str
    first: datetime
    until: datetime
    size: int
    lines: int = 0
    items: int = 0

    @property
    def called(self) -> str:
        """Name it as people do."""
        return f"{self.first:%Y-%m}"


class Plan(Record):
    """What would go: months, the items they touch, late reports. `unmoved` lines, in no partition of a month, stay."""

    before: date
    months: tuple[Month, ...]
    items: int
    late: int
    unmoved: int

    @property
    def lines(self) -> int:
        """Count the lines of all months."""
        return sum(month.lines for month in self.months)

    @property
    def size(self) -> int:
        """Give the bytes that all months take."""
        return sum(month.size for month in self.months)


class Pruned(Record):
    """What went. `left` are months that stayed because of what `blocked` says."""

    months: tuple[Month, ...]
    left: tuple[Month, ...]
    late: int
    blocked: str = ""


def plan(connection: Connection, before: date) -> Plan:
    """Look at what would be dropped. Raises `RefusedError` for a month that has not ended."""
    _refuse_present(connection, before)
    months = tuple(_counted(connection, month) for month in _months(connection, before))
    row = connection.execute(_TOUCHED, {"until": months[-1].until if months else None, "before": before}).one()
    return Plan(before=before, months=months, **row._mapping)


def prune(
    engine: Engine,
    before: date,
    *,
    actor: str,
    reason: str,
    patience_s: float | None = None,
    tell: Callable[[Month], None] = lambda _: None,
) -> Pruned:
    """Store checkpoints and drop the months before `before`; `tell` hears of each. Raises `RefusedError`."""
    if not reason.strip():
        raise RefusedError("an operator's action needs a reason")
    with _alone(engine):
        with engine.begin() as connection:
            planned = plan(connection, before)
            job = _begin(connection, planned, actor, reason)
        gone: list[Month] = []
        blocked = ""
        for month in planned.months:
            blocked = _prune_month(engine, month, job, PATIENCE_S if patience_s is None else patience_s)
            if blocked:
                break
            gone.append(month)
            tell(month)
        late = _drop_late(engine, before) if not blocked else 0
        _end(engine, job, "stopped" if blocked else "done")
    return Pruned(months=tuple(gone), left=planned.months[len(gone) :], late=late, blocked=blocked)


def store_checkpoints(engine: Engine, month: Month) -> None:
    """Store from where each item that this month touches is replayed, in pages that commit."""
    after = 0
    while True:
        with engine.begin() as connection:
            values = {"first": month.first, "until": month.until, "after": after}
            following = connection.execute(_NEXT_ITEM, values).scalar()
            if following is None:
                return
            after = following - 1 + PAGE
            page: dict[str, Any] = {**values, "after": following - 1, "upto": after}
            connection.execute(query("store_checkpoints"), page)


def drop_month(connection: Connection, month: Month, job: int) -> bool:
    """Drop a month if every line of it has its checkpoint. Raises `OperationalError` where somebody reads it.

    Nobody writes to a month that is over, but for a statement that began in it and lasts: with the lock none can, so
    what is proved holds until the table is gone. Only detaching asks for a lock that keeps others from the whole of
    history, and that one comes at once or not at all.
    """
    name = _quoted(connection, month)
    connection.execute(text(f"set local lock_timeout = '{LOCK_WAIT}'"))
    connection.execute(text(f"lock table {name} in share mode"))
    if execute(connection, "without_checkpoint", first=month.first, until=month.until):
        return False
    connection.execute(text(f"alter table history detach partition {name}"))
    connection.execute(text(f"drop table {name}"))
    done = {"done": operation.c.done + month.lines, "changed": operation.c.changed + month.lines}
    connection.execute(operation.update().where(operation.c.id == job).values(done))
    return True


def _prune_month(engine: Engine, month: Month, job: int, patience_s: float) -> str:
    """Store checkpoints and drop one month; give what stood in the way, nothing where it is gone."""
    end = time.monotonic() + patience_s
    store_checkpoints(engine, month)
    while True:
        try:
            with engine.begin() as connection:
                if drop_month(connection, month, job):
                    return ""
            store_checkpoints(engine, month)
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) not in NOT_NOW:
                raise
            if time.monotonic() > end:
                return _reader(engine)
            time.sleep(PAUSE_S)


def _months(connection: Connection, before: date) -> list[Month]:
    rows = connection.execute(_MONTHS, {"before": before})
    return [Month(**row._mapping) for row in rows]


def _counted(connection: Connection, month: Month) -> Month:
    row = connection.execute(_LINES, {"first": month.first, "until": month.until}).one()
    return msgspec.structs.replace(month, **row._mapping)


def _refuse_present(connection: Connection, before: date) -> None:
    present = connection.execute(text("select cast(date_trunc('month', clock_timestamp()) as date)")).scalar_one()
    if before > present:
        raise RefusedError(
            f"history of {present:%Y-%m} and later stays: that month is not over; the latest to give is {present:%Y-%m}"
        )


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold the instance's lock on pruning. Raises `RefusedError` where somebody else does."""
    lock = "hashtext(current_schema() || '.prune')"
    with engine.connect() as connection:
        connection.detach()  # closed at the end, never lent to somebody else with the lock on it
        mine = connection.execute(text(f"select pg_try_advisory_lock({lock})")).scalar()
        connection.commit()
        if not mine:
            raise RefusedError("somebody else prunes the history just now; look again when that has ended")
        try:
            yield
        finally:
            with suppress(DBAPIError):
                connection.execute(text(f"select pg_advisory_unlock({lock})"))
                connection.commit()


def _begin(connection: Connection, planned: Plan, actor: str, reason: str) -> int:
    """Write the act down; one that still counts as running died, for its lock is ours."""
    connection.execute(
        operation.update()
        .where(operation.c.action == "prune-history", operation.c.status == "running")
        .values(status="stopped")
    )
    row = {
        "actor": actor,
        "action": "prune-history",
        "selection": {"before": f"{planned.before:%Y-%m}", "months": [month.called for month in planned.months]},
        "reason": reason,
        "total": planned.lines,
    }
    return int(connection.execute(operation.insert().values(row).returning(operation.c.id)).scalar_one())


def _end(engine: Engine, job: int, status: str) -> None:
    with engine.begin() as connection:
        ended = {"status": status, "finished_at": text("clock_timestamp()")}
        connection.execute(operation.update().where(operation.c.id == job).values(ended))


def _drop_late(engine: Engine, before: date) -> int:
    gone = 0
    while True:
        with engine.begin() as connection:
            rows = execute(connection, "drop_late", until=before, page=PAGE)
        gone += len(rows)
        if len(rows) < PAGE:
            return gone


def _reader(engine: Engine) -> str:
    """Say who keeps the history from being changed, the one who began first."""
    with engine.connect() as connection:
        row = connection.execute(_READER).first()
    if row is None:
        return "the history was in use at each try"
    who = row.application_name or "somebody"
    return f"{who} (PostgreSQL process {row.pid}) has had the history open for {row.age} s"


def _quoted(connection: Connection, month: Month) -> str:
    return connection.dialect.identifier_preparer.quote(month.name)


_MONTHS = text("""
with parts as (
  select c.relname as name, c.oid, pg_get_expr(c.relpartbound, c.oid) as bound
  from pg_inherits p join pg_class c on c.oid = p.inhrelid where p.inhparent = cast('history' as regclass)
), spans as (
  select name, oid, cast(substring(bound from 'FROM \\(''([^'']+)''\\)') as timestamptz) as first,
    cast(substring(bound from 'TO \\(''([^'']+)''\\)') as timestamptz) as until from parts where bound <> 'DEFAULT'
)
select name, first, until, pg_total_relation_size(oid) as size from spans where until <= :before order by until
""")
_LINES = text("""
select count(*) as items, cast(coalesce(sum(n), 0) as bigint) as lines
from (select count(*) as n from history where at >= :first and at < :until group by item_id) as touched
""")
_TOUCHED = text("""
select (select count(*) from (select item_id from history
    where at < :until and tableoid <> cast('history_default' as regclass) group by item_id) as touched) as items,
  (select count(*) from late where at < :before) as late,
  (select count(*) from history_default where at < :before) as unmoved
""")
_NEXT_ITEM = text("select min(item_id) from history where at >= :first and at < :until and item_id > :after")
_READER = text("""
select a.application_name, a.pid, cast(extract(epoch from clock_timestamp() - a.xact_start) as integer) as age
from pg_locks l join pg_stat_activity a using (pid)
where l.relation in (select relid from pg_partition_tree('history')) and l.granted and a.pid <> pg_backend_pid()
order by a.xact_start limit 1
""")
