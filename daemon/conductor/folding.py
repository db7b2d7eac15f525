"""Keeps what every scrape of /metrics reads bounded: conductors fold sums too, where no sweeper does."""

import threading

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ...statemachine.database import first_line
from ...statemachine.store import measure
from ..monitor.loop import Loop
from ..sweeper.measuring import Measuring

log = structlog.get_logger("headframe.folding")
EVERY_S = 10.0
MOST = 20_000
"""Rows of sums that may wait for a sweeper: far more than one leaves between two rounds, and quickly read."""
PAGE = 2_000


class Folding:
    """One process folds at a time; where a sweeper is at it, nothing waits for long and this does nothing."""

    def __init__(self, engine: Engine, loop: Loop | None = None, most: int = MOST) -> None:
        self.engine, self.most = engine, most
        self.measuring = Measuring(engine, PAGE)
        self.loop = loop or Loop()

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop."""
        seconds = EVERY_S
        while not self.loop.rest(stop, seconds):
            seconds = EVERY_S
            try:
                self.look()
                self.loop.met()
            except SQLAlchemyError as error:
                seconds = max(seconds, self.loop.missed(error))
                log.debug("sums are not folded", cause=first_line(error))

    def look(self) -> int:
        """Fold what waits where it is too much; give how many rows there were."""
        with self.engine.begin() as connection:
            if not measure.many_sums(connection, self.most):
                return 0
        return self.measuring.pages(measure.fold_sums)
