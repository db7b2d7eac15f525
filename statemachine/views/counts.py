"""The kept counts: folded totals plus the deltas that are not folded yet."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Subquery, cast, func, select, union_all

from ..schema import count_delta, count_total, count_whole
from .fields import View
from .paging import among

KEYS = ("run_id", "campaign_id", "scope", "state", "phase", "site")
GOOD = ("present", "verified")
"""What a replica's status is while it can be read."""


class Count(View):
    """So many items of a scope, or replicas (scope `replica`: `state` is the role, `phase` the status)."""

    campaign_id: int
    scope: str
    state: str
    phase: str
    site: str
    n: int


def totals(
    conn: Connection,
    *,
    scope: Sequence[str] = ("file", "run", "replica"),
    campaigns: Sequence[int] | None = None,
) -> tuple[Count, ...]:
    """Give the counts of the whole instance, or of these campaigns, without those that are zero."""
    return tuple(Count(**row._mapping) for row in conn.execute(_summed(KEYS[1:], scope=scope, campaigns=campaigns)))


def by_run(conn: Connection, run_ids: Sequence[int]) -> dict[int, list[Count]]:
    """Give the counts of each of these runs, without those that are zero."""
    found: dict[int, list[Count]] = {run_id: [] for run_id in run_ids}
    for run_id, campaign_id, scope, state, phase, site, n in conn.execute(_summed(KEYS, run_ids=run_ids)):
        found[run_id].append(Count(campaign_id=campaign_id, scope=scope, state=state, phase=phase, site=site, n=n))
    return found


def standing(counts: Iterable[Count]) -> dict[str, dict[str, int]]:
    """Give how many there are by state and then phase."""
    found: dict[str, dict[str, int]] = {}
    for count in counts:
        phases = found.setdefault(count.state, {})
        phases[count.phase] = phases.get(count.phase, 0) + count.n
    return found


def by_state(files: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Give how many there are by state."""
    return {state: sum(phases.values()) for state, phases in files.items()}


def by_phase(files: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Give how many there are by phase."""
    found: dict[str, int] = {}
    for phases in files.values():
        for phase, n in phases.items():
            found[phase] = found.get(phase, 0) + n
    return found


def _summed(
    keys: Sequence[str],
    *,
    run_ids: Sequence[int] | None = None,
    scope: Sequence[str] = (),
    campaigns: Sequence[int] | None = None,
) -> Any:
    both = _both(run_ids, scope, campaigns)
    wanted = [both.c[key] for key in keys]
    total: ColumnElement[int] = cast(func.sum(both.c.n), BigInteger)
    return select(*wanted, total.label("n")).group_by(*wanted).having(total != 0)


def _both(run_ids: Sequence[int] | None, scope: Sequence[str], campaigns: Sequence[int] | None) -> Subquery:
    """Both tables in one statement, so that a fold in between is seen wholly or not at all.

    What is asked of all runs is not summed over them: that grows for ever.
    """
    parts = []
    for table in (count_whole if run_ids is None else count_total, count_delta):
        keys = KEYS[1:] if run_ids is None else KEYS
        part = select(*(table.c[key] for key in keys), table.c.n)
        if run_ids is not None:
            part = part.where(table.c.run_id == func.any(among(run_ids)))
        if campaigns is not None:
            part = part.where(table.c.campaign_id == func.any(among(campaigns)))
        if scope:
            part = part.where(table.c.scope.in_(scope))
        parts.append(part)
    return union_all(*parts).subquery("counts")
