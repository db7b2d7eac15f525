"""What has to be known of an item before one can say why it stays where it is."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, Connection, case, func, select, text

from ..interrupts import POLITE
from ..meeting import met
from ..pipeline import Pipeline
from ..records import Record
from ..schema import attempt, campaign, item, pipeline, step_rule
from ..views import Around, AttemptRow, PauseRow, ProcessRow, around, attempts_of, obstacles
from ..views.depths import broker_silent
from ..views.launchers import PilotBrief, Serving, pilots_of_jobs, serving
from ..views.queues import ahead, takes

MOST_AHEAD = 1000


class Machine(Record):
    """What is alive, what operators have stopped, since when the broker does not answer.

    `serving` are the launchers and their pilots, where those were asked for.
    """

    now: datetime
    alive: tuple[ProcessRow, ...]
    last_conductor: datetime | None
    pauses: tuple[PauseRow, ...]
    sites_down: tuple[str, ...]
    broker_silent: datetime | None = None
    serving: Serving = Serving()

    def has(self, role: str) -> bool:
        """Say whether a process of this role was heard of lately; `up` plays every role but the worker's."""
        return any(process.role in (role, "up") for process in self.alive)

    def workers(self, step: str, lane: str = "", *, large: bool = False) -> tuple[ProcessRow, ...]:
        """Give the workers that were heard of lately and take this step, in this lane; none on a node set aside.

        Those of ordinary pilots leave `large` work alone: what ran out of time or memory before.
        """
        resting = {pause.name for pause in self.pauses if pause.what == "node"}
        found = tuple(p for p in self.halted_too(step, lane) if p.host not in resting)
        ordinary = {pilot.token for pilot in self.serving.pilots if large and not pilot.large}
        return tuple(p for p in found if p.detail.get("pilot") not in ordinary)

    def halted_too(self, step: str, lane: str = "") -> tuple[ProcessRow, ...]:
        """Give such workers wherever they are."""
        return tuple(p for p in self.alive if p.role == "worker" and takes(p, step, lane))


class Item(Record):
    """An item with its step's rule and its campaign's status."""

    id: int
    state: str
    phase: str
    step: str
    lane: str
    kind: str
    large: bool
    priority: int
    epoch: int
    owner: str
    host: str
    job: str
    lease_until: datetime | None
    submitted_at: datetime | None
    not_before: datetime | None
    failures: int
    interrupts: int
    nodes: tuple[str, ...]
    since: datetime
    trouble_since: datetime | None
    trigger: str
    actor: str
    reason_code: str
    reason: str
    log: str
    retries: int
    campaign: str
    campaign_status: str
    campaign_by: str
    campaign_reason: str


class Facts(Record):
    """An item, how its subject is named, and what surrounds it. `named` are the words that select it.

    `paused_site` stands in its way: its step would write there. `pilots` are by job those that it and its attempts
    had.
    """

    subject: str
    named: tuple[str, ...]
    run: int
    item: Item
    machine: Machine
    ahead: int
    attempts: tuple[AttemptRow, ...]
    notes: tuple[str, ...] = ()
    paused_site: PauseRow | None = None
    pilots: dict[str, PilotBrief] = {}


def facts(
    conn: Connection,
    subject: str,
    named: tuple[str, ...],
    run: int,
    item_id: int,
    notes: Sequence[str],
    *,
    attempts: tuple[AttemptRow, ...] | None = None,
    known: Around | None = None,
) -> Facts:
    """Collect the facts of one item. Raises `sqlalchemy.exc.NoResultFound` where there is none.

    `attempts`, the oldest first, and what is alive are asked for unless they are known already.
    """
    found = _item(conn, item_id)
    waits = found.phase == "ready"
    surroundings = machine(conn, known)
    if waits or found.phase == "submitted":
        surroundings = with_pilots(conn, surroundings, [found.step], found.lane, always=found.large)
    tried = attempts_of(conn, [item_id], 5) if attempts is None else attempts[-5:]
    return Facts(
        subject=subject,
        named=named,
        run=run,
        item=found,
        machine=surroundings,
        ahead=ahead(conn, found.step, found.lane, found.priority, found.id, MOST_AHEAD) if waits else 0,
        attempts=tried,
        notes=tuple(notes),
        paused_site=_paused_site(conn, found, surroundings.pauses) if waits else None,
        pilots=pilots_of_jobs(conn, [found.job, *(each.job for each in tried)]),
    )


