"""What has happened since the beginning: folded sums plus those that are not folded yet. It only grows."""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import BigInteger, Connection, cast, func, select, union_all

from ..buckets import TO_A_DOUBLING
from ..schema import sum_delta, sum_total
from .fields import View

OUTCOMES = {
    "succeed": "done",
    "skipped": "done",
    "bypassed": "passed",
    "reused": "passed",
    "fail": "failed",
    "interrupt": "interrupted",
}
"""How an attempt ended, by the trigger that says so."""


class Reached(View):
    """Files that reached a state, each once: how many took less than 2 to the power of each exponent, in seconds.

    `n` are all, `seconds` the sum of their times.
    """

    n: int
    seconds: float
    within: dict[int, int]


class Sums(View):
    """Transitions by trigger; attempts by step, lane and outcome; retries by step and class of their reasons.

    Files that arrived by run type, the last of them at `last_file`; bytes written by site; files by the state that they
    reached. All but `last_file` are since the beginning, which for a database of before is the upgrade to 0.2.
    """

    transitions: dict[str, int]
    attempts: dict[tuple[str, ...], int]
    retries: dict[tuple[str, ...], int]
    arrived: dict[str, int]
    written: dict[str, int]
    reached: dict[str, Reached]
    last_file: datetime | None


def sums(conn: Connection) -> Sums:
    """Read all sums with one question, so that a fold in between is seen wholly or not at all."""
    transitions: dict[str, int] = defaultdict(int)
    attempts: dict[tuple[str, ...], int] = defaultdict(int)
    found: dict[str, dict[str, int]] = {"arrived": {}, "written": {}}
    retries: dict[tuple[str, ...], int] = {}
    buckets: dict[str, dict[int, tuple[int, float]]] = defaultdict(dict)
    last_file: datetime | None = None
    for row in conn.execute(SUMMED):
        if row.name == "transition":
            transitions[row.what] += row.n
            if row.what in OUTCOMES and row.step:
                attempts[row.step, row.lane, OUTCOMES[row.what]] += row.n
        elif row.name == "retry":
            retries[row.step, row.what] = row.n
        elif row.name == "reached":
            buckets[row.what][row.bucket] = (row.n, row.seconds)
        else:
            found[row.name][row.what] = row.n
            if row.name == "arrived":
                last_file = row.last_at if last_file is None else max(last_file, row.last_at)
    reached = {state: _reached(counts) for state, counts in buckets.items()}
    return Sums(
        transitions=dict(transitions), attempts=dict(attempts), retries=retries, **found, reached=reached,
        last_file=last_file,
    )  # fmt: skip


def _reached(counts: dict[int, tuple[int, float]]) -> Reached:
    """Sum buckets up to each doubling: eight of them, which are kept apart for nothing that is shown here."""
    within: dict[int, int] = defaultdict(int)
    for bucket, (n, _) in counts.items():
        within[bucket // TO_A_DOUBLING + 1] += n
    summed, sums_within = 0, {}
    for exponent in sorted(within):
        summed += within[exponent]
        sums_within[exponent] = summed
    return Reached(n=summed, seconds=sum(seconds for _, seconds in counts.values()), within=sums_within)


KEYS = ("name", "step", "lane", "what", "bucket")
VALUES = ("n", "seconds", "last_at")
_both = union_all(*(select(*(table.c[name] for name in (*KEYS, *VALUES))) for table in (sum_total, sum_delta)))
_all = _both.subquery("sums")
SUMMED = select(
    *(_all.c[name] for name in KEYS),
    cast(func.sum(_all.c.n), BigInteger).label("n"),
    func.sum(_all.c.seconds).label("seconds"),
    func.max(_all.c.last_at).label("last_at"),
).group_by(*(_all.c[name] for name in KEYS))
