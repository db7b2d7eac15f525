"""One batch: applied in one transaction; where that fails, what cannot be applied is found, and put aside alone."""

from collections.abc import Sequence

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, OperationalError

from ...consumers.broker import Delivery
from ...consumers.messages import Marker
from ...statemachine.database import first_line, is_passing
from ...statemachine.store.campaigns import Book
from ...statemachine.store.letters import keep
from . import trail
from .applying import Effects, apply
from .parked import unreadable
from .parts import Part, read, split
from .refusing import fail_refused, letter, put_away
from .sorting import Sorted

log = structlog.get_logger("headframe.conductor")
FEWEST_SUSPECT = 3
"""From how many messages on, all failing alike, a batch says more about us than about them."""

THEIRS = {DataError, OperationalError}
"""Errors that are the messages' own fault; an outage, also an `OperationalError`, has been told apart before."""

Poison = list[tuple[Part, Exception]]


class TurnFailedError(Exception):
    """Nothing of a batch could be applied; the cause is ours."""


class Batch:
    """Applies what one conductor has taken. Raises what is no message's fault (`is_passing`): then nothing is lost.

    `reign` names who took it.
    """

    def __init__(self, engine: Engine, book: Book, reign: str) -> None:
        self.engine, self.book, self.reign = engine, book, reign

    def commit(self, deliveries: Sequence[Delivery]) -> Effects:
        """Apply deliveries; what cannot be applied is put aside, alone, with its reason."""
        parts = [read(delivery) for delivery in deliveries]
        try:
            return self._apply(parts)
        except Exception as error:
            if is_passing(error):
                raise
        return self._isolate(parts)

    def _apply(self, parts: Sequence[Part]) -> Effects:
        batch = Sorted(parts)
        with self.engine.begin() as connection:
            keep(connection, [unreadable(*entry) for entry in batch.unreadable])
            effects = apply(connection, batch, self.book, self.reign)
        trail.arrived(batch.files)
        for lane, said in batch.by_lane.items():
            trail.reported(said, lane)
        trail.unsettled(effects.unsettled)
        return effects

    def _isolate(self, parts: Sequence[Part]) -> Effects:
        """Apply what can be applied, in transactions of its own, and refuse the rest.

        Where nothing at all can be applied, and always for the same cause, the fault is ours and not the
        messages': they stay in their queue, and the turn fails; not where PostgreSQL complains of the values, for
        then each can be replayed from the dead letters. Markers come last: they say that all before them
        has been applied.
        """
        poison: Poison = []
        effects = self._halve([part for part in parts if not isinstance(part.message, Marker)], poison)
        causes = {type(error) for _, error in poison}
        if len(poison) == len(parts) >= FEWEST_SUSPECT and len(causes) == 1 and not causes <= THEIRS:
            raise TurnFailedError(f"none of {len(poison)} messages can be applied") from poison[0][1]
        bad: Poison = []
        for part, error in poison:
            pieces = split(part)
            effects = effects.joined(self._halve(pieces, bad))
            bad += [] if pieces else [(part, error)]
        effects = effects.joined(self._halve([part for part in parts if isinstance(part.message, Marker)], bad))
        for part, error in bad:
            effects = effects.joined(self._refuse(part, error))
        return effects

    def _halve(self, parts: Sequence[Part], poison: Poison) -> Effects:
        """Apply parts, halving what fails until the bad one stands alone."""
        if not parts:
            return Effects()
        try:
            return self._apply(parts)
        except Exception as error:
            if is_passing(error):
                raise
            if len(parts) == 1:
                poison.append((parts[0], error))
                return Effects()
        half = len(parts) // 2
        return self._halve(parts[:half], poison).joined(self._halve(parts[half:], poison))

    def _refuse(self, part: Part, cause: Exception) -> Effects:
        about = trail.about(part.message)
        log.error("put aside", **about, queue=part.delivery.queue, cause=first_line(cause))
        try:
            with self.engine.begin() as connection:
                written = letter(connection, part, cause)
                applied = fail_refused(connection, part, cause)
                put_away(connection, part, written)
                return Effects(stale=applied.stale, touched=applied.touched)
        except Exception as error:  # not even so: its letter at least
            if is_passing(error):
                raise
        with self.engine.begin() as connection:
            written = letter(None, part, cause)
            put_away(connection, part, written)
        return Effects()
