"""The sweeper's measuring: takes what changed, folds sums, names old failures, coarsens old spans. In bounded pages."""

import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine

from ...statemachine.store import measure
from ...statemachine.store.measure import Change

PAGES = 20
"""How many pages one round does at most: after an outage the other repairs come in between."""
COARSEN_S = 600.0


class Measuring:
    """One sweeper's part in it; another one that is at it just now is left alone. `told` hears of what changed."""

    def __init__(self, engine: Engine, page: int, told: Callable[[Sequence[Change]], None] | None = None) -> None:
        self.engine, self.page, self.told = engine, page, told
        self._coarsen_due = 0.0

    def measure(self) -> None:
        """Do what is due."""
        self.pages(self._take)
        self.pages(measure.fold_sums)
        self.pages(measure.name_failures)
        if time.monotonic() >= self._coarsen_due:
            self._coarsen_due = time.monotonic() + COARSEN_S
            self.pages(measure.coarsen)
            self.pages(measure.forget_samples)

    def _take(self, connection: Connection, page: int) -> int:
        """Take a page of changes. Where its commit fails they are told twice, and make the same traces twice."""
        taken = measure.taken(connection, page)
        if self.told:
            self.told(taken)
        return len(taken)

    def pages(self, task: Callable[[Connection, int], int]) -> int:
        """Do a task page by page, each in its own transaction; give how much it did."""
        done = 0
        for _ in range(PAGES):
            with self.engine.begin() as connection:
                n = task(connection, self.page)
            done += n
            if n < self.page:
                break
        return done
