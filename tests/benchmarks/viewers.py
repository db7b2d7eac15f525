"""People who watch: each has an event stream and asks for the parts of their page when told to, as a browser does."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

PLACES = [f"127.0.0.{n}" for n in range(1, 9)]
"""Where viewers come from: one address has only so many."""
Moved = deque[tuple[float, str]]
"""When something moved, and the topic of what did."""


@dataclass
class Seen:
    """What all viewers saw since they were last asked: seconds from a change to its event, and from asking to parts."""

    delays: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    events: int = 0
    unchanged: int = 0
    stale: int = 0
    wrong: list[str] = field(default_factory=list)


class Viewer:
    """Somebody with one page open."""

    def __init__(
        self, number: int, port: int, page: str, topic: str, moved: deque[tuple[float, str]], seen: Seen
    ) -> None:
        self.place, self.port, self.page, self.topic = PLACES[number % len(PLACES)], port, page, topic
        self.moved, self.seen = moved, seen
        self.told_at = time.monotonic()
        self.have = ""
        self.changed = asyncio.Event()

    async def watch(self) -> None:
        """Watch until cancelled; a stream that ends is begun again."""
        looking = asyncio.create_task(self._look())
        try:
            while True:
                await self._listen()
        finally:
            looking.cancel()

    async def _listen(self) -> None:
        reader, writer = await self._connect()
        try:
            status, _ = await _asked(reader, writer, f"/live/events?topics={self.topic}")
            if status != 200:
                self.seen.wrong.append(f"stream {status}")
                await asyncio.sleep(5)
                return
            while line := await reader.readline():
                if line == b"event: change\n":
                    self._told()
                elif line == b"event: stale\n":
                    self.seen.stale += 1
        finally:
            writer.close()

    def _told(self) -> None:
        now = time.monotonic()
        missed = next((at for at, topic in self.moved if at > self.told_at and topic in (self.topic, "runs")), None)
        if missed is not None:
            self.seen.delays.append(now - missed)
        self.told_at = now
        self.seen.events += 1
        self.changed.set()

    async def _look(self) -> None:
        """Ask for the parts whenever something changed, over one connection that is kept for as long as it lasts."""
        reader, writer = await self._connect()
        while True:
            await self.changed.wait()
            self.changed.clear()
            began = time.monotonic()
            try:
                status, headers = await _asked(reader, writer, f"{self.page}?part=1", f"X-Have: {self.have}\r\n")
            except (OSError, asyncio.IncompleteReadError, IndexError):
                writer.close()
                reader, writer = await self._connect()
                self.changed.set()
                continue
            if status not in (200, 304):
                self.seen.wrong.append(f"page {status}")
            if status == 200:
                await reader.readexactly(int(headers["content-length"]))
            self.have = headers.get("x-parts", "")
            self.seen.unchanged += status == 304
            self.seen.pages.append(time.monotonic() - began)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.place, 0), limit=1 << 20)


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, more: str = ""
) -> tuple[int, dict[str, str]]:
    """Ask for an address; give the status and the headers."""
    writer.write(f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n".encode())
    status = int((await reader.readline()).split()[1])
    headers: dict[str, str] = {}
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return status, headers


def quantile_ms(seconds: list[float], share: float) -> float:
    """Give a quantile in milliseconds, 0 of nothing."""
    return 1000 * sorted(seconds)[int(share * (len(seconds) - 1))] if seconds else 0.0
