"""Why no worker of a step lives where pilots bring them; and what became of the pilot that an attempt had."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from .. import jobwords
from ..piloting import ENDS, PilotStatus
from ..views.launchers import LauncherRow, PilotBrief, Serving
from ..views.processes import PauseRow
from ..wording import plural
from .answer import Who, at, command

STARTS = timedelta(minutes=3)
"""A pilot that runs for so long without a worker has something wrong with it."""
SHOWN = 5


class Obstacle(NamedTuple):
    """What keeps workers from being there: code, what follows "no worker of it lives:", who must act."""

    code: str
    sentence: str
    who: Who = Who.NOBODY
    since: datetime | None = None
    does: str = ""
    evidence: tuple[str, ...] = ()


def obstacle(serving: Serving, step: str, now: datetime, lane: str = "", *, large: bool = False) -> Obstacle | None:
    """Say why no pilot brings a worker for a step; none where nobody ever launches any."""
    if not serving.launchers and not serving.pilots:
        return None
    mine = [each for each in serving.pilots if each.serves(step, lane) and (each.large or not large)]
    live = [each for each in mine if not each.over]
    found = _running(live, now) or _pending(live) or _refused(serving, mine) or _silent(serving) or _intended(live)
    found = found or _none(serving.launchers, step, now)
    return found._replace(evidence=(*found.evidence, *_around(serving, mine, found)))


def crowds(serving: Serving, step: str, lane: str = "") -> tuple[str, ...]:
    """Say how many pilots of each name are there for a step, and where there may be no more."""
    mine = [each for each in serving.pilots if each.serves(step, lane) and not each.over]
    lines = []
    for launcher, name in sorted({(each.launcher, each.name) for each in mine}):
        group = [each for each in mine if (each.launcher, each.name) == (launcher, name)]
        counted = Counter(each.status for each in group)
        parts = ", ".join(f"{counted[status]} {status}" for status in PilotStatus if counted[status])
        most = max(each.most for each in group)
        limit = f"; more are not started: [pilot.{name}] max is {most}" if 0 < most <= len(group) else ""
        lines.append(f"{plural(len(group), 'pilot')} {name} of launcher {launcher} for it: {parts}{limit}")
    return tuple(lines)


def named(pilot: PilotBrief) -> str:
    """Name a pilot: `pilot 17, job 4711 on n2`."""
    job = f", job {pilot.job}" if pilot.job else ""
    return f"pilot {pilot.id}{job}" + (f" on {pilot.node}" if pilot.node else "")


def became(pilot: PilotBrief) -> str:
    """Say how a pilot is, or how it ended: `pilot 17, job 4711 on n2, was preempted (...)`."""
    if not pilot.over:
        return f"{named(pilot)}, is {pilot.status}"
    said = ENDS.get(pilot.code, pilot.code or "it is over")
    ended = f", {said.removeprefix('it ')}" if said.startswith("it ") else f": {said}"
    return named(pilot) + ended + (f" ({pilot.reason})" if pilot.reason else "")


def set_aside(pauses: Sequence[PauseRow], nodes: Sequence[str]) -> tuple[str, ...]:
    """Say which of these nodes are set aside, by whom, why, and what lets them go on."""
    return tuple(
        f"node {row.name} is set aside by {row.actor}: {row.reason} (to go on: {command('resume', '--node', row.name)})"
        for row in pauses
        if row.what == "node" and row.name in nodes
    )


def _running(live: Sequence[PilotBrief], now: datetime) -> Obstacle | None:
    """A pilot whose job has begun should bring workers within moments."""
    begun = [each for each in live if each.status == "running"]
    if not begun:
        return None
    first = max(begun, key=lambda each: each.started_at or each.created_at)
    since = first.started_at or first.created_at
    if first.told or all(each.told for each in begun):
        said = f"{named(first)}, was told to {first.told}, and takes nothing new"
        return Obstacle("pilot-leaving", said, since=since)
    said = f"{named(first)}, began {at(since)}"
    if now - since < STARTS:
        return Obstacle("pilot-starting", f"{said}; its workers are about to be heard of", since=since)
    log = (f"its output: {first.log}",) if first.log else ()
    said = f"{said}, and none of its workers has been heard of lately"
    return Obstacle("pilot-without-workers", said, Who.ADMINISTRATOR, since, "headframe slurm doctor", log)


def _pending(live: Sequence[PilotBrief]) -> Obstacle | None:
    """Of those that wait, one that goes by itself comes first: what it waits for is what the work waits for."""
    pending = [each for each in live if each.status == "pending"]
    if not pending:
        return None
    first = min(pending, key=lambda each: (_stuck(each), each.submitted_at or each.created_at))
    since = first.submitted_at or first.created_at
    why = jobwords.said(first.reason) or "SLURM has said no reason"
    known = jobwords.waits(first.reason)
    does = known.do.format(job=first.job) if known else ""
    others = tuple(f"{named(each)}, is pending too: {jobwords.said(each.reason)}" for each in pending if each != first)
    who = Who.ADMINISTRATOR if _stuck(first) else Who.NOBODY
    said = f"{named(first)}, has been pending since {at(since)}: {why}"
    return Obstacle("pilot-pending", said, who, since, does, others[:SHOWN])


def _stuck(pilot: PilotBrief) -> bool:
    known = jobwords.waits(pilot.reason)
    return known is not None and known.stuck


def _refused(serving: Serving, mine: Sequence[PilotBrief]) -> Obstacle | None:
    names = {each.name for each in mine}
    for launcher in serving.launchers:
        for name, words in launcher.trouble.items():
            if launcher.alive and (name in names or not names):
                said = f"launcher {launcher.name} gets no pilot {name}: {words}"
                return Obstacle("pilots-refused", said, Who.ADMINISTRATOR, does="headframe slurm doctor")
    return None


def _silent(serving: Serving) -> Obstacle | None:
    if any(launcher.alive for launcher in serving.launchers):
        return None
    if not serving.launchers:
        said = "no launcher, which submits the pilots that bring workers, has been heard of for a week"
        return Obstacle("launcher-silent", said, Who.ADMINISTRATOR, does="headframe launcher")
    last = max(serving.launchers, key=lambda each: each.seen_at)
    said = f"launcher {last.name} on {last.host or 'an unknown host'} submits the pilots, and has been silent since"
    said = f"{said} {at(last.seen_at)}"
    return Obstacle("launcher-silent", said, Who.ADMINISTRATOR, last.seen_at, "headframe launcher")


def _intended(live: Sequence[PilotBrief]) -> Obstacle | None:
    if not live:
        return None
    first = min(live, key=lambda each: each.created_at)
    said = f"{named(first)}, was asked for {at(first.created_at)}; whether the batch system has it is being found out"
    return Obstacle("pilot-intended", said, since=first.created_at)


def _none(launchers: Sequence[LauncherRow], step: str, now: datetime) -> Obstacle:
    alive = [each for each in launchers if each.alive]
    names = sorted({name for each in alive for name in each.names})
    said = f"launcher {alive[0].name} lives, and has no pilot for it"
    does = "headframe launcher --once --dry-run"
    kept = (f"it keeps pilots named {', '.join(names)}: does one of them take {step}?",) if names else ()
    if now - alive[0].started_at < STARTS:
        return Obstacle("no-pilot", f"{said} yet", evidence=kept)
    return Obstacle("no-pilot", said, Who.ADMINISTRATOR, does=does, evidence=kept)


def _around(serving: Serving, mine: Sequence[PilotBrief], found: Obstacle) -> tuple[str, ...]:
    """Say what else there is to know: silent launchers, names in trouble, and how the last pilots ended."""
    lines = []
    for launcher in serving.launchers:
        if not launcher.alive and found.code != "launcher-silent":
            lines.append(f"launcher {launcher.name} has been silent since {at(launcher.seen_at)}")
        troubles = launcher.trouble.items() if launcher.alive else ()
        more = [(name, words) for name, words in troubles if words not in found.sentence]
        lines += [f"launcher {launcher.name} gets no pilot {name}: {words}" for name, words in more]
    over = [each for each in mine if each.over][:2]
    lines += [f"{became(each)}, at {at(each.ended_at)}" for each in over]
    return tuple(lines[:SHOWN])
