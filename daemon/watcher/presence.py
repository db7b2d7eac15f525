"""The watcher says that it is there, and whether the detector's heartbeat file is fresh."""

import os
import socket
import threading
import time
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
    """Says it every few seconds; without a `heartbeat` file only that the watcher is there."""

    def __init__(self, engine: Engine, owner: str, heartbeat: Path | None = None, fresh_s: float = 120.0) -> None:
        self.engine, self.owner, self.heartbeat, self.fresh_s = engine, owner, heartbeat, fresh_s

    def start(self, stop: threading.Event) -> None:
        """Begin. Nobody waits for it: it may hang in a dead file system for ever."""
        threading.Thread(target=self._run, args=(stop,), name="presence", daemon=True).start()

    def say(self) -> None:
        """Say it once."""
        beat = fresh(self.heartbeat, self.fresh_s) if self.heartbeat is not None else None
        host = {"host": socket.gethostname(), "pid": os.getpid(), "version": __version__}
        with self.engine.begin() as connection:
            execute(connection, "see_process", [{"owner": self.owner, "role": "watcher", **host, "detail": {}}])
            if beat is not None:
                detector.say(connection, HEARTBEAT, beat[0], beat[1], max(60.0, self.fresh_s))

    def _run(self, stop: threading.Event) -> None:
        while True:
            try:
                self.say()
            except SQLAlchemyError as error:
                log.info("that the watcher is there is not written down", cause=first_line(error))
            if stop.wait(EVERY_S):
                return


def fresh(file: Path, fresh_s: float) -> tuple[bool, str]:
    """Say whether a file was touched lately, and in words how it is."""
    try:
        age_s = time.time() - file.stat().st_mtime
    except OSError as error:
        return False, f"{file}: {error.strerror or error}"
    return age_s < fresh_s, f"{file} was touched {max(0.0, age_s):.0f} s ago"
