"""The outbox: ready items go to the broker as parcels, and are `submitted` once it has confirmed them."""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Engine

from ...consumers.broker import Broker, BrokerUnavailableError, Names, Outgoing
from ...consumers.messages import LARGEST_WORK, Drain, Drop, Halt, Settle, SettleItem, Work, WorkItem, encode
from ...consumers.worker.settings import SETTLE
from ...statemachine.batches import batched
from ...statemachine.lanes import LANES
from ...statemachine.naming import trace
from ...statemachine.records import Outcome, Reporter
from ...statemachine.store import dispatch, settling
from ...statemachine.store.core import Ready, lock_items
from ...statemachine.store.dispatch import Order
from ...statemachine.store.fold import Said
from ...statemachine.store.gather import RunMoved
from ...statemachine.store.pauses import Told
from ...statemachine.store.reports import Stale, apply_reports
from ...statemachine.turns import Turns
from . import trail

SETTLE_WINDOW = 500
SETTLE_PARCEL = 50
DEFAULT_WINDOW = 2000


Parcel = tuple[Order, ...]


class Refusal(NamedTuple):
    """Work that cannot be sent, and why."""

    order: Order
    code: str
    reason: str


class Outbox:
    """Sends what is ready in its `lanes`. Many may do so at once: an epoch's message is the same whoever sends it.

    A refill sends at most `chunk` items of a step and lane in one transaction (0: all that there is room for). Settle
    work that nobody reports done goes out again after `lost_hint_s`, and then ever later.

    `backlogged` are the steps and lanes in which something waits ahead of what has just become ready. `pressed`:
    something waits, and there has been room for it lately, so that there soon will be again.
    """

    def __init__(
        self,
        engine: Engine,
        broker: Broker,
        names: Names,
        owner: str,
        windows: Mapping[str, int] | None = None,
        *,
        lanes: Sequence[str] = LANES,
        chunk: int = 0,
        lost_hint_s: float = 60.0,
    ) -> None:
        self.engine, self.broker, self.names, self.owner = engine, broker, names, owner
        self.windows, self.lanes, self.chunk = windows or {}, tuple(lanes), chunk
        self.lost_hint_s = lost_hint_s
        self.backlogged: set[tuple[str, str]] = set()
        self.pressed = False
        self._declared: set[str] = set()
        self._turns: defaultdict[str, Turns] = defaultdict(Turns)

    def send_new(self, ready: Iterable[Ready]) -> None:
        """Send what has just become ready in its lanes, at once, but only where nothing waits ahead of it.

        Another conductor's refiller sees it as soon as it is committed. Whoever has the lane's lock sends it; without
        one both would, and two workers would do the same.
        """
        for (step, lane), entries in _by_lane(ready).items():
            if lane in self.lanes and (step, lane) not in self.backlogged:
                self._send_new(step, lane, entries)

    def _send_new(self, step: str, lane: str, entries: Sequence[Ready]) -> None:
        with self.engine.begin() as connection:
            mine, room, going = dispatch.begin_sending(connection, step, lane), 0, list(entries)
            if mine is None:
                return  # the refiller knows what may go
            if mine:
                window = self.windows.get(step, DEFAULT_WINDOW)
                going, room = dispatch.still_ready(connection, step, lane, entries, window)
                self.send(connection, going[: max(0, room)])
        if len(going) > room:
            self.backlogged.add((step, lane))
            self.pressed |= room > 0 or not mine

    def refill(self) -> None:
        """Send what waits, up to each window: the oldest first, bulk work by its campaigns' weights.

        One process at a time does it for each step and lane.
        """
        with self.engine.begin() as connection:
            pairs = {(step, lane) for step, lane in dispatch.backlog(connection) if lane in self.lanes}
        self.backlogged &= pairs
        self.pressed = False
        for step, lane in sorted(pairs):
            self._refill(step, lane)
        if "live" in self.lanes:
            self.send_settle()

    def _refill(self, step: str, lane: str) -> None:
        with self.engine.begin() as connection:
            if not dispatch.lock_lane(connection, step, lane):
                return
            room = self._room(connection, step, lane)
            going = min(room, self.chunk or room)
            waiting = dispatch.waiting(connection, step, lane, going, self._turns[step])
            self.send(connection, waiting)
        # A full window says nothing of what waits behind it: until there is room, all is taken to wait.
        more = room <= 0 or len(waiting) >= going
        (self.backlogged.add if more else self.backlogged.discard)((step, lane))
        self.pressed |= more and room > 0

    def freed(self) -> None:
        """Note that workers have begun or ended something: there may be room now where there was none."""
        self.pressed = bool(self.backlogged)

    def _room(self, connection: Connection, step: str, lane: str) -> int:
        return dispatch.window_room(connection, step, lane, self.windows.get(step, DEFAULT_WINDOW))

    def send(self, connection: Connection, ready: Sequence[Ready]) -> int:
        """Publish the work of these items and submit what was confirmed; give how many were sent."""
        sent = self.send_again(connection, ready)
        dispatch.submit(connection, sent, self.owner)
        return len(sent)

    def send_again(self, connection: Connection, ready: Sequence[Ready]) -> list[Ready]:
        """Publish these items' work, epochs unchanged; give what went out. What cannot be done is failed."""
        orders = dispatch.describe(connection, ready)
        sent, refused = self._publish(orders)
        if refused:  # all in order, and none while the broker answers; without refusals one statement changes all
            lock_items(connection, [order.item for order in orders])
            self._refuse(connection, refused)
        return sent

    def _publish(self, orders: Iterable[Order]) -> tuple[list[Ready], list[Refusal]]:
        """Publish what can be done of these orders, in parcels; give what the broker has confirmed, and the rest."""
        good, refused = _told_apart(orders)
        bodies: list[tuple[Parcel, bytes]] = []
        for parcel, body in (each for whole in _parcels(good) for each in _bodies(whole)):
            if len(body) > LARGEST_WORK:
                refused.append(_too_large(parcel[0], len(body)))
            else:
                bodies.append((parcel, body))
        messages = [Outgoing(key=self._queue(parcel[0]), body=body) for parcel, body in bodies]
        confirmed = self.broker.publish(messages) if messages else []
        self._declare({p[0].step.name for (p, _), ok in zip(bodies, confirmed, strict=True) if not ok})
        sent = [order for (p, _), ok in zip(bodies, confirmed, strict=True) if ok for order in p]
        trail.sent(sent)
        return [_ready(order) for order in sent], refused

    def _queue(self, order: Order) -> str:
        return self.names.work(order.step.name, order.lane, large=order.large)

    def _declare(self, unrouted: set[str]) -> None:
        """Make the queues of steps that have left the configuration: runs that pinned them go on with them."""
        for step in sorted(unrouted - self._declared):
            self.broker.declare(self.names.topology((step, SETTLE)))
            self._declared.add(step)

    def send_settle(self) -> None:
        """Send file-system work that is due."""
        with self.engine.begin() as connection:
            rows = settling.due(connection, SETTLE_WINDOW, self.lost_hint_s)
        items = [SettleItem(id=r.id, action=r.action, site=r.site, path=r.path, link=r.link) for r in rows]
        key = self.names.work(SETTLE, "live")
        messages = [Outgoing(key=key, body=encode(Settle(parcel=part))) for part in batched(items, SETTLE_PARCEL)]
        if messages:
            self.broker.publish(messages)

    def tell_stale(self, stale: Iterable[Stale]) -> None:
        """Tell owners to drop attempts that are no longer theirs. A hint: a lost one costs only their time."""
        by_owner: dict[str, list[tuple[int, int]]] = {}
        for entry in stale:
            by_owner.setdefault(entry.owner, []).append((entry.item, entry.epoch))
        messages = [
            Outgoing(key=self.names.control(owner), body=encode(Drop(items=tuple(items))), mandatory=False)
            for owner, items in by_owner.items()
        ]
        self._try(messages)

    def tell_workers(self, told: Iterable[Told]) -> None:
        """Tell workers what to leave alone, and which are to leave. Told again until their reports show it."""
        messages: list[tuple[str, Halt | Drain]] = []
        for entry in told:
            key = self.names.control(entry.owner)
            messages.append((key, Halt(what=entry.halted)))
            if entry.drain:
                messages.append((key, Drain()))
        self._try([Outgoing(key=key, body=encode(message), mandatory=False) for key, message in messages])

    def tell_public(self, moved: Iterable[RunMoved]) -> None:
        """Publish what runs did for whoever listens; at most once, listeners reconcile by REST."""
        messages = [
            Outgoing(
                exchange=self.names.events,
                key=self.names.event_key(entry.kind, entry.state),
                body=msgspec.json.encode(entry),
                mandatory=False,
            )
            for entry in moved
        ]
        self._try(messages)

    def _try(self, messages: list[Outgoing]) -> None:
        if not messages:
            return
        try:
            self.broker.publish(messages)
        except BrokerUnavailableError:
            return

    def _refuse(self, connection: Connection, refused: Sequence[Refusal]) -> None:
        """Fail what cannot be done, such as a step whose input is gone: at once, with the reason."""
        reporter = Reporter(owner=self.owner, host="conductor")
        said = [
            Said(
                outcome=Outcome(
                    item=each.order.item,
                    epoch=each.order.epoch,
                    trigger="fail",
                    step=each.order.step.name,
                    reason_code=each.code,
                    reason=each.reason,
                    permanent=True,
                    trace=trace(each.order.run, each.order.name),
                ),
                reporter=reporter,
            )
            for each in refused
        ]
        if said:
            apply_reports(connection, said, locked=True)
        for each, entry in zip(refused, said, strict=True):
            trail.reported([entry], each.order.lane)


