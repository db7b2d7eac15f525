"""A worker process of a pilot. It is forked from a process that has imported this module already.

Nothing of the database is imported here. Its pilot speaks to it through a pipe, the batch system by signals; where
the pilot is gone, the job is over.
"""

import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Literal

import structlog

from ...consumers.broker import BrokerUnavailableError
from ...consumers.broker import rabbit as rabbit  # noqa: PLC0414 -- ahead of the fork, not in each worker
from ...consumers.worker.settings import WorkerSettings
from ...consumers.worker.term import Term, Told
from ...consumers.worker.worker import Worker
from ...statemachine.records import Record
from .. import logs, wiring
from ..config import Config

log = structlog.get_logger("headframe.pilot")


class Order(Record):
    """What a pilot says to a worker: finish and leave, leave at once, or how long steps take here (in seconds)."""

    what: Literal["drain", "end", "takes"]
    takes: dict[str, float] = {}


class Failed(Record):
    """A worker says why it cannot work."""

    cause: str


class Member:
    """The worker in its process."""

    def __init__(self, config: Config, settings: WorkerSettings, pipe: "Connection[Any, Any]") -> None:
        self.config, self.settings, self.pipe = config, settings, pipe
        self.stop, self.term = threading.Event(), Term(settings, self._tell)
        self.worker: Worker | None = None
        self.orders: SimpleQueue[Order] = SimpleQueue()

    def run(self) -> None:
        """Work until the orders say that it is enough."""
        self._take_signals()
        threading.Thread(target=self._listen, name="pilot", daemon=True).start()
        threading.Thread(target=self._obey, name="orders", daemon=True).start()
        try:
            broker = wiring.broker(self.config, f"worker {self.settings.name}", self.stop)
            self.worker = Worker(broker, wiring.names(self.config), self.settings, self.stop, self.term)
            self.worker.run()
            broker.close()
        except BrokerUnavailableError as error:
            if not self.stop.is_set():
                self._tell(Failed(cause=str(error)))
                raise SystemExit(1) from error

    def _take_signals(self) -> None:
        """Pass signals on to a thread, as a handler may run while the main thread holds any lock."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self.orders.put(Order(what="end")))
        signal.signal(signal.SIGUSR1, lambda *_: self.orders.put(Order(what="drain")))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGUSR1))

    def _listen(self) -> None:
        try:
            while True:
                self.orders.put(self.pipe.recv())
        except (EOFError, OSError):
            self.orders.put(Order(what="end"))

    def _obey(self) -> None:
        while True:
            order = self.orders.get()
            if order.what == "takes":
                self.term.learn(order.takes)
                continue
            if order.what == "drain":
                self.term.drain()
            else:
                self.term.end()
            self.stop.set()
            if self.worker is not None:
                self.worker.wake()

    def _tell(self, said: Told | Failed) -> None:
        with suppress(OSError):  # a pilot that is gone needs no telling
            self.pipe.send(said)


def work(config: Config, settings: WorkerSettings, pipe: "Connection[Any, Any]") -> None:
    """Be a worker process."""
    logs.set_up(config)
    structlog.contextvars.bind_contextvars(
        pilot=settings.pilot, job=settings.job, node=settings.host, worker=settings.name
    )
    Member(config, settings, pipe).run()
