"""How much room each site has: measured by processes on the services' hosts that see its root."""

import errno
import os
import socket
import threading
from collections.abc import Mapping

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ..statemachine.database import first_line
from ..statemachine.store.sites import Measured, declared, measure

log = structlog.get_logger("headframe.space")
EVERY_S = 60.0
SOON_S = 1.0
"""How soon a site is looked at again that no conductor has written down yet."""


class Space:
    """Measures sites; any number may. One file system that hangs keeps only its own site from being measured."""

    def __init__(self, engine: Engine, roots: Mapping[str, str], every_s: float = EVERY_S) -> None:
        self.engine, self.roots, self.every_s = engine, dict(roots), every_s
        self.host = socket.gethostname()

    def start(self, stop: threading.Event) -> None:
        """Begin a thread a site. Nobody waits for it: it may hang in a dead file system for ever."""
        for name, root in self.roots.items():
            threading.Thread(target=self._run, args=(name, root, stop), name=f"space {name}", daemon=True).start()

    def look(self, name: str, root: str) -> bool:
        """Measure one site and write it down. Say whether it could be: a conductor declares sites."""
        found = measured(name, root)
        with self.engine.begin() as connection:
            measure(connection, [found], self.host)
            return declared(connection, name)

    def _run(self, name: str, root: str, stop: threading.Event) -> None:
        while True:
            wait_s = self.every_s
            try:
                wait_s = self.every_s if self.look(name, root) else min(SOON_S, self.every_s)
            except SQLAlchemyError as error:
                log.info("a site's space is not written down", site=name, cause=first_line(error))
            if stop.wait(wait_s):
                return


def measured(name: str, root: str) -> Measured:
    """Ask the file system at a root how much room it has, in bytes and in files."""
    try:
        found = os.statvfs(root)
    except OSError as error:
        return Measured(site=name, wrong=said(error, root))
    space = {
        "total": found.f_frsize * found.f_blocks,
        "free": found.f_frsize * found.f_bavail,
        "files": found.f_files,
        "files_free": found.f_favail,
    }
    return Measured(site=name, space=space)


def said(error: OSError, root: str) -> str:
    """Say in a few words what is wrong with a root."""
    what = "is not there" if error.errno == errno.ENOENT else error.strerror or str(error)
    return f"{root}: {what}"
