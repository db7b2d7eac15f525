"""Time that has passed: history of months ago, as the clock would have written it; and what replays from it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from headframe.statemachine.store.sweep import next_partitions
from headframe.statemachine.verify import history_checks

BACK = 4
"""For so many months back there are partitions."""


def month(ago: int = 0) -> date:
    """Give the first day of the present month, or of one so many months ago."""
    first = datetime.now(UTC).date().replace(day=1)
    for _ in range(ago):
        first = (first - timedelta(days=1)).replace(day=1)
    return first


def months_pass(engine: Engine, n: int = 1, where: str = "true", back: int = BACK, **values: object) -> None:
    """Let all history, or some of it, be so many months older, with a partition for each month."""
    with engine.begin() as conn:
        for ago in range(back, 0, -3):
            next_partitions(conn, month(ago))
        conn.exec_driver_sql("set local session_replication_role = replica")
        older = f"update history set at = at - make_interval(months => :n) where {where}"
        conn.execute(text(older), {"n": n, **values})


def partitions(engine: Engine) -> set[str]:
    """Name the partitions of history."""
    with engine.connect() as conn:
        found = "select cast(inhrelid as regclass) from pg_inherits where inhparent = cast('history' as regclass)"
        return set(conn.execute(text(found)).scalars())


def present(engine: Engine) -> dict[int, tuple[Any, ...]]:
    """Give what every item is: version, state, phase, epoch."""
    with engine.connect() as conn:
        rows = conn.execute(text("select id, version, state, phase, epoch from item"))
        return {row.id: tuple(row)[1:] for row in rows}


def replayed(engine: Engine) -> dict[int, tuple[Any, ...]]:
    """Replay every item, line by line, from its checkpoint or from nothing."""
    with engine.connect() as conn:
        starts = conn.execute(text("select item_id, version, state, phase, epoch from history_checkpoint"))
        found = {row.item_id: tuple(row)[1:] for row in starts}
        for line in conn.execute(text("select * from history order by item_id, version")):
            before = found.get(line.item_id, (0, None, None, None))
            if line.version <= before[0]:
                continue
            assert line.version == before[0] + 1, line
            assert (line.from_state, line.from_phase) == before[1:3], line
            assert before[3] is None or line.epoch == before[3], line
            found[line.item_id] = (line.version, line.to_state, line.to_phase, line.to_epoch)
    return found


def faults(conn: Connection) -> list[str]:
    """Give what is wrong with history."""
    return [
        f"{fault.code} {fault.subject}: {fault.sentence}" for check in history_checks() for fault in check.run(conn)
    ]
