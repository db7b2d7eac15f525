"""Carries out what operators have ordered of many items, campaigns too: page by page, with rests, until all is done."""

import threading
import time

import structlog
from sqlalchemy import Engine

from ...statemachine.database import first_line, is_passing
from ...statemachine.store import campaign_make
from ...statemachine.store.operating import Turned, turn
from ...statemachine.store.operating.turn import SILENT_S
from ..monitor.loop import Loop

log = structlog.get_logger("headframe.operations")
LOOK_S = 0.5
"""How often it looks whether something waits: one probe of an index."""
AGAIN_S = 5.0


class Operations:
    """One runner; any number may run at once, each takes actions that no other has."""

    def __init__(self, engine: Engine, owner: str, silent_s: float = SILENT_S, loop: Loop | None = None) -> None:
        self.loop = loop or Loop()
        self.engine, self.owner, self.silent_s = engine, owner, silent_s

    def run(self, stop: threading.Event) -> None:
        """Do a page, rest as long as it took, until told to stop: live data has at least half of the time."""
        while not stop.is_set():
            began = time.monotonic()
            self.loop.beat()
            try:
                done = turn(self.engine, self.owner, self.silent_s)
                grew = campaign_make.turn(self.engine)
            except Exception as error:  # PostgreSQL is away, or busy: the action waits
                seconds = max(AGAIN_S, self.loop.missed(error))
                if not is_passing(error):
                    log.warning("an operation waits", cause=first_line(error))
                self.loop.rest(stop, seconds)
                continue
            self.loop.met()
            _tell(done)
            self.loop.rest(stop, time.monotonic() - began if done or grew else LOOK_S)


def _tell(done: Turned | None) -> None:
    if done is not None and done.failed:
        log.error("an operation failed; what was done stays", operation=done.operation, cause=done.failed)
