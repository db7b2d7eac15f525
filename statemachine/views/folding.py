"""What has been counted and waits to be folded: a sweeper's work, which keeps all of it near nothing."""

from sqlalchemy import Connection, text

from .fields import View

MOST = 100_000
"""So many rows of each are counted, and no more."""

WAITING = text("""
select (select count(*) from (select from count_delta limit :most) c) as counts,
  (select count(*) from (select from sum_delta limit :most) s) as sums,
  (select count(*) from (select from measure_due limit :most) m) as measures,
  extract(epoch from clock_timestamp() - (select last_at from sum_delta order by id limit 1)) as sums_s,
  extract(epoch from clock_timestamp() - (select at from measure_due order by id limit 1)) as measures_s
""")


class Unfolded(View):
    """How many rows wait: changes of counts, of the sums for metrics, changes to be measured; up to `MOST` of each.

    `sums_s` and `measures_s`: for how many seconds the oldest has; counts do not know their time.
    """

    counts: int
    sums: int
    measures: int
    sums_s: float
    measures_s: float

    @property
    def longest_s(self) -> float:
        """For how long the oldest has waited that knows its time."""
        return max(self.sums_s, self.measures_s)


def unfolded(conn: Connection) -> Unfolded:
    """Say what waits to be folded."""
    row = conn.execute(WAITING, {"most": MOST}).one()
    return Unfolded(
        counts=row.counts,
        sums=row.sums,
        measures=row.measures,
        sums_s=max(0.0, float(row.sums_s or 0)),
        measures_s=max(0.0, float(row.measures_s or 0)),
    )
