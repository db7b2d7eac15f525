"""What a run still misses, by name: sequence numbers that have not come, and announced files."""

from sqlalchemy import Connection, select, text

from ..schema import file, run
from .fields import View

MOST = 1000

HOLES = text("""
with present as (
  select sequence from file
  where run_id = :run_id and sequence between :first and :last
    and (registered_at is not null or waived_at is not null)
), edges as (
  select sequence, lag(sequence, 1, :first - 1) over (order by sequence) as before from present
  union all
  select :last + 1, coalesce(max(sequence), :first - 1) from present
)
select before + 1 as first, sequence - 1 as last from edges where sequence - before > 1 order by 1 limit :most
""")


class Range(View):
    """Sequence numbers from `first` to `last`, both included."""

    first: int
    last: int


class MissingFile(View):
    """An announced file that has not come; `waived` once an operator has declared it missing."""

    name: str
    sequence: int | None
    expected_size: int | None
    waived: bool
    waived_by: str
    waived_reason: str


class Gaps(View):
    """What a run misses. `ranges` leaves out waived sequences; without an announced number it ends at the last
    file that has come.
    """

    ranges: tuple[Range, ...]
    files: tuple[MissingFile, ...]


def gaps(conn: Connection, number: int, *, complete: bool = False) -> Gaps:
    """Give what a run misses; nothing for an unknown run. `complete`: the counts say that all has come."""
    found = conn.execute(select(run).where(run.c.number == number)).first()
    if found is None:
        return Gaps(ranges=(), files=())
    absent = _absent(conn, found.id)
    if complete and not absent:
        return Gaps(ranges=(), files=())
    named = found.expected is not None and sum(1 for each in absent if each.sequence is None) > 0
    return Gaps(ranges=() if named else _ranges(conn, found), files=absent)


def _ranges(conn: Connection, found: object) -> tuple[Range, ...]:
    run_id, expected = found.id, found.expected  # type: ignore[attr-defined]
    start = found.first_sequence  # type: ignore[attr-defined]
    first = 1 if start is None else start
    if expected is None:
        newest = select(file.c.sequence).where(file.c.run_id == run_id, file.c.sequence.is_not(None))
        last = conn.execute(newest.order_by(file.c.sequence.desc()).limit(1)).scalar()
        first = first if start is not None or last is None or last > 0 else last
    else:
        last = first + expected - 1
    if last is None:
        return ()
    values = {"run_id": run_id, "first": first, "last": last, "most": MOST}
    return tuple(Range(first=row.first, last=row.last) for row in conn.execute(HOLES, values))


def _absent(conn: Connection, run_id: int) -> tuple[MissingFile, ...]:
    wanted = (
        select(file)
        .where(file.c.run_id == run_id, file.c.registered_at.is_(None))
        .order_by(file.c.sequence, file.c.name)
        .limit(MOST)
    )
    return tuple(
        MissingFile(
            name=row.name,
            sequence=row.sequence,
            expected_size=row.expected_size,
            waived=row.waived_at is not None,
            waived_by=row.waived_by,
            waived_reason=row.waived_reason,
        )
        for row in conn.execute(wanted)
    )
