"""inotify, by way of watchdog: tells of files closed or moved into place within a millisecond or so."""

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, cast

from watchdog.events import FileClosedEvent, FileCreatedEvent, FileMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers.inotify import InotifyFullEmitter, InotifyObserver
from watchdog.observers.inotify_c import InotifyConstants

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import Mask

Kind = Literal["closed", "created"]
Put = Callable[[str, Kind], None]

log = logging.getLogger(__name__)


class QuickEmitter(InotifyFullEmitter):
    """An emitter that does not ask for IN_MOVED_FROM.

    watchdog holds each of those back for 0.5 s in the hope of its other half, and every event behind it too.
    """

    def get_event_mask_from_filter(self) -> "Mask":
        """Ask for files closed after writing, for what is moved here, and for new folders to watch."""
        wanted = (
            InotifyConstants.IN_CLOSE_WRITE
            | InotifyConstants.IN_MOVED_TO
            | InotifyConstants.IN_CREATE
            | InotifyConstants.IN_DELETE_SELF
            | InotifyConstants.IN_ONLYDIR
        )
        return cast("Mask", wanted)


class Notify(FileSystemEventHandler):
    """Watches one inbox and calls `put(path below the inbox, kind)` from a thread of watchdog's."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._root = ""
        self._observer: InotifyObserver | None = None

    def ensure(self, root: str) -> bool:
        """Watch the real path `root` if that is not so already; False where it cannot be watched."""
        if self.alive and root == self._root:
            return True
        self.close()
        observer = InotifyObserver()
        observer._emitter_class = QuickEmitter  # watchdog has no other way to choose one
        self._root = root
        try:
            observer.schedule(self, root, recursive=True)
            observer.start()
        except OSError as error:
            log.warning("%s cannot be watched, only scanned: %s", root, error)
            observer.stop()
            return False
        self._observer = observer
        return True

    @property
    def alive(self) -> bool:
        """Say whether events come (an emitter ends when its folder is removed)."""
        observer = self._observer
        return observer is not None and observer.is_alive() and all(e.is_alive() for e in observer.emitters)

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Pass on what has happened to files."""
        if isinstance(event, FileClosedEvent):
            self._pass(event.src_path, "closed")
        elif isinstance(event, FileMovedEvent):
            self._pass(event.dest_path, "closed")
        elif isinstance(event, FileCreatedEvent):
            # Hard links, folders moved here, and files in a folder so new that it was not watched yet.
            self._pass(event.src_path, "created")

    def _pass(self, full: bytes | str, kind: Kind) -> None:
        self._put(os.path.relpath(os.fsdecode(full), self._root), kind)

    def close(self) -> None:
        """Stop watching."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join(timeout=5.0)
