"""An attempt's log, streamed by a service."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ....client import Client
    from ....statemachine.views import AttemptRow

LOOK = 1.0
"""How often to ask whether it has grown, in seconds."""


class ServiceLog:
    """Read as it comes: no more than a piece of it is in memory, or its last lines."""

    def __init__(self, client: Client, attempt: AttemptRow) -> None:
        self.client, self.item, self.epoch = client, attempt.item, attempt.epoch
        place = f"{attempt.log_site}:{attempt.log}" if attempt.log_site else attempt.log
        self.place = place or "found by its name"

    def read(self, tail: int | None, *, follow: bool) -> Iterator[bytes]:
        """Give it in pieces; `follow` asks for what comes after what was given."""
        if not follow:
            yield from self.client.log(self.item, self.epoch, tail=tail)
            return
        start = 0
        if tail is not None:  # only who has read it all knows where its end is
            start, last = self._tail(tail)
            yield last
        while True:
            for piece in self.client.log(self.item, self.epoch, start=start):
                start += len(piece)
                yield piece
            time.sleep(LOOK)

    def _tail(self, lines: int) -> tuple[int, bytes]:
        kept: deque[bytes] = deque(maxlen=lines)
        read, rest = 0, b""
        for piece in self.client.log(self.item, self.epoch):
            read += len(piece)
            *whole, rest = (rest + piece).split(b"\n")
            kept.extend(line + b"\n" for line in whole)
        if rest:
            kept.append(rest)
        return read, b"".join(kept)
