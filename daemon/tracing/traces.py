"""The thread that traces: hears which items have changed, asks for the ways of those that came to an end, sends them.

Whoever tells it waits for nothing: what it cannot keep up with is lost, for the history in the database has it all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ...statemachine.batches import batched
from ...statemachine.database import first_line
from ...statemachine.store.measure import Change
from ...statemachine.views.journeys import Journey, journeys
from ..monitor.loop import Loop

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from .collector import Collector
    from .spans import Writer

log = logging.getLogger("headframe.tracing")
MOST = 50_000
"""So many changes wait at most; each is two numbers."""
PAGE = 500
SPANS = 512
"""So many spans go out at once."""
LOOK_S = 0.5
LAST_S = 1.5
"""So long a process that leaves waits for its last traces."""
TODO = "nothing waits for it; look at tracing.endpoint and tracing.headers_file, or ask: headframe doctor"


class Traces:
    """Traces `share` of all files; `collector` is made when there is something to send."""

    def __init__(self, engine: Engine, instance: str, share: float, collector: Callable[[], Collector]) -> None:
        self.engine, self.instance, self.share = engine, instance, share
        self.loop = Loop()
        self._make = collector
        self._collector: Collector | None = None
        self._writer: Writer | None = None
        self._thread: threading.Thread | None = None
        self._waiting: deque[Change] = deque()
        self._away_since: float | None = None
        self._lost = self._unheard = 0

    def tell(self, changes: Sequence[Change]) -> None:
        """Hear of changes; what there is no room for is lost."""
        room = max(0, MOST - len(self._waiting))
        self._waiting.extend(changes[:room])
        if len(changes) > room and not self._unheard:
            log.warning("more comes to its end than can be traced; files go on, and some traces are lost")
        self._unheard += len(changes[room:])

    def start(self, stop: threading.Event) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self.run, args=(stop,), name="traces", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Let it send what it has, for a moment; a collector that hangs holds nobody."""
        if self._thread is not None:
            self._thread.join(LAST_S)

    def run(self, stop: threading.Event) -> None:
        """Trace until told to stop, and then what is left."""
        wait_s = LOOK_S
        while True:
            last = stop.wait(wait_s)
            wait_s = self._turn()
            if last:
                return

    def _turn(self) -> float:
        """Trace what waits; give the seconds to the next turn. Whatever happens here stays here."""
        try:
            while self._waiting:
                self._page()
            self._unheard = 0
        except SQLAlchemyError as error:
            log.debug("traces wait for the database", extra={"cause": first_line(error)})
            return max(LOOK_S, self.loop.missed(error))
        except Exception:
            log.exception("some files could not be traced")
        return LOOK_S

    def _page(self) -> None:
        page = [self._waiting.popleft() for _ in range(min(PAGE, len(self._waiting)))]
        try:
            with self.engine.begin() as connection:
                ways = journeys(connection, page)
        except SQLAlchemyError:
            self._waiting.extendleft(reversed(page))
            raise
        self.loop.met()
        if ways:
            self._send([span for way in ways for span in self._spans(way)])

    def _spans(self, way: Journey) -> list[ReadableSpan]:
        if self._writer is None:
            from .spans import Writer

            self._writer = Writer(self.instance, self.share)
        return self._writer.spans(way)

    def _send(self, spans: Sequence[ReadableSpan]) -> None:
        self._collector = self._collector or self._make()
        for part in batched(spans, SPANS):
            cause = self._collector.take(part)
            if cause:
                self._away(cause, len(part))
            else:
                self._back()

    def _away(self, cause: str, spans: int) -> None:
        """Say once that nobody takes traces."""
        self._lost += spans
        if self._away_since is None:
            self._away_since = time.monotonic()
            where = self._collector.endpoint if self._collector else ""
            said = {"collector": where, "cause": cause, "todo": TODO}
            log.warning("the collector does not take traces; files go on", extra=said)

    def _back(self) -> None:
        if self._away_since is not None:
            away_s, lost = round(time.monotonic() - self._away_since, 1), self._lost
            self._away_since, self._lost = None, 0
            log.info("the collector takes traces again", extra={"away_s": away_s, "lost": lost})
