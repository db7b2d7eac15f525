"""When pilots of a name are refused or die as they start, the name rests: longer each time, until one does well.

It is reckoned from the pilots themselves, live and lately ended, so that a launcher that was restarted does not
forget. Only those count that were asked for as the configuration says now: who changes it begins anew.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from ...statemachine.piloting import LivePilot
from ...statemachine.records import Record

AT_ONCE_S = 60.0
"""A pilot that ends within so long of its start, or that nobody ever heard of, has not done anything."""
DEATHS = 3
"""One pilot that dies may have had a bad node; so many in a row did not. A refusal counts at once."""
DEADLY = ("failed", "node-failed", "memory")
"""Ends that are nobody's will; and leaving without having been heard of."""


class Rest(Record):
    """A name rests `until` then, after so many `tries` in a row went wrong, the last one `since`, for this `reason`.

    Afterwards one pilot is tried, and the next only when that one lives.
    """

    tries: int
    since: datetime
    until: datetime
    reason: str


def rest(pilots: Iterable[LivePilot], now: datetime, first_s: float, most_s: float) -> Rest | None:
    """Say whether pilots of a name have to rest, from all its pilots; nothing where all is well.

    Those that were under way at once are one try, so that ten refusals of one moment do not count as ten.
    """
    known = list(pilots)
    good = max((moment for each in known if (moment := _proved(each, now)) is not None), default=None)
    taken = max((each.created_at for each in known if each.job), default=None)
    bad = [each for each in known if _went_wrong(each) and (good is None or _end(each, now) > good)]
    # A refusal is over when a later one is taken, though that may wait for hours; a death when a later one lives.
    bad = [each for each in bad if not _refused(each) or taken is None or _is_after(each, taken, now)]
    if not bad or (len(bad) < DEATHS and not any(_refused(each) for each in bad)):
        return None
    tries, last = _tries(bad, now)
    wait_s = min(most_s, first_s * 2.0 ** min(tries - 1, 60))
    since = _end(last, now)
    return Rest(tries=tries, since=since, until=since + timedelta(seconds=wait_s), reason=_said(last))


def _tries(bad: Iterable[LivePilot], now: datetime) -> tuple[int, LivePilot]:
    ordered = sorted(bad, key=lambda each: each.created_at)
    tries, until, last = 0, None, ordered[0]
    for each in ordered:
        if until is None or each.created_at > until:
            tries += 1
        if until is None or _end(each, now) >= until:
            until, last = _end(each, now), each
    return tries, last


def _proved(pilot: LivePilot, now: datetime) -> datetime | None:
    """Give when a pilot has shown that pilots of its name can live."""
    if pilot.started_at is None or not (pilot.status == "running" or _did_well(pilot)):
        return None
    lived = pilot.started_at + timedelta(seconds=AT_ONCE_S)
    return lived if lived <= now else None


def _went_wrong(pilot: LivePilot) -> bool:
    if _refused(pilot):
        return True
    silent = pilot.code == "done" and pilot.heard_at is None
    return pilot.status == "ended" and (pilot.code in DEADLY or silent) and not _did_well(pilot)


def _refused(pilot: LivePilot) -> bool:
    never = pilot.status == "ended" and pilot.code == "vanished" and pilot.started_at is None
    return pilot.status == "refused" or never


def _is_after(pilot: LivePilot, taken: datetime, now: datetime) -> bool:
    """Say whether nothing was taken since a pilot was refused; or since it was made, where no answer came."""
    return _end(pilot, now) >= taken if pilot.status == "refused" else pilot.created_at > taken


def _did_well(pilot: LivePilot) -> bool:
    """Say whether a pilot that ended had lived, and was heard of by the broker."""
    if pilot.status != "ended" or pilot.started_at is None or pilot.ended_at is None or pilot.heard_at is None:
        return False
    return (pilot.ended_at - pilot.started_at).total_seconds() >= AT_ONCE_S


def _end(pilot: LivePilot, now: datetime) -> datetime:
    return pilot.ended_at or now


def _said(pilot: LivePilot) -> str:
    if _refused(pilot):
        return pilot.reason or "the batch system does not know what was submitted"
    where = f" on {pilot.node}" if pilot.node else ""
    said = pilot.reason or pilot.state or pilot.code
    return f"{pilot.token} ended{where} before it did anything: {said}"