def _told_apart(orders: Iterable[Order]) -> tuple[list[Order], list[Refusal]]:
    """Tell what can be sent from what cannot be done."""
    good, refused = [], []
    for order in orders:
        if order.problem:
            refused.append(Refusal(order, "input-gone", order.problem))
        else:
            good.append(order)
    return good, refused


def _too_large(order: Order, size: int) -> Refusal:
    reason = (
        f"its {len(order.inputs)} inputs make a work message of {size / 1e6:.1f} MB, more than the "
        f"{LARGEST_WORK / 1e6:.1f} MB that one may have: let a step before it write fewer and larger products, or "
        "bring the data as several runs"
    )
    return Refusal(order, "work-too-large", reason)


def _by_lane(ready: Iterable[Ready]) -> dict[tuple[str, str], list[Ready]]:
    lanes: dict[tuple[str, str], list[Ready]] = {}
    for entry in ready:
        lanes.setdefault((entry.step, entry.lane), []).append(entry)
    return lanes


def _parcels(orders: Iterable[Order]) -> Iterator[Parcel]:
    """Group orders of one campaign, step, lane and size into parcels of the step's length.

    What was with a worker that died goes alone: else the others of its parcel would be blamed for its next deaths.
    """
    groups: dict[tuple[str, str, str, bool], list[Order]] = {}
    for order in orders:
        if order.suspect:
            yield (order,)
            continue
        groups.setdefault((order.campaign, order.step.name, order.lane, order.large), []).append(order)
    for group in groups.values():
        yield from batched(group, group[0].step.parcel)


