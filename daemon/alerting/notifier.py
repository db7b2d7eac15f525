"""The notifier: writes down what is to be told, and tells it until it was taken. Any number may run at once."""

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Engine

from ...statemachine.database import first_line
from ...statemachine.records import Record
from ...statemachine.store import notices
from ...statemachine.store.notices import Notice
from ..config.alerting import HANDBOOK
from . import notice
from .hook import place, post
from .receivers import Receiver, RefusedNoticeError, UndeliveredError

log = structlog.get_logger("headframe.alerts")
AGAIN_S, LONGEST_AGAIN_S = 5.0, 900.0
"""After how long a receiver is tried again: twice as long each time, up to so long."""


class Notifying(Record):
    """How it is told. What one sender has taken nobody else sends for `claim_s`; nobody waits so long for an answer.

    There is no heartbeat while every receiver has refused for `deaf_s` what it was told.
    """

    instance: str
    url: str = ""
    handbook: str = HANDBOOK
    look_s: float = 2.0
    claim_s: float = 120.0
    repeat_s: float = 24 * 3600.0
    heartbeat_url: str = ""
    heartbeat_s: float = 60.0
    again_s: float = AGAIN_S
    deaf_s: float = 900.0


class Notifier:
    """One sender. Each receiver has a thread of its own, so that one that hangs keeps no other waiting.

    `hanging` names the loops of this process that stand still: then it has no heartbeat.

    Nobody waits for the threads at the end: what they are about is written down, and sent again by who comes next.
    """

    def __init__(
        self,
        engine: Engine,
        receivers: Sequence[Receiver],
        settings: Notifying,
        hanging: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.engine, self.receivers, self.settings, self.hanging = engine, receivers, settings, hanging
        self._bodies = notice.bodies(receivers, settings.instance, settings.url, settings.handbook)

    def start(self, stop: threading.Event) -> None:
        """Begin."""
        tasks = [("alerts", self._gather)] if self.receivers else []
        if self.settings.heartbeat_url:
            tasks.append(("heartbeat", self._heartbeat))
        for name, task in tasks:
            threading.Thread(target=task, args=(stop,), name=name, daemon=True).start()
        for receiver in self.receivers:
            threading.Thread(target=self._tell, args=(receiver, stop), name=receiver.name, daemon=True).start()

    def gather(self) -> int:
        """Write down what is to be told; give how many alerts that is."""
        with self.engine.begin() as connection:
            return notices.gather(connection, self.settings.repeat_s, self._bodies)

    def tell(self, receiver: Receiver) -> bool:
        """Send the receiver's oldest notice, if one is due; True where it was taken."""
        with self.engine.begin() as connection:
            found = notices.claim(connection, receiver.name, self.settings.claim_s)
        if found is None:
            return False
        try:
            receiver.send(found.id, found.body)
        except UndeliveredError as error:
            self._not_taken(found, error)
            return False
        except Exception as error:  # a notice that cannot be said is tried less and less like others, and given up
            log.exception("a notice could not be said", receiver=receiver.name, notice=found.id)
            self._not_taken(found, UndeliveredError(f"it could not be said: {type(error).__name__}"))
            return False
        with self.engine.begin() as connection:
            notices.sent(connection, found.id)
        log.info("alerts told", receiver=receiver.name, notice=found.id, alerts=len(found.body.get("alerts", ())))
        return True

    def beat(self) -> None:
        """Say that somebody is there who would tell: who watches this URL misses it. Raises `UndeliveredError`."""
        post(self.settings.heartbeat_url, None, {"User-Agent": "headframe"})

    def beat_if_well(self) -> None:
        """Who does not reach the database would not see an alert, and whom nobody hears tells none: both are missed."""
        names = [receiver.name for receiver in self.receivers]
        with self.engine.begin() as connection:
            deaf = notices.deaf(connection, names, self.settings.deaf_s)
        if names and len(deaf) == len(names):
            log.error("no heartbeat, for no receiver takes alerts", receivers=deaf)
        else:
            self.beat()

    def _not_taken(self, found: Notice, error: UndeliveredError) -> None:
        give_up = isinstance(error, RefusedNoticeError) or found.old
        again_s = min(LONGEST_AGAIN_S, self.settings.again_s * 2 ** min(found.tries - 1, 20))
        with self.engine.begin() as connection:
            notices.failed(connection, found.id, str(error), again_s, give_up=give_up)
        say = log.error if give_up else log.warning
        said = "alerts could not be told, and are not tried again" if give_up else "alerts are told again later"
        say(said, receiver=found.receiver, notice=found.id, tries=found.tries, cause=str(error))

    def _gather(self, stop: threading.Event) -> None:
        names = [receiver.name for receiver in self.receivers]
        while not stop.is_set():
            try:
                self.gather()
                with self.engine.begin() as connection:
                    notices.drop_others(connection, names)
            except Exception as error:  # PostgreSQL is away, or busy: what is to be told waits there
                log.warning("alerts wait to be told", cause=first_line(error))
            stop.wait(self.settings.look_s)

    def _tell(self, receiver: Receiver, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                if self.tell(receiver):
                    continue
            except Exception as error:  # one receiver's trouble must not end its thread
                log.warning("alerts wait to be told", receiver=receiver.name, cause=first_line(error))
            stop.wait(self.settings.look_s)

    def _heartbeat(self, stop: threading.Event) -> None:
        url = self.settings.heartbeat_url
        while not stop.is_set():
            began = time.monotonic()
            try:
                if hanging := self.hanging():
                    log.error("no heartbeat, for this process stands still", at=place(url), loops=list(hanging))
                else:
                    self.beat_if_well()
            except UndeliveredError as error:
                log.warning("the heartbeat was not taken", at=place(url), cause=str(error))
            except Exception as error:
                log.warning("no heartbeat, for the database is away", at=place(url), cause=first_line(error))
            stop.wait(max(0.0, self.settings.heartbeat_s - (time.monotonic() - began)))
