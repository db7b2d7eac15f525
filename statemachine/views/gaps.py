"""What a run still misses, by name: sequence numbers that have not come, and announced files.

A run may have tens of thousands of files, and its page is asked for every few seconds. So one pass counts what is
there in spans of `SPAN` numbers, and only where that falls short it is looked at number by number.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, select, text

from ..schema import file, run
from .fields import View

MOST = 1000
BITS = 9
SPAN = 1 << BITS
"""How many sequence numbers are counted together."""

SPANS = text("""
select sequence >> :bits as span, max(registered_at) as newest,
  count(*) filter (where registered_at is null) as absent,
  count(*) filter (where sequence between :first and :last
    and (registered_at is not null or waived_at is not null)) as present
from file where run_id = :run_id group by 1 order by 1
""")
HOLES = text("""
select hole.first, hole.last
from unnest(cast(:firsts as bigint[]), cast(:lasts as bigint[])) as span(first, last)
cross join lateral (
  with present as (
    select sequence from file
    where run_id = :run_id and sequence between span.first and span.last
      and (registered_at is not null or waived_at is not null)
  ), edges as (
    select sequence, lag(sequence, 1, span.first - 1) over (order by sequence) as before from present
    union all
    select span.last + 1, coalesce(max(sequence), span.first - 1) from present
  )
  select before + 1 as first, sequence - 1 as last from edges where sequence - before > 1
) as hole order by 1 limit :most
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


class Came(NamedTuple):
    """What a run misses, and when the newest of its files came."""

    gaps: Gaps
    last_file_at: datetime | None


def gaps(conn: Connection, number: int) -> Gaps:
    """Give what a run misses; nothing for an unknown run."""
    found = conn.execute(select(run).where(run.c.number == number)).first()
    return Gaps(ranges=(), files=()) if found is None else came(conn, found).gaps


def came(conn: Connection, found: Row[Any], *, complete: bool = False) -> Came:
    """Look at what has come of a run, given its row. `complete`: the counts say that all has."""
    first, last = _bounds(conn, found)
    values = {"run_id": found.id, "first": first, "last": last, "bits": BITS}
    spans = conn.execute(SPANS, values).all()
    absent = _absent(conn, found.id, spans)
    newest = max((span.newest for span in spans if span.newest is not None), default=None)
    # Announced by name and without numbers: then nobody knows which number is whose.
    named = found.expected is not None and any(each.sequence is None for each in absent)
    ranges = () if named or (complete and not absent) else tuple(_ranges(conn, found.id, first, last, spans))
    return Came(Gaps(ranges=ranges[:MOST], files=absent), newest)


def _bounds(conn: Connection, found: Row[Any]) -> tuple[int, int]:
    """Give the first and the last sequence number that a run should have; the last before the first for none."""
    first = 1 if found.first_sequence is None else found.first_sequence
    if found.expected is not None:
        return first, first + found.expected - 1
    newest = select(file.c.sequence).where(file.c.run_id == found.id, file.c.sequence.is_not(None))
    last = conn.execute(newest.order_by(file.c.sequence.desc()).limit(1)).scalar()
    if last is None:
        return first, first - 1
    return (first if found.first_sequence is not None or last > 0 else last), last


def _ranges(conn: Connection, run_id: int, first: int, last: int, spans: Sequence[Row[Any]]) -> Iterator[Range]:
    """Give what is not there, in order; holes that touch each other as one."""
    holes, short = _stretches(first, last, spans)
    if short:
        values = {"run_id": run_id, "firsts": [a for a, _ in short], "lasts": [b for _, b in short], "most": MOST}
        holes += [(hole.first, hole.last) for hole in conn.execute(HOLES, values)]
    begin = end = None
    for low, high in sorted(holes):
        if end is not None and begin is not None and low > end + 1:
            yield Range(first=begin, last=end)
            begin = None
        begin, end = low if begin is None else begin, high
    if begin is not None and end is not None:
        yield Range(first=begin, last=end)


def _stretches(first: int, last: int, spans: Sequence[Row[Any]]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Give the stretches of which nothing is there, and those of which a part is."""
    holes, short, at = [], [], first
    for span in spans:
        if span.span is None or not span.present:
            continue
        low, high = max(first, span.span << BITS), min(last, (span.span << BITS) + SPAN - 1)
        if at < low:
            holes.append((at, low - 1))
        if span.present < high - low + 1:
            short.append((low, high))
        at = high + 1
    return ([*holes, (at, last)] if at <= last else holes), short


def _absent(conn: Connection, run_id: int, spans: Sequence[Row[Any]]) -> tuple[MissingFile, ...]:
    """Give the announced files that have not come, those with a number first."""
    lacking = [span.span for span in spans if span.absent and span.span is not None]
    found: tuple[MissingFile, ...] = ()
    if lacking:
        low, high = min(lacking) << BITS, (max(lacking) << BITS) + SPAN - 1
        found = _unregistered(conn, run_id, file.c.sequence.between(low, high), MOST)
    if len(found) < MOST and any(span.absent and span.span is None for span in spans):
        found += _unregistered(conn, run_id, file.c.sequence.is_(None), MOST - len(found))
    return found


def _unregistered(conn: Connection, run_id: int, which: ColumnElement[bool], most: int) -> tuple[MissingFile, ...]:
    names = ("name", "sequence", "expected_size", "waived_at", "waived_by", "waived_reason")
    wanted = (
        select(*(file.c[name] for name in names))
        .where(file.c.run_id == run_id, file.c.registered_at.is_(None), which)
        .order_by(file.c.sequence, file.c.name)
        .limit(most)
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
