"""What a launcher knows: its pilots as the service told them last, with what was seen since and is still to be told."""

from datetime import datetime, timedelta

from ...statemachine.piloting import OVER, LivePilot, Orders, PilotSeen
from .judging import is_news, merged, put_on

MOST = 5000
"""So much is told in one round (`piloting.Round`)."""
MOST_PAST = 1000


class Book:
    """Nothing in it outlives the process: all of it comes again, from the service and from the batch system."""

    def __init__(self, remember_s: float) -> None:
        self._remember = timedelta(seconds=remember_s)
        self._pilots: dict[str, LivePilot] = {}
        self._past: dict[str, LivePilot] = {}
        self._horizon: datetime | None = None
        self._untold: dict[str, PilotSeen] = {}

    def live(self) -> list[LivePilot]:
        """Give the pilots that are not over."""
        return [pilot for pilot in self._pilots.values() if pilot.status not in OVER]

    def get(self, token: str) -> LivePilot | None:
        """Give a pilot, if it is one of this launcher's: live, or ended lately."""
        return self._pilots.get(token)

    def of(self, name: str) -> list[LivePilot]:
        """Give all pilots of a name that are remembered, those that are over too."""
        known = {**self._past, **self._pilots}.values()
        return [pilot for pilot in known if pilot.name == name and not self._forgotten(pilot)]

    def names(self) -> set[str]:
        """Give the names of live pilots."""
        return {pilot.name for pilot in self.live()}

    def add(self, pilot: LivePilot) -> None:
        """Take up a pilot that has just been written down."""
        self._pilots[pilot.token] = pilot

    def note(self, seen: PilotSeen, now: datetime) -> bool:
        """Note what was seen; say whether it is news."""
        pilot = self._pilots.get(seen.token)
        if pilot is None or not is_news(pilot, seen):
            return False
        self._pilots[seen.token] = put_on(pilot, seen, now)
        self._untold[seen.token] = merged(self._untold.get(seen.token), seen)
        return True

    def note_usage(self, seen: PilotSeen) -> None:
        """Note what a pilot that is over has used."""
        self._untold[seen.token] = merged(self._untold.get(seen.token), seen)

    def untold(self) -> tuple[PilotSeen, ...]:
        """Give what is still to be told, as much as one round takes."""
        return tuple(self._untold.values())[:MOST]

    def take(self, told: tuple[PilotSeen, ...], orders: Orders) -> None:
        """Take what the service knows, which has been told this much."""
        for seen in told:
            if self._untold.get(seen.token) is seen:
                del self._untold[seen.token]
        before, self._pilots = self._pilots, {}
        for pilot in orders.pilots:
            later = self._untold.get(pilot.token)
            self._pilots[pilot.token] = pilot if later is None else put_on(pilot, later, orders.now)
        self._remember_past(before, orders.now)

    def _remember_past(self, before: dict[str, LivePilot], now: datetime) -> None:
        """Keep those that are over for longer than the service names them: a name that rests has to know why."""
        for pilot in (*before.values(), *self._pilots.values()):
            if pilot.status in OVER:
                self._past[pilot.token] = pilot
        self._horizon = now - self._remember
        kept = [pilot for pilot in self._past.values() if not self._forgotten(pilot)]
        kept.sort(key=lambda pilot: pilot.ended_at or now)
        self._past = {pilot.token: pilot for pilot in kept[-MOST_PAST:]}

    def _forgotten(self, pilot: LivePilot) -> bool:
        """Say whether a pilot ended so long ago that it says nothing any more, though the service still names it."""
        return self._horizon is not None and pilot.ended_at is not None and pilot.ended_at <= self._horizon
