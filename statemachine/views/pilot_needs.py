"""What of launchers, pilots and nodes needs somebody, in the words of `status`; and the work that nobody takes."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import Connection, text

from .. import jobwords
from ..wording import plural
from .launchers import LauncherRow, PilotBrief, recent_pilots
from .need import Need
from .processes import PauseRow, ProcessRow
from .queues import takes

LONG = timedelta(minutes=30)
"""For so long a pilot may be pending while work waits that nobody else does."""
STUCK = timedelta(minutes=2)
"""The same for one that does not start until somebody does something."""
PATIENCE = timedelta(minutes=2)
"""For so long work may wait for a launcher to ask for a pilot."""
WAITS = text("""
select s.step, s.lane, least(head.since, sent.since) as since, clock_timestamp() as now
from unnest(cast(:steps as text[]), cast(:lanes as text[])) with ordinality as s(step, lane, place)
left join lateral (select i.since from item i where i.phase = 'ready' and i.step = s.step and i.lane = s.lane
  order by i.priority, i.id limit 1) head on true
left join lateral (select i.since from item i where i.phase = 'submitted' and i.step = s.step and i.lane = s.lane
  order by i.submitted_at limit 1) sent on true
where head.since is not null or sent.since is not null
order by s.place
""")


class Waiting(NamedTuple):
    """Work that waits at a step in a lane. `taken`: a worker takes it; `elsewhere`: one takes the step at all;
    `steady`: one takes it that no pilot brought.
    """

    step: str
    lane: str
    since: datetime
    now: datetime
    taken: bool
    elsewhere: bool
    steady: bool


def waiting(
    conn: Connection,
    places: Iterable[tuple[str, str]],
    workers: Sequence[ProcessRow],
    launchers: Sequence[LauncherRow],
) -> tuple[Waiting, ...]:
    """Give what waits in these places: steps with lanes.

    Only those that no worker takes are asked about, so mostly none; all of them where a launcher has fallen silent.
    """
    all_of_them = any(not launcher.alive for launcher in launchers)
    left = [each for each in places if all_of_them or not any(takes(worker, *each) for worker in workers)]
    if not left:
        return ()
    rows = conn.execute(WAITS, {"steps": [step for step, _ in left], "lanes": [lane for _, lane in left]})
    return tuple(_waiting(row.step, row.lane, row.since, row.now, workers) for row in rows)


def work_needs(conn: Connection, waits: Sequence[Waiting], launchers: Sequence[LauncherRow]) -> Iterator[Need]:
    """Say what work waits for: a worker, or what keeps a pilot from bringing one."""
    untaken = [each for each in waits if not each.taken]
    pilots = recent_pilots(conn) if waits and launchers else ()
    yield from silent_launchers(launchers, waits, pilots)
    living = {launcher.name for launcher in launchers if launcher.alive}
    for each in untaken:
        if not _on_its_way(each, pilots, living):
            yield no_worker(each.step, each.lane, elsewhere=each.elsewhere)
    yield from _pending(pilots, untaken)


def silent_launchers(
    launchers: Sequence[LauncherRow], waits: Sequence[Waiting], pilots: Sequence[PilotBrief]
) -> Iterator[Need]:
    """Name the launchers that fell silent while work waits that their pilots took, as far as that is known.

    Not where somebody else takes it: workers that no pilot of theirs brought, or pilots of a launcher that lives. So
    one that was retired on purpose is no trouble.
    """
    living = {launcher.name for launcher in launchers if launcher.alive}
    for launcher in launchers:
        own = [each for each in pilots if each.launcher == launcher.name]
        mine = [each for each in waits if not own or any(pilot.serves(each.step, each.lane) for pilot in own)]
        left = [each.step for each in mine if not _others_take(each, pilots, living)]
        if not launcher.alive and left:
            steps = ", ".join(dict.fromkeys(left))
            said = f"launcher {launcher.name} on {launcher.host or 'an unknown host'} has been silent since"
            sentence = f"{said} {_at(launcher.seen_at)}: it starts no pilots, and work waits for {steps}"
            yield Need("launcher-silent", sentence, "headframe launcher", launcher.name)


def _others_take(waits: Waiting, pilots: Sequence[PilotBrief], living: set[str]) -> bool:
    """Say whether workers outside of silent launchers' pilots take what waits, or pilots of a living launcher do.

    A launcher that lives keeps pilots as there is work: those of it that are over count too.
    """
    return waits.steady or any(each.launcher in living and each.serves(waits.step, waits.lane) for each in pilots)


def refused_pilots(launchers: Sequence[LauncherRow]) -> Iterator[Need]:
    """Name the pilots that launchers do not get, in the batch system's words."""
    for launcher in launchers:
        for name, words in launcher.trouble.items() if launcher.alive else ():
            sentence = f"launcher {launcher.name} gets no pilot {name}: {words}"
            yield Need("pilots-refused", sentence, "headframe slurm doctor", name)


def nodes_set_aside(pauses: Iterable[PauseRow]) -> Iterator[Need]:
    """Name the nodes that are set aside: they stay so until somebody says otherwise."""
    for row in pauses:
        if row.what == "node":
            sentence = f"node {row.name} is set aside by {row.actor}: {row.reason}"
            yield Need("node-set-aside", sentence, f"headframe resume --node {row.name}", row.name)


def no_worker(step: str, lane: str, *, elsewhere: bool) -> Need:
    """Say that no worker takes a step in a lane; `elsewhere`: some take it in another one."""
    in_lane = f" in the {lane} lane" if elsewhere else ""
    return Need("no-worker", f"no worker takes step {step}{in_lane}, and work waits for it", "headframe worker", step)


def _waiting(step: str, lane: str, since: datetime, now: datetime, workers: Sequence[ProcessRow]) -> Waiting:
    taken = any(takes(worker, step, lane) for worker in workers)
    elsewhere = taken or any(takes(worker, step) for worker in workers)
    steady = any(takes(worker, step, lane) and not worker.detail.get("pilot") for worker in workers)
    return Waiting(step, lane, since, now, taken, elsewhere, steady)


def _on_its_way(waits: Waiting, pilots: Sequence[PilotBrief], living: set[str]) -> bool:
    """Say whether a pilot is there that brings a worker, or a launcher still has a moment to ask for one."""
    mine = [each for each in pilots if each.launcher in living and each.serves(waits.step)]
    return any(not each.over for each in mine) or (bool(living) and waits.now - waits.since < PATIENCE)


def _pending(pilots: Sequence[PilotBrief], waits: Sequence[Waiting]) -> Iterator[Need]:
    """Name the pilots that have been pending for long while work waits for them, those of one name together."""
    wanted = [each for each in pilots if each.status == "pending" and any(each.serves(w.step) for w in waits)]
    late = [each for each in wanted if waits[0].now - _since(each) > _allowed(each)]
    late.sort(key=lambda each: (each.launcher, each.name, _since(each)))
    for (launcher, name), group in groupby(late, key=lambda each: (each.launcher, each.name)):
        first, *others = group
        number, have = plural(1 + len(others), "pilot"), "have" if others else "has"
        sentence = f"{number} {name} of launcher {launcher} {have} been pending since {_at(_since(first))}"
        why = jobwords.said(first.reason) or "the batch system says no reason"
        yield Need("pilots-pending", f"{sentence}: {why}", "headframe pilots list --status pending", name)


def _since(pilot: PilotBrief) -> datetime:
    return pilot.submitted_at or pilot.created_at


def _allowed(pilot: PilotBrief) -> timedelta:
    known = jobwords.waits(pilot.reason)
    return STUCK if known is not None and known.stuck else LONG


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
