"""Which runs need somebody: how many files of each failed, are held or have not come, and the sum of all of them.

A run whose own item is done misses nothing, so only the others are counted, besides those that have files in trouble.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import BigInteger, ColumnElement, Connection, Text, column, func, select, text, union_all

from ..schema import count_delta, count_total, run
from .fields import View
from .gaps import Range

MOST = 20_000
"""How many runs that are not done are looked at; more are a storm, and said as such."""
NAMED = 3

FOUND = text("""
with undone as materialized (
  select run.id, run.campaign_id, run.closed_at, run.expected, run.waived
  from item i join run on run.id = i.run_id and run.campaign_id = i.campaign_id
  where i.scope = 'run' and i.phase in ('waiting', 'ready', 'submitted', 'executing', 'failed', 'held', 'abandoned')
  limit :most
)
select f.run_id, f.phase as what, sum(f.n) as n from (
  select run_id, campaign_id, phase, n from count_total
  where scope = 'file' and phase in ('failed', 'held', 'abandoned')
  union all
  select run_id, campaign_id, phase, n from count_delta
  where scope = 'file' and phase in ('failed', 'held', 'abandoned')
) f join run r on r.id = f.run_id and r.campaign_id = f.campaign_id group by f.run_id, f.phase having sum(f.n) > 0
union all
select id, 'open', 1 from undone where closed_at is null
union all
select s.id, 'missing', s.missing from (
  select u.id, coalesce(u.expected, 0) - u.waived - c.came as missing from undone u cross join lateral (
    select coalesce(sum(n), 0) as came from (
      select n from count_total where run_id = u.id and campaign_id = u.campaign_id and scope = 'file'
      union all
      select n from count_delta where run_id = u.id and campaign_id = u.campaign_id and scope = 'file'
    ) both_tables
  ) c where u.closed_at is not null
) s where s.missing > 0
union all
select null, 'stopped', 0 from (select count(*) as n from undone) seen where seen.n >= :most
""")
"""A line for each run and each thing that is so with it, and how many files that are; each part can be asked alone."""
WHAT = FOUND.columns(column("run_id", BigInteger), column("what", Text), column("n", BigInteger)).cte("found")
W = WHAT.c
BOTH = union_all(
    *(
        select(*(table.c[name] for name in ("run_id", "campaign_id", "phase", "n"))).where(table.c.scope == "file")
        for table in (count_total, count_delta)
    )
).subquery("both_tables")
TESTS: Mapping[str, Sequence[str]] = {
    "missing": ("missing",),
    "failed": ("failed",),
    "held": ("held",),
    "abandoned": ("abandoned",),
    "open": ("open",),
    "trouble": ("failed", "held", "missing"),
}
"""What can be asked of a run by yes or no, and of which of the things found it is enough to have one."""
COUNTED = ("failed", "held", "abandoned")
"""What is found without looking at the runs that are not done."""
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
    files = ("failed", "held", "missing", "abandoned")
    sums = [func.coalesce(func.sum(W.n).filter(W.what == word), 0).label(word) for word in files]
    counts = [func.count().filter(W.what == word).label(f"runs_{word}") for word in (*files, "open")]
    runs = func.count(W.run_id.distinct()).filter(W.what.in_(TESTS["trouble"])).label("runs")
    stopped = func.coalesce(func.bool_or(W.what == "stopped"), False).label("at_least")
    row = conn.execute(select(*sums, *counts, runs, stopped), {"most": MOST}).one()
    numbers = {name: int(n) for name, n in row._mapping.items() if name != "at_least"}
    return TroubleSummary(**numbers, at_least=row.at_least)


def lacking(conn: Connection) -> tuple[dict[int, int], bool]:
    """Give how many files each run misses, by its id, for those that miss some; and whether there may be more."""
    rows = conn.execute(select(W.run_id, W.n).where(W.what.in_(("missing", "stopped"))), {"most": MOST}).all()
    return {row.run_id: int(row.n) for row in rows if row.run_id}, any(row.run_id is None for row in rows)


def having(conn: Connection, name: str) -> list[int] | None:
    """Give the ids of the runs of which one of `TESTS` holds; none where not all could be looked at."""
    wanted = TESTS[name] if name in COUNTED else (*TESTS[name], "stopped")
    ids = conn.execute(select(W.run_id).where(W.what.in_(wanted)).distinct(), {"most": MOST}).scalars().all()
    return None if None in ids else list(ids)


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
