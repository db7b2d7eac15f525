"""What the demonstration shows: its runs live in the terminal, and a summary at the end."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine, text

STATES = ("arrived", "salted", "placed", "reconstructed", "cataloged")


class Row:
    """A run's counts at one moment."""

    def __init__(self, number: int, kind: str, expected: int | None, state: str, phase: str) -> None:
        self.number, self.kind, self.expected, self.state, self.phase = number, kind, expected, state, phase
        self.counts: dict[str, int] = {}
        self.failed = 0

    @property
    def finished(self) -> bool:
        """Say whether the whole run is cataloged."""
        return self.phase == "done"


def look(engine: Engine, numbers: Sequence[int]) -> list[Row]:
    """Read the runs and their kept counts."""
    with engine.connect() as connection:
        runs = connection.execute(text(_RUNS), {"numbers": list(numbers)}).all()
        rows = {row.id: Row(row.number, row.kind or "?", row.expected, row.state, row.phase) for row in runs}
        for count in connection.execute(text(_COUNTS), {"ids": list(rows)}):
            row = rows[count.run_id]
            row.counts[count.state] = row.counts.get(count.state, 0) + int(count.n)
            row.failed += int(count.n) if count.phase == "failed" else 0
    return list(rows.values())


def settled(engine: Engine) -> bool:
    """Say whether every readable link has been made."""
    with engine.connect() as connection:
        return not connection.execute(text("select exists (select from settle)")).scalar_one()


def picture(rows: Sequence[Row]) -> Table:
    """Draw the runs as a table: how many files stand in each state."""
    table = Table(title="runs", title_justify="left")
    for name in ("run", "type", "expected", *STATES, "failed", "run is"):
        table.add_column(name, justify="left" if name in ("type", "run is") else "right")
    for row in rows:
        counts = [str(row.counts.get(state, "") or "") for state in STATES]
        expected = str(row.expected) if row.expected is not None else "?"
        table.add_row(str(row.number), row.kind, expected, *counts, str(row.failed or ""), row.state)
    return table


def summarize(console: Console, engine: Engine, numbers: Sequence[int], wall_s: float) -> None:
    """Print what was done and how long it took."""
    with engine.connect() as connection:
        row = _latency(connection, numbers)
    console.print(f"{row.files} files of {len(numbers)} runs cataloged in {wall_s:.1f} s")
    console.print(
        f"from file closed to cataloged: median {row.middle:.2f} s, 95% within {row.most:.2f} s, "
        f"longest {row.longest:.2f} s"
    )


def _latency(connection: Connection, numbers: Sequence[int]) -> Any:
    return connection.execute(text(_LATENCY), {"numbers": list(numbers)}).one()


_RUNS = """
select run.id, run.number, run.kind, run.expected, i.state, i.phase from run
join item i on i.run_id = run.id and i.scope = 'run' and i.campaign_id = run.campaign_id
where run.number = any(:numbers) order by run.number
"""

_COUNTS = """
select run_id, state, phase, sum(n) as n from (
  select run_id, state, phase, n from count_total where run_id = any(:ids) and scope = 'file'
  union all select run_id, state, phase, n from count_delta where run_id = any(:ids) and scope = 'file'
) as kept group by run_id, state, phase having sum(n) <> 0
"""

_LATENCY = """
select count(*) as files, percentile_cont(0.5) within group (order by s) as middle,
  percentile_cont(0.95) within group (order by s) as most, max(s) as longest
from (
  select extract(epoch from i.changed_at) - f.mtime_ns / 1e9 as s
  from item i join file f on f.id = i.file_id join run on run.id = i.run_id
  where run.number = any(:numbers) and i.phase = 'done'
) as done
"""
