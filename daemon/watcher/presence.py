"""The watcher says that it is there, and whether the detector's heartbeat file is fresh."""

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ... import __version__
from ...statemachine.database import first_line
from ...statemachine.store import detector
from ...statemachine.store.core import execute

log = structlog.get_logger("headframe.watcher")
EVERY_S = 10.0
HEARTBEAT = "heartbeat"


class Presence:
    """Says both every few seconds, each in a thread of its own; without a `heartbeat` file only the first.

    The file may lie in a file system that is dead: who looks at it hangs, and the watcher is there nevertheless.
    """

    def __init__(self, engine: Engine, owner: str, heartbeat: Path | None = None, fresh_s: float = 120.0) -> None:
        self.engine, self.owner, self.heartbeat, self.fresh_s = engine, owner, heartbeat, fresh_s

    def start(self, stop: threading.Event) -> None:
        """Begin. Nobody waits for the threads: the one that looks at the file may hang for ever."""
        tasks = {"presence": self.say} if self.heartbeat is None else {"presence": self.say, "heartbeat": self.hear}
        for name, task in tasks.items():
            threading.Thread(target=self._run, args=(stop, task), name=name, daemon=True).start()

    def say(self) -> None:
        """Say once that the watcher is there."""
        host = {"host": socket.gethostname(), "pid": os.getpid(), "version": __version__}
        with self.engine.begin() as connection:
            execute(connection, "see_process", [{"owner": self.owner, "role": "watcher", **host, "detail": {}}])

    def hear(self) -> None:
        """Say once whether the heartbeat is fresh, if there is one."""
        if self.heartbeat is None:
            return
        running, detail = fresh(self.heartbeat, self.fresh_s)
        with self.engine.begin() as connection:
            detector.say(connection, HEARTBEAT, running, detail, max(60.0, self.fresh_s))

    def _run(self, stop: threading.Event, say: Callable[[], None]) -> None:
        while True:
            try:
                say()
            except SQLAlchemyError as error:
                log.info("what the watcher has to say is not written down", of=say.__name__, cause=first_line(error))
            if stop.wait(EVERY_S):
                return


def fresh(file: Path, fresh_s: float) -> tuple[bool, str]:
    """Say whether a file was touched lately, and in words how it is."""
    try:
        age_s = time.time() - file.stat().st_mtime
    except OSError as error:
        return False, f"{file}: {error.strerror or error}"
    return age_s < fresh_s, f"{file} was touched {max(0.0, age_s):.0f} s ago"