def _bodies(parcel: Parcel) -> Iterator[tuple[Parcel, bytes]]:
    """Give a parcel's message, or those of its halves where it is too large."""
    body = encode(_work(parcel))
    if len(body) <= LARGEST_WORK or len(parcel) == 1:
        yield parcel, body
        return
    half = len(parcel) // 2
    yield from _bodies(parcel[:half])
    yield from _bodies(parcel[half:])


def _work(parcel: Parcel) -> Work:
    first = parcel[0]
    return Work(
        step=first.step.name,
        lane=first.lane,
        use=first.step.use,
        scope=first.step.scope,
        makes=first.step.makes,
        campaign=first.campaign,
        lease_s=first.step.lease_s,
        options=first.step.options,
        id=secrets.token_hex(8),
        parcel=tuple(_item(order) for order in parcel),
        large=first.large,
    )


def _item(order: Order) -> WorkItem:
    return WorkItem(
        item=order.item,
        epoch=order.epoch,
        run=order.run,
        kind=order.kind,
        name=order.name,
        sequence=order.sequence,
        inputs=order.inputs,
        folder=order.folder,
        seed=order.seed,
        conditions=order.conditions,
        resources=order.resources,
        metadata=order.metadata,
        trace=trace(order.run, order.name),
        ready_at=order.ready_at,
    )


def _ready(order: Order) -> Ready:
    return Ready(item=order.item, epoch=order.epoch, step=order.step.name, lane=order.lane)
