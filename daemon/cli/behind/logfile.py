"""An attempt's log as a file on this host."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..codes import not_found

if TYPE_CHECKING:
    from ....statemachine.views import AttemptRow
    from ...config import Config

CHUNK = 1 << 16
LOOK = 0.5
"""How often to look whether it has grown, in seconds."""


class LogFile:
    """Opened where its site is mounted here."""

    def __init__(self, config: Config, attempt: AttemptRow) -> None:
        self.path = _path(config, attempt)
        self.place = str(self.path)

    def read(self, tail: int | None, *, follow: bool) -> Iterator[bytes]:
        """Give it in pieces; `follow` goes on as it grows. Ends with `not found` where it is not there."""
        try:
            source = self.path.open("rb")
        except FileNotFoundError as error:
            raise not_found(f"the log {self.path} is not there; perhaps it lies on the worker's host") from error
        with source:
            if tail is not None:
                _skip(source, tail)
            while True:
                while chunk := source.read(CHUNK):
                    yield chunk
                if not follow:
                    return
                time.sleep(LOOK)


def _path(config: Config, attempt: AttemptRow) -> Path:
    if not attempt.log_site:
        return config.folder / attempt.log
    if attempt.log_site not in config.sites:
        raise not_found(f"the log is {attempt.log} at site {attempt.log_site}, which is not configured here")
    return config.site(attempt.log_site).open_path(attempt.log)


def _skip(source: BinaryIO, tail: int) -> None:
    """Go to where the last `tail` lines begin."""
    starts: deque[int] = deque(maxlen=tail + 1)
    place = 0
    for line in source:
        starts.append(place)
        place += len(line)
    source.seek(starts[-tail] if 0 < tail <= len(starts) else place if not tail else 0)
