"""The outbox: ready items go to the broker as parcels, and are `submitted` once it has confirmed them."""

import secrets
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, Engine

from ...consumers.broker import Broker, BrokerUnavailableError, Names, Outgoing
from ...consumers.messages import Drain, Drop, Halt, Settle, SettleItem, Work, WorkItem, encode
from ...consumers.worker.settings import SETTLE
from ...statemachine.batches import batched
from ...statemachine.records import Outcome, Reporter
from ...statemachine.store import dispatch, pauses, settling
from ...statemachine.store.core import Ready, lock_items
from ...statemachine.store.dispatch import Order
from ...statemachine.store.fold import Said
from ...statemachine.store.gather import RunMoved
from ...statemachine.store.pauses import Told
from ...statemachine.store.reports import Stale, apply_reports

SETTLE_WINDOW = 500
SETTLE_PARCEL = 50
DEFAULT_WINDOW = 2000


class Outbox:
    """Sends what is ready. Many may do so at once: an epoch's message is the same whoever sends it."""

    def __init__(
        self, engine: Engine, broker: Broker, names: Names, owner: str, windows: Mapping[str, int] | None = None
    ) -> None:
        self.engine, self.broker, self.names, self.owner = engine, broker, names, owner
        self.windows = windows or {}
        self.backlogged: set[tuple[str, str]] = set()

    def send_new(self, ready: Iterable[Ready]) -> None:
        """Send what has just become ready, at once, but only where nothing waits ahead of it."""
        for (step, lane), entries in _by_lane(ready).items():
            if (step, lane) in self.backlogged:
                continue
            with self.engine.begin() as connection:
                if pauses.paused(connection, step, lane) or pauses.paused_sites(connection):
                    continue  # the refiller knows what may go
                room = self._room(connection, step, lane)
                self.send(connection, entries[: max(0, room)])
            if len(entries) > room:
                self.backlogged.add((step, lane))

    def refill(self) -> None:
        """Send what waits, oldest first, up to each window; one process at a time for each step and lane."""
        with self.engine.begin() as connection:
            pairs = dispatch.backlog(connection)
        self.backlogged &= pairs
        for step, lane in sorted(pairs):
            with self.engine.begin() as connection:
                if not dispatch.lock_lane(connection, step, lane):
                    continue
                room = self._room(connection, step, lane)
                waiting = dispatch.waiting(connection, step, lane, room)
                self.send(connection, waiting)
            self._remember(step, lane, len(waiting) >= max(room, 1))
        self.send_settle()

    def _room(self, connection: Connection, step: str, lane: str) -> int:
        return dispatch.window_room(connection, step, lane, self.windows.get(step, DEFAULT_WINDOW))

    def _remember(self, step: str, lane: str, more: bool) -> None:
        (self.backlogged.add if more else self.backlogged.discard)((step, lane))

    def send(self, connection: Connection, ready: Sequence[Ready]) -> int:
        """Publish the work of these items and submit what was confirmed; give how many were sent."""
        orders = dispatch.describe(connection, ready)
        sent = self._publish(orders)
        lock_items(connection, [order.item for order in orders])  # all in order, and none while the broker answers
        self._refuse(connection, [order for order in orders if order.problem])
        dispatch.submit(connection, sent, self.owner)
        return len(sent)

    def send_again(self, connection: Connection, ready: Sequence[Ready]) -> list[Ready]:
        """Publish the same hints again, epochs unchanged; give those that went out."""
        return self._publish(dispatch.describe(connection, ready))

    def _publish(self, orders: Iterable[Order]) -> list[Ready]:
        """Publish what can be done of these orders, in parcels; give what the broker has confirmed."""
        parcels = list(_parcels(order for order in orders if not order.problem))
        messages = [Outgoing(key=self.names.work(p[0].step.name, p[0].lane), body=encode(_work(p))) for p in parcels]
        confirmed = self.broker.publish(messages) if messages else []
        return [_ready(order) for p, ok in zip(parcels, confirmed, strict=True) if ok for order in p]

    def send_settle(self) -> None:
        """Send file-system work that is due."""
        with self.engine.begin() as connection:
            rows = settling.due(connection, SETTLE_WINDOW)
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

    def _refuse(self, connection: Connection, orders: Sequence[Order]) -> None:
        """Fail what cannot be done, such as a step whose input is gone: at once, with the reason."""
        reporter = Reporter(owner=self.owner, host="conductor")
        said = [
            Said(
                outcome=Outcome(
                    item=order.item,
                    epoch=order.epoch,
                    trigger="fail",
                    step=order.step.name,
                    reason_code="input-gone",
                    reason=order.problem,
                    permanent=True,
                ),
                reporter=reporter,
            )
            for order in orders
        ]
        if said:
            apply_reports(connection, said)


def _by_lane(ready: Iterable[Ready]) -> dict[tuple[str, str], list[Ready]]:
    lanes: dict[tuple[str, str], list[Ready]] = {}
    for entry in ready:
        lanes.setdefault((entry.step, entry.lane), []).append(entry)
    return lanes


def _parcels(orders: Iterable[Order]) -> Iterable[tuple[Order, ...]]:
    """Group orders of one campaign, step and lane into parcels of the step's size."""
    groups: dict[tuple[str, str, str], list[Order]] = {}
    for order in orders:
        groups.setdefault((order.campaign, order.step.name, order.lane), []).append(order)
    for group in groups.values():
        yield from batched(group, group[0].step.parcel)


def _work(parcel: tuple[Order, ...]) -> Work:
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
        trace=f"{order.run}/{order.item}",
    )


def _ready(order: Order) -> Ready:
    return Ready(item=order.item, epoch=order.epoch, step=order.step.name, lane=order.lane)
