"""Keeps as many pilots of each name as are wanted: takes back those too many, starts those missing, lets names rest."""

from datetime import datetime, timedelta

import structlog
from msgspec.structs import replace

from ...statemachine.piloting import LivePilot, Orders
from ..config import Config
from .backoff import Rest, rest
from .book import Book
from .nodes import SetAside, on
from .ordering import Ordering, leaving
from .sizing import Crowd, Kind, Plan, Surplus, Work, kinds, plan, work
from .submitting import Submitting
from .tokens import digest, digest_of

log = structlog.get_logger("headframe.launcher")

AHEAD_S = 300.0
AHEAD_SHARE = 0.1
"""The next pilot of those that stay is asked for so long before the last one drains, or at this share of a short
walltime: it may have to wait for its place."""


class Keeping:
    """Decides and acts, once a round. `trouble` says of each name what stops its pilots, `wanted` how many it wants."""

    def __init__(self, config: Config, book: Book, ordering: Ordering, submitting: Submitting, nodes: SetAside) -> None:
        self.config, self.book, self.ordering, self.submitting, self.nodes = config, book, ordering, submitting, nodes
        self.trouble: dict[str, str] = {}
        self.wanted: dict[str, int] = {}
        self._digests = {name: digest(config, name) for name in config.pilots}
        self._surplus: dict[Kind, Surplus] = {}

    def keep(self, orders: Orders, now: datetime) -> None:
        """Do what is wanted. Raises `ClientError` while nothing can be written down."""
        self.submitting.check()
        rests = self.rests(orders)
        plans = self.plans(orders, rests)
        self.wanted = {name: plans[name].wanted for name in self.config.pilots}
        for name, each in plans.items():
            for kind, surplus in zip(kinds(name), (each.surplus, each.surplus_large, each.surplus_stay), strict=True):
                self._withdraw(kind, surplus, now)
        starts = {
            kind: count
            for name, each in plans.items()
            for kind, count in zip(kinds(name), (each.start, each.start_large, each.start_stay), strict=True)
        }
        expect = {step.step: step.p95_s for step in orders.demand if step.p95_s > 0}
        try:
            self.submitting.intend(starts, now, exclude=self.nodes.exclude(orders.set_aside), expect=expect)
            self.submitting.submit(self._resting(rests, orders.now), now)
        finally:
            self._note_trouble(self.rests(orders))

    def plans(self, orders: Orders, rests: dict[str, Rest]) -> dict[str, Plan]:
        """Say what is wanted of each name, those that are not configured any more as well."""
        able = [name for name in self.config.pilots if name not in self._resting(rests, orders.now)]
        works = work(self.config.pilots, orders.demand, able)
        found = {}
        for name in sorted({*self.config.pilots, *self.book.names()}):
            ordinary, large, stay = (self._crowd(kind, orders) for kind in kinds(name))
            if name not in self.config.pilots:
                found[name] = Plan(surplus=ordinary.pending, surplus_large=large.pending, surplus_stay=stay.helping)
                continue
            wanted = plan(self.config.pilots[name], works.get(name, Work()), ordinary, large, stay)
            found[name] = self._carefully(name, wanted, rests, orders.now)
        return found

    def rests(self, orders: Orders) -> dict[str, Rest]:
        """Say which names have been refused, or died, lately. Deaths on a node that is set aside are that node's."""
        settings = self.config.launcher
        found = {}
        for name, digits in self._digests.items():
            pilots = [pilot for pilot in self.book.of(name) if digest_of(pilot.token) == digits]
            pilots = [pilot for pilot in pilots if not on(pilot.node, orders.set_aside)]
            resting = rest(pilots, orders.now, settings.refused_s, settings.refused_max_s)
            if resting is not None:
                found[name] = resting
        return found

    def _resting(self, rests: dict[str, Rest], now: datetime) -> list[str]:
        return [name for name, resting in rests.items() if now < resting.until]

    def _carefully(self, name: str, wanted: Plan, rests: dict[str, Rest], now: datetime) -> Plan:
        """Start nothing of a name that rests; after that, one pilot, until it has shown that it can live."""
        if name not in rests:
            return wanted
        none = replace(wanted, start=0, start_large=0, start_stay=0)
        since = rests[name].since
        tried = any(pilot.created_at > since for pilot in self.book.live() if pilot.name == name)
        kind = next((key for key in ("start", "start_stay", "start_large") if getattr(wanted, key)), "")
        if now < rests[name].until or tried or not kind:
            return none
        return replace(none, **{kind: 1})

    def _crowd(self, kind: Kind, orders: Orders) -> Crowd:
        pilots = self._of(kind)
        gone = [each for each in pilots if self._leaves(each, orders) or self._ends(each, orders.now)]
        running = [each for each in pilots if each.status == "running" and each not in gone]
        return Crowd(running=len(running), pending=len(pilots) - len(gone) - len(running), leaving=len(gone))

    def _of(self, kind: Kind) -> list[LivePilot]:
        return [each for each in self.book.live() if kind == Kind(name=each.name, large=each.large, stay=each.stay)]

    def _ends(self, pilot: LivePilot, now: datetime) -> bool:
        """Say whether one that stays is so near its end that the next one is to be asked for."""
        if not pilot.stay or pilot.status != "running" or pilot.ends_at is None:
            return False
        asked = self.config.pilots.get(pilot.name)
        if asked is None:
            return False
        ahead_s = min(AHEAD_S, AHEAD_SHARE * asked.walltime) + asked.drain_s
        return pilot.ends_at - now <= timedelta(seconds=ahead_s)

    def _leaves(self, pilot: LivePilot, orders: Orders) -> bool:
        return pilot.token in self.ordering.withdrawn or leaving(pilot, orders.set_aside)

    def _withdraw(self, kind: Kind, surplus: int, now: datetime) -> None:
        """Take back the newest, which would wait longest; one whose submission is unclear is left until it is not.

        Of those that stay, running ones are drained where too few wait.
        """
        count = self._surplus.setdefault(kind, Surplus()).withdraw(surplus)
        if not count:
            return
        untried = self.submitting.untried(kind.name)
        waiting = [
            pilot
            for pilot in self._of(kind)
            if pilot.token not in self.ordering.withdrawn
            if pilot.token in untried or (pilot.status == "pending" and pilot.job)
        ]
        waiting.sort(key=lambda pilot: (pilot.token in untried, pilot.created_at), reverse=True)
        for pilot in waiting[:count]:
            if pilot.token in untried:
                self.submitting.give_up(pilot.token, now, "fewer pilots are needed than wait")
            else:
                self.ordering.withdraw(pilot, now)
        if kind.stay:
            self._drain(kind, count - len(waiting), now)

    def _drain(self, kind: Kind, count: int, now: datetime) -> None:
        """Let some leave that would stay: fewer are to be kept, or a large one needs the place."""
        running = [pilot for pilot in self._of(kind) if pilot.status == "running"]
        running = [pilot for pilot in running if pilot.token not in self.ordering.withdrawn]
        for pilot in sorted(running, key=lambda pilot: pilot.created_at)[: max(0, count)]:
            self.ordering.release(pilot, now)

    def _note_trouble(self, rests: dict[str, Rest]) -> None:
        before, self.trouble = self.trouble, dict(self.submitting.trouble)
        for name, resting in rests.items():
            when = f"{resting.until:%Y-%m-%d %H:%M:%S} UTC"
            times = f" ({resting.tries} times in a row)" if resting.tries > 1 else ""
            todo = f"tried again from {when} on, or once [pilot.{name}] is changed and the launcher restarted"
            self.trouble.setdefault(name, f"{resting.reason}{times}; {todo}")
        for name, said in self.trouble.items():
            if before.get(name) != said:
                log.error("pilots are not started", name=name, cause=said)
