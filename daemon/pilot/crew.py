"""The worker processes of a pilot: started, heard, and started anew when they die."""

import multiprocessing
import signal
import time
from collections.abc import Iterable
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.connection import Connection
from typing import Any

import msgspec
import structlog

from ...consumers.worker.settings import WorkerSettings
from ...consumers.worker.term import Told
from ..config import Config
from . import member
from .member import Failed, Order
from .pace import Pace
from .signals import deaf

log = structlog.get_logger("headframe.pilot")
DEATHS, WITHIN_S = 3, 60.0
"""One worker that died so often within so many seconds will die again: something is wrong with the node."""


def prepare() -> None:
    """Start the process that workers are forked from. Before there are threads, which would take our signals."""
    forkserver.set_forkserver_preload([member.__name__])
    with deaf(signal.SIGUSR1):  # it guards itself against SIGTERM, and lets that through to us
        resource_tracker.ensure_running()
    with deaf():
        forkserver.ensure_running()


class Hand:
    """One worker's place: the process that fills it now, and when those before it died."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: Any = None
        self.pipe: Connection[Any, Any] | None = None
        self.busy, self.left, self.killed, self.cause = False, False, False, ""
        self.since = time.monotonic()
        self.deaths: list[float] = []

    @property
    def is_dying(self) -> bool:
        """It died again and again, lately."""
        return len([at for at in self.deaths if at > time.monotonic() - WITHIN_S]) >= DEATHS


class Crew:
    """All workers of a pilot. Forked from one process that has imported what they need: a shared file system is not
    asked for the same modules by each of them."""

    def __init__(self, config: Config, settings: WorkerSettings, count: int, pace: Pace) -> None:
        self.config, self.settings, self.pace = config, settings, pace
        self.hands = [Hand(number) for number in range(count)]
        self.ready = False
        self._shared: dict[str, float] = {}
        self._context = multiprocessing.get_context("forkserver")

    def start(self) -> None:
        """Start all workers."""
        for hand in self.hands:
            self._fill(hand)

    @property
    def living(self) -> list[Hand]:
        """The workers whose processes live."""
        return [hand for hand in self.hands if hand.process is not None]

    def idle_s(self) -> float:
        """Give for how many seconds nobody has done anything."""
        if any(hand.busy for hand in self.hands):
            return 0.0
        return time.monotonic() - max(hand.since for hand in self.hands)

    def hear(self, wait_s: float, also: Iterable[int]) -> None:
        """Wait until a worker speaks or dies, or one of the descriptors `also` has something; note what was said."""
        pipes = {hand.pipe: hand for hand in self.living if hand.pipe is not None}
        sentinels = {hand.process.sentinel: hand for hand in self.living}
        for found in connection.wait([*pipes, *sentinels, *also], wait_s):
            if isinstance(found, Connection):
                self._listen(pipes[found])
        for hand in sentinels.values():  # after their last words
            if hand.process.exitcode is not None:
                self._bury(hand)
        self._share()

    def replace(self) -> None:
        """Start anew the workers that died; those that were told to leave, and left, are not missed."""
        for hand in self.hands:
            if hand.process is None and not hand.left:
                self._fill(hand)

    def order(self, order: Order) -> None:
        """Tell all workers."""
        for hand in self.living:
            _send(hand, order)

    def kill(self) -> None:
        """End at once those that still live; their leases end by themselves."""
        for hand in self.living:
            if not hand.killed:
                log.error("a worker did not leave in time and is killed", worker=self._name(hand))
                hand.process.kill()
                hand.killed = True

    def _fill(self, hand: Hand) -> None:
        ours, theirs = self._context.Pipe()
        settings = msgspec.structs.replace(self.settings, name=self._name(hand))
        process = self._context.Process(target=member.work, args=(self.config, settings, theirs))
        try:
            process.start()
        except (OSError, EOFError) as error:
            ours.close()
            self._lose(hand, f"no process can be started: {error}")
            return
        finally:
            theirs.close()
        hand.process, hand.pipe, hand.busy, hand.killed, hand.cause = process, ours, False, False, ""
        if self._shared:
            _send(hand, Order(what="takes", takes=self._shared))

    def _listen(self, hand: Hand) -> None:
        """Take all that a worker has said."""
        try:
            while hand.pipe is not None and hand.pipe.poll():
                self._note(hand, hand.pipe.recv())
        except (EOFError, OSError):
            return

    def _note(self, hand: Hand, said: Told | Failed) -> None:
        if isinstance(said, Failed):
            hand.cause = said.cause
            return
        if said.what == "took":
            self.pace.took(said.step, said.seconds)
            return
        self.ready = self.ready or said.what == "ready"
        hand.busy, hand.since = said.what == "begins", time.monotonic()

    def _bury(self, hand: Hand) -> None:
        self._listen(hand)
        code = hand.process.exitcode
        hand.left = code == 0
        hand.busy, hand.since = False, time.monotonic()
        if not hand.left:
            self._lose(hand, hand.cause or _cause(code))
        if hand.pipe is not None:
            hand.pipe.close()
        hand.process, hand.pipe = None, None

    def _lose(self, hand: Hand, cause: str) -> None:
        hand.cause = cause
        hand.deaths.append(time.monotonic())
        log.error("a worker died", worker=self._name(hand), cause=cause)

    def _share(self) -> None:
        """Tell the workers how long steps take here, where that has changed by more than a tenth."""
        takes = self.pace.takes()
        if any(abs(seconds - self._shared.get(step, 0.0)) > 0.1 * seconds for step, seconds in takes.items()):
            self._shared = takes
            self.order(Order(what="takes", takes=takes))

    def _name(self, hand: Hand) -> str:
        return f"{self.settings.name}-{hand.number}"


def _send(hand: Hand, order: Order) -> None:
    try:
        if hand.pipe is not None:
            hand.pipe.send(order)
    except OSError:
        return  # it has died, and is buried soon


def _cause(code: int) -> str:
    if code < 0 and -code in signal.valid_signals():
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
