"""What pilots used, from accounting, once they are over."""

from collections.abc import Iterable

import structlog

from ...statemachine.piloting import LivePilot, PilotSeen
from ..slurm.contract import Batch, BatchError
from .book import Book
from .missing import is_of, used

log = structlog.get_logger("headframe.launcher")

ROUNDS = 6
"""Accounting is a little late; so many rounds it is asked of a job."""
MOST = 500
"""Jobs in one question."""


class Counting:
    """Asks of all that ended at once; a cluster without accounting has nothing to say."""

    def __init__(self, batch: Batch, book: Book) -> None:
        self._batch, self._book = batch, book
        self._left: dict[str, tuple[str, int]] = {}

    def add(self, pilots: Iterable[LivePilot]) -> None:
        """Take up pilots that have just ended."""
        self._left.update((pilot.job, (pilot.token, ROUNDS)) for pilot in pilots if pilot.job)

    def ask(self) -> None:
        """Ask once, and note what is answered."""
        asked = list(self._left)[:MOST]
        if not asked:
            return
        try:
            usages = self._batch.accounting(asked)
        except BatchError as error:
            log.info("accounting does not answer", cause=str(error))
            usages = ()
        for usage in usages:
            if usage.job in self._left and is_of(usage, self._left[usage.job][0]):
                token = self._left.pop(usage.job)[0]
                self._book.note_usage(PilotSeen(token=token, status="ended", usage=used(usage)))
        for job in asked:
            token, rounds = self._left.get(job, ("", 0))
            if rounds > 1:
                self._left[job] = (token, rounds - 1)
            else:
                self._left.pop(job, None)
