"""Keeps as many pilots of each name as are wanted: takes back those too many, starts those missing, lets names rest."""

from datetime import datetime

import structlog

from ...statemachine.piloting import LivePilot, Orders
from ..config import Config
from .backoff import Rest, rest
from .book import Book
from .nodes import SetAside
from .ordering import Ordering, leaving
from .sizing import Crowd, Plan, Surplus, Work, plan, work
from .submitting import Submitting
from .tokens import digest, digest_of

log = structlog.get_logger("headframe.launcher")


class Keeping:
    """Decides and acts, once a round. `trouble` says of each name what stops its pilots."""

    def __init__(self, config: Config, book: Book, ordering: Ordering, submitting: Submitting, nodes: SetAside) -> None:
        self.config, self.book, self.ordering, self.submitting, self.nodes = config, book, ordering, submitting, nodes
        self.trouble: dict[str, str] = {}
        self._digests = {name: digest(config, name) for name in config.pilots}
        self._surplus: dict[tuple[str, bool], Surplus] = {}

    def keep(self, orders: Orders, now: datetime) -> None:
        """Do what is wanted. Raises `ClientError` while nothing can be written down."""
        self.submitting.check()
        rests = self.rests(orders.now)
        plans = self.plans(orders, rests)
        for name, each in plans.items():
            self._withdraw(name, False, each.surplus, now)
            self._withdraw(name, True, each.surplus_large, now)
        starts = {(name, False): each.start for name, each in plans.items()}
        starts |= {(name, True): each.start_large for name, each in plans.items()}
        expect = {step.step: step.p95_s for step in orders.demand if step.p95_s > 0}
        try:
            self.submitting.intend(starts, now, exclude=self.nodes.exclude(orders.set_aside), expect=expect)
            self.submitting.submit(self._resting(rests, orders.now), now)
        finally:
            self._note_trouble(self.rests(orders.now))

    def plans(self, orders: Orders, rests: dict[str, Rest]) -> dict[str, Plan]:
        """Say what is wanted of each name, those that are not configured any more as well."""
        able = [name for name in self.config.pilots if name not in self._resting(rests, orders.now)]
        works = work(self.config.pilots, orders.demand, able)
        found = {}
        for name in sorted({*self.config.pilots, *self.book.names()}):
            ordinary, large = self._crowd(name, False, orders), self._crowd(name, True, orders)
            if name not in self.config.pilots:
                found[name] = Plan(surplus=ordinary.pending, surplus_large=large.pending)
                continue
            wanted = plan(self.config.pilots[name], works.get(name, Work()), ordinary, large)
            found[name] = self._carefully(name, wanted, rests, orders.now)
        return found

    def rests(self, now: datetime) -> dict[str, Rest]:
        """Say which names have been refused, or died, lately."""
        settings = self.config.launcher
        found = {}
        for name, digits in self._digests.items():
            pilots = [pilot for pilot in self.book.of(name) if digest_of(pilot.token) == digits]
            resting = rest(pilots, now, settings.refused_s, settings.refused_max_s)
            if resting is not None:
                found[name] = resting
        return found

    def _resting(self, rests: dict[str, Rest], now: datetime) -> list[str]:
        return [name for name, resting in rests.items() if now < resting.until]

    def _carefully(self, name: str, wanted: Plan, rests: dict[str, Rest], now: datetime) -> Plan:
        """Start nothing of a name that rests; after that, one pilot, until it has shown that it can live."""
        if name not in rests:
            return wanted
        none = Plan(surplus=wanted.surplus, surplus_large=wanted.surplus_large)
        since = rests[name].since
        tried = any(pilot.created_at > since for pilot in self.book.live() if pilot.name == name)
        if now < rests[name].until or tried or not (wanted.start or wanted.start_large):
            return none
        start = min(wanted.start, 1)
        return Plan(start=start, start_large=1 - start, surplus=none.surplus, surplus_large=none.surplus_large)

    def _crowd(self, name: str, large: bool, orders: Orders) -> Crowd:
        pilots = [each for each in self.book.live() if each.name == name and each.large == large]
        gone = [each for each in pilots if self._leaves(each, orders)]
        running = [each for each in pilots if each.status == "running" and each not in gone]
        return Crowd(running=len(running), pending=len(pilots) - len(gone) - len(running), leaving=len(gone))

    def _leaves(self, pilot: LivePilot, orders: Orders) -> bool:
        return pilot.token in self.ordering.withdrawn or leaving(pilot, orders.set_aside)

    def _withdraw(self, name: str, large: bool, surplus: int, now: datetime) -> None:
        """Take back the newest, which would wait longest; one whose submission is unclear is left until it is not."""
        count = self._surplus.setdefault((name, large), Surplus()).withdraw(surplus)
        if not count:
            return
        untried = self.submitting.untried(name)
        waiting = [
            pilot
            for pilot in self.book.live()
            if pilot.name == name and pilot.large == large and pilot.token not in self.ordering.withdrawn
            if pilot.token in untried or (pilot.status == "pending" and pilot.job)
        ]
        waiting.sort(key=lambda pilot: (pilot.token in untried, pilot.created_at), reverse=True)
        for pilot in waiting[:count]:
            if pilot.token in untried:
                self.submitting.give_up(pilot.token, now, "fewer pilots are needed than wait")
            else:
                self.ordering.withdraw(pilot, now)

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
