"""Which runs need somebody: how many files of each failed, are held or have not come, and the sum of all of them.

A run whose own item is done misses nothing, so only the others are counted, besides those that have files in trouble.
"""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Boolean, ColumnElement, Connection, column, func, select, text

from .fields import View
from .gaps import Range

MOST = 20_000
"""How many runs that are not done, and how many files in trouble, are looked at; more are a storm, and said as such."""
NAMED = 3

COUNTED = text("""
with wanted as (
  (select i.run_id from item i join run on run.id = i.run_id and run.campaign_id = i.campaign_id
    where i.scope = 'run' and i.phase in ('waiting', 'ready', 'submitted', 'executing', 'failed', 'held', 'abandoned')
    limit :most)
  union
  (select run_id from item where phase in ('failed', 'held', 'abandoned') and scope = 'file' limit :most)
), counted as (
  select r.id, r.number, r.closed_at, r.expected, r.waived, c.*
  from wanted join run r on r.id = wanted.run_id
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
select id, number, closed_at is null as is_open, failed, held, abandoned,
  case when closed_at is null then 0 else greatest(0, coalesce(expected, 0) - registered - waived) end as missing
from counted
""")
NUMBERS = ("id", "number", "failed", "held", "abandoned", "missing")
TROUBLED = COUNTED.columns(*(column(name, BigInteger) for name in NUMBERS), column("is_open", Boolean)).cte("troubled")
T = TROUBLED.c
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
    miss some; `runs_open` are still being written."""

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


def trouble_summary(conn: Connection) -> TroubleSummary:
    """Sum up what needs somebody."""
    sums = [func.coalesce(func.sum(T[word]), 0).label(word) for word in ("failed", "held", "missing", "abandoned")]
    tests = {f"runs_{word}": test for word, test in TESTS.items() if word != "trouble"}
    runs = {"runs": TESTS["trouble"], **tests}
    counts = [func.count().filter(test).label(name) for name, test in runs.items()]
    row = conn.execute(select(*sums, *counts), {"most": MOST}).one()
    return TroubleSummary(**{name: int(n) for name, n in row._mapping.items()})


def lacking(conn: Connection) -> dict[int, int]:
    """Give how many files each run misses, by its id; only those that miss some."""
    rows = conn.execute(select(T.id, T.missing).where(TESTS["missing"]), {"most": MOST})
    return {row.id: int(row.missing) for row in rows}


def having(conn: Connection, name: str) -> list[int]:
    """Give the ids of the runs of which one of `TESTS` holds."""
    return list(conn.execute(select(T.id).where(TESTS[name]), {"most": MOST}).scalars())


def first_gaps(conn: Connection, run_ids: Sequence[int]) -> dict[int, tuple[Range, ...]]:
    """Name the first `NAMED` gaps of each of these runs, and one more where there are more.

    A run whose files were announced by name alone has none: nobody knows which number is whose.
    """
    found: dict[int, tuple[Range, ...]] = {}
    if run_ids:
        for row in conn.execute(FIRST_HOLES, {"ids": list(run_ids), "most": NAMED + 1}):
            found[row.run_id] = (*found.get(row.run_id, ()), Range(first=row.first, last=row.last))
    return found