def with_pilots(
    conn: Connection, around: Machine, steps: Iterable[str], lane: str = "", *, always: bool = False
) -> Machine:
    """Look at launchers and their pilots too, but only where one of these steps has no worker, or a pilot's."""
    taking = [around.workers(step, lane) for step in steps if step]
    asked = always or any(not each or any(p.detail.get("pilot") for p in each) for each in taking)
    return msgspec.structs.replace(around, serving=serving(conn)) if asked else around


def _paused_site(conn: Connection, found: Item, paused: Sequence[PauseRow]) -> PauseRow | None:
    """Give the pause of a site that the item's step would write to."""
    sites = [pause for pause in paused if pause.what == "site"]
    if not sites:
        return None
    wanted = select(pipeline.c.definition, item.c.kind).join(item, item.c.pipeline_id == pipeline.c.id)
    row = conn.execute(wanted.where(item.c.id == found.id)).one()
    pinned = msgspec.convert(row.definition, met(Pipeline))
    written = pinned.written(pinned.step(found.step), row.kind)
    return next((pause for pause in sites if pause.name in written), None)


def machine(conn: Connection, known: Around | None = None) -> Machine:
    """Look at which processes live, unless that is `known` already, and what is paused."""
    seen = known or around(conn)
    paused, down = obstacles(conn)
    return Machine(
        now=seen.now,
        alive=seen.alive,
        last_conductor=seen.last_conductor,
        pauses=paused,
        sites_down=tuple(f"site {name} is down: {reason}" for name, reason in down),
        broker_silent=broker_silent(conn, seen),
    )


def _item(conn: Connection, item_id: int) -> Item:
    names = ("id", "state", "phase", "lane", "kind", "priority", "epoch", "host", "job", "lease_until", "submitted_at")
    more = ("not_before", "failures", "interrupts", "nodes", "since", "trouble_since", "trigger", "actor")
    columns = [item.c[name] for name in (*names, *more, "reason_code", "reason", "log")]
    rule = (step_rule.c.pipeline_id == item.c.pipeline_id) & (step_rule.c.state == item.c.state)
    wanted = (
        select(
            *columns,
            _text(item.c.step, "step"),
            _text(item.c.owner, "owner"),
            func.coalesce(step_rule.c.retries, 0).label("retries"),
            (item.c.request != text("'{}'::jsonb")).label("large"),
            campaign.c.name.label("campaign"),
            campaign.c.status.label("campaign_status"),
            campaign.c.status_by.label("campaign_by"),
            campaign.c.status_reason.label("campaign_reason"),
            _began().label("began"),
        )
        .join(campaign, campaign.c.id == item.c.campaign_id)
        .outerjoin(step_rule, rule)
        .where(item.c.id == item_id)
    )
    found = dict(conn.execute(wanted).one()._mapping)
    began = found.pop("began")
    known = [each for each in (began, found["trouble_since"]) if each is not None]
    return Item(**{**found, "nodes": tuple(found["nodes"]), "trouble_since": min(known, default=None)})


def _began() -> ColumnElement[datetime | None]:
    """Give since when its step fails, or is interrupted: a requeue forgets it in the item, the attempts do not."""
    tried = attempt.c.item_id == item.c.id, attempt.c.step == item.c.step
    worked = (
        select(func.max(attempt.c.epoch)).where(*tried, attempt.c.outcome.in_(("succeeded", "skipped"))).correlate(item)
    )
    first = select(func.min(attempt.c.ended_at)).where(
        *tried,
        attempt.c.outcome.in_(("failed", "interrupted")),
        attempt.c.reason_code.not_in(POLITE),
        attempt.c.epoch > func.coalesce(worked.scalar_subquery(), 0),
    )
    return case((item.c.phase.not_in(("done", "waiting")), first.scalar_subquery()), else_=None)


def _text(column: ColumnElement[str | None], label: str) -> ColumnElement[str]:
    return case((column.is_(None), ""), else_=column).label(label)
