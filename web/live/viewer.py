"""One open page: what it is to be told next. However much changes, and however slow it is, that stays small."""

import asyncio
import random

from .asked import concerned


class Viewer:
    """Somebody who watches some topics. `pending` are those that have changed since they were last told."""

    def __init__(self, topics: frozenset[str], address: str) -> None:
        self.topics, self.address = topics, address
        self.pending: frozenset[str] = frozenset()
        self.stale = self.ended = False
        self._phase = random.random()  # noqa: S311, nobody gains by guessing it  # nosec B311
        self._ripe = False
        self._timer: asyncio.TimerHandle | None = None
        self._told = asyncio.Event()

    def tell(self, told: frozenset[str], spread_s: float = 0.0) -> None:
        """Have something told, each viewer at a moment of their own within `spread_s`, so that not all ask at once."""
        new = concerned(self.topics, told)
        if not new:
            return
        self.pending |= new
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._phase * spread_s, self._ripen)

    def interrupt(self) -> None:
        """Have what is said of the stream itself told at once: it has gone stale, or ends."""
        self._told.set()

    async def wait(self, longest_s: float) -> None:
        """Wait until there is something to say."""
        try:
            await asyncio.wait_for(self._told.wait(), longest_s)
        except TimeoutError:
            return

    def take(self) -> frozenset[str]:
        """Take what is pending: it is being told now."""
        self._told.clear()
        if not self._ripe:
            return frozenset()
        taken, self.pending, self._timer, self._ripe = self.pending, frozenset(), None, False
        return taken

    def leave(self) -> None:
        """Forget the clock, which would keep the viewer in memory."""
        if self._timer is not None:
            self._timer.cancel()

    def _ripen(self) -> None:
        self._ripe = True
        self._told.set()
