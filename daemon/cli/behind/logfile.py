"""An attempt's log as a file on this host."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ....web.logfile import newest
from ..codes import not_found

if TYPE_CHECKING:
    from ....statemachine.records import Location
    from ...config import Config

CHUNK = 1 << 16
LOOK = 0.5
"""How often to look whether it has grown, in seconds."""


class LogFile:
    """Opened where its site is mounted here. `place` is its site and path, or where it would be found by its name."""

    def __init__(self, config: Config, place: Location, host: str) -> None:
        self.path = _path(config, place)
        self.place, self._host = str(self.path), host

    def read(self, tail: int | None, *, follow: bool) -> Iterator[bytes]:
        """Give it in pieces; `follow` goes on as it grows. Ends with `not found` where it is not there."""
        try:
            source = self.path.open("rb")
        except FileNotFoundError as error:
            where = f"on {self._host}" if self._host else "on the worker's host"
            raise not_found(f"the log {self.path} is not there; perhaps it lies {where}") from error
        with source:
            if tail is not None:
                _skip(source, tail)
            while True:
                while chunk := source.read(CHUNK):
                    yield chunk
                if not follow:
                    return
                time.sleep(LOOK)


def _path(config: Config, place: Location) -> Path:
    if not place.site:
        return config.folder / place.path
    if place.site not in config.sites:
        raise not_found(f"the log is {place.path} at site {place.site}, which is not configured here")
    site = config.site(place.site)
    if not place.path.endswith("*.log"):
        return site.open_path(place.path)
    found = newest(site.root, place.path)
    if not found:
        raise not_found(f"no worker has said where its log lies, and there is none at {place.site}: {place.path}")
    return site.open_path(found)


def _skip(source: BinaryIO, tail: int) -> None:
    """Go to where the last `tail` lines begin."""
    starts: deque[int] = deque(maxlen=tail + 1)
    place = 0
    for line in source:
        starts.append(place)
        place += len(line)
    source.seek(starts[-tail] if 0 < tail <= len(starts) else place if not tail else 0)
