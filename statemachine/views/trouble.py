"""Which runs need somebody: how many files of each failed, are held or have not come, and the sum of all of them.

A run whose own item is done misses nothing, so only the others are counted, besides those that have files in trouble.
"""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Boolean, ColumnElement, Connection, column, func, select, text, union_all

from ..schema import count_delta, count_total, run
from .fields import View
from .gaps import Range

MOST = 20_000
"""How many runs that are not done, and how many counts of files in trouble, are looked at; more are a storm, and said
as such."""
NAMED = 3

COUNTED = text("""
with undone as materialized (
  select i.run_id from item i join run on run.id = i.run_id and run.campaign_id = i.campaign_id
  where i.scope = 'run' and i.phase in ('waiting', 'ready', 'submitted', 'executing', 'failed', 'held', 'abandoned')
  limit :most
), in_trouble as materialized (
  select run_id from count_total where scope = 'file' and phase in ('failed', 'held', 'abandoned') limit :most
), wanted as (
  select run_id from undone union select run_id from in_trouble
  union select run_id from count_delta where scope = 'file' and phase in ('failed', 'held', 'abandoned')
), looked as materialized (
  select (select count(*) from undone) >= :most or (select count(*) from in_trouble) >= :most as stopped
), counted as (
  select r.id, r.number, r.closed_at, r.expected, r.waived, c.*, looked.stopped
  from looked cross join wanted join run r on r.id = wanted.run_id
  cross join lateral (
    select coalesce(sum(n), 0) as registered, coalesce(sum(n) filter (where phase = 'failed'), 0) as failed,
      coalesce(sum(n) filter (where phase = 'held'), 0) as held,
      coalesce(sum(n) filter (where phase = 'abandoned'), 0) as abandoned
    from (
      select phase, n from count_total where run_id = r.id and campaign_id = r.campaign_id and scope = 'file'
      union all
      select phase, n from count_delta where run_id = r.id and campaign_id = r.campaign_id and scope = 'file'
    ) both_tables
  ) c
)
select id, number, closed_at is null as is_open, failed, held, abandoned, stopped,
  case when closed_at is null then 0 else greatest(0, coalesce(expected, 0) - registered - waived) end as missing
from counted
""")
NUMBERS = ("id", "number", "failed", "held", "abandoned", "missing")
BY_YES = ("is_open", "stopped")
TROUBLED = COUNTED.columns(
    *(column(name, BigInteger) for name in NUMBERS), *(column(name, Boolean) for name in BY_YES)
).cte("troubled")
T = TROUBLED.c
BOTH = union_all(
    *(
        select(*(table.c[name] for name in ("run_id", "campaign_id", "phase", "n"))).where(table.c.scope == "file")
        for table in (count_total, count_delta)
    )
).subquery("both_tables")
TESTS: dict[str, ColumnElement[bool]] = {
    "missing": T.missing > 0,
    "failed": T.failed > 0,
    "held": T.held > 0,
    "abandoned": T.abandoned > 0,
    "open": T.is_open,
    "trouble": T.failed + T.held + T.missing > 0,
}
"""What can be asked of a run by yes or no."""
FIRST_HOLES = text("""
with wanted as (
  select id as run_id, coalesce(first_sequence, 1) as first, coalesce(first_sequence, 1) + expected - 1 as last
  from run where id = any(:ids) and expected is not null
    and not exists (select from file where run_id = run.id and sequence is null)
)
select wanted.run_id, hole.first, hole.last
from wanted cross join lateral (
  select before + 1 as first, sequence - 1 as last from (
    select sequence, lag(sequence, 1, wanted.first - 1) over (order by sequence) as before from file
    where run_id = wanted.run_id and sequence between wanted.first and wanted.last
      and (registered_at is not null or waived_at is not null)
    union all
    select wanted.last + 1, coalesce(max(sequence), wanted.first - 1) from file
    where run_id = wanted.run_id and sequence between wanted.first and wanted.last
      and (registered_at is not null or waived_at is not null)
  ) edges where sequence - before > 1 limit :most
) hole order by wanted.run_id, hole.first
""")


class TroubleSummary(View):
    """What needs somebody, over all runs: how many files, and in how many runs. `runs` have failed or held files, or
    miss some; `runs_open` are still being written. `at_least`: there may be more than these, for it stopped at `MOST`.
    """

    runs: int
    failed: int
    held: int
    missing: int
    abandoned: int
    runs_failed: int
    runs_held: int
    runs_missing: int
    runs_abandoned: int
    runs_open: int
    at_least: bool = False


def trouble_summary(conn: Connection) -> TroubleSummary:
    """Sum up what needs somebody."""
    sums = [func.coalesce(func.sum(T[word]), 0).label(word) for word in ("failed", "held", "missing", "abandoned")]
    tests = {f"runs_{word}": test for word, test in TESTS.items() if word != "trouble"}
    runs = {"runs": TESTS["trouble"], **tests}
    counts = [func.count().filter(test).label(name) for name, test in runs.items()]
    stopped = func.coalesce(func.bool_or(T.stopped), False).label("at_least")
    row = conn.execute(select(*sums, *counts, stopped), {"most": MOST}).one()
    numbers = {name: int(n) for name, n in row._mapping.items() if name != "at_least"}
    return TroubleSummary(**numbers, at_least=row.at_least)


def lacking(conn: Connection) -> tuple[dict[int, int], bool]:
    """Give how many files each run misses, by its id; only those that miss some, of the runs that are looked at. And
    whether there may be more of them, for it stopped at `MOST`.
    """
    wanted = select(T.id, T.missing, T.stopped).where(TESTS["missing"] | T.stopped)
    rows = conn.execute(wanted, {"most": MOST}).all()
    return {row.id: int(row.missing) for row in rows if row.missing}, any(row.stopped for row in rows)


def having(conn: Connection, name: str) -> list[int] | None:
    """Give the ids of the runs of which one of `TESTS` holds; none where not all could be looked at."""
    rows = conn.execute(select(T.id, T.stopped).where(TESTS[name] | T.stopped), {"most": MOST}).all()
    return None if any(row.stopped for row in rows) else [row.id for row in rows]


def holds(name: str) -> ColumnElement[bool]:
    """Ask one of `TESTS` of each run by itself: slower where few runs fit, and right however many do."""
    n = func.coalesce(func.sum(BOTH.c.n), 0)
    counts = select(n).where(BOTH.c.run_id == run.c.id, BOTH.c.campaign_id == run.c.campaign_id)
    came = counts.correlate(run).scalar_subquery()
    missing = run.c.closed_at.is_not(None) & (func.coalesce(run.c.expected, 0) - run.c.waived > came)
    if name == "open":
        return run.c.closed_at.is_(None)
    if name == "missing":
        return missing
    phases = ("failed", "held") if name == "trouble" else (name,)
    some = counts.where(BOTH.c.phase.in_(phases)).correlate(run).scalar_subquery() > 0
    return some | missing if name == "trouble" else some


def first_gaps(conn: Connection, run_ids: Sequence[int]) -> dict[int, tuple[Range, ...]]:
    """Name the first `NAMED` gaps of each of these runs, and one more where there are more.

    A run whose files were announced by name alone has none: nobody knows which number is whose.
    """
    found: dict[int, tuple[Range, ...]] = {}
    if run_ids:
        for row in conn.execute(FIRST_HOLES, {"ids": list(run_ids), "most": NAMED + 1}):
            found[row.run_id] = (*found.get(row.run_id, ()), Range(first=row.first, last=row.last))
    return found
