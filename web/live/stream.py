"""The event stream of one viewer: `change` names topics, `beat` says that all is well, `stale` that it is not.

The id of each event is the place to go on from (Last-Event-ID, or `since` in the address for a page just made).
"""

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from ...statemachine.records import Record
from ...statemachine.views import position
from ..display import local_clock
from .asked import topics
from .hub import Hub
from .viewer import Viewer

BEAT_S = 5.0
CHECK_S = 40.0
"""How often it is asked again whether a viewer may still look: who may no longer is cut off within a minute."""
SLOW_S = 30.0
"""A client that takes nothing for so long is gone."""
AGAIN_MS = 3000
NOT_OURS = (b"content-length", b"content-type", b"cache-control")
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"connection", b"close"),
]
Check = Callable[[], Awaitable[list[dict[str, Any]]]]
"""Asks Flask whether who asked may look; gives what it answered."""


class Place(Record):
    """What streams need to know of their application: its time zone, and how many proxies before it it believes."""

    zone: ZoneInfo
    proxies: int = 0


async def stream(hub: Hub, place: Place, check: Check, scope: Any, receive: Any, send: Any) -> None:
    """Stream to a viewer, for as long as they stay and may."""
    answer = await check()
    if answer[0]["status"] != 204:
        for message in answer:
            await send(message)
        return
    viewer = Viewer(topics(_query(scope).get("topics", "")), _address(scope, place.proxies))
    if not hub.admit(viewer):
        await _full(send)
        return
    try:
        headers = [(name, value) for name, value in answer[0]["headers"] if name not in NOT_OURS]
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, *HEADERS]})
        await _until_gone(_Telling(hub, place.zone, check, viewer, send), scope, receive)
    finally:
        hub.leave(viewer)


async def _until_gone(telling: "_Telling", scope: Any, receive: Any) -> None:
    gone = asyncio.create_task(_gone(receive))
    told = asyncio.create_task(telling.run(_since(scope)))
    try:
        await asyncio.wait({gone, told}, return_when=asyncio.FIRST_COMPLETED)
        if told.done() and not told.result():
            _hang_up(scope)
    finally:
        for task in (gone, told):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


class _Telling:
    """The telling side of a stream."""

    def __init__(self, hub: Hub, zone: ZoneInfo, check: Check, viewer: Viewer, send: Any) -> None:
        self.hub, self.zone, self.check, self.viewer, self._send = hub, zone, check, viewer, send

    async def run(self, since: Any) -> bool:
        """Tell until the stream ends; say whether it ended well, and not because the client takes nothing."""
        try:
            await self._write(f"retry: {AGAIN_MS}\n\n")
            await self.hub.catch_up(self.viewer, since)
            await self._tell()
            await asyncio.wait_for(self._send({"type": "http.response.body", "body": b""}), SLOW_S)
        except TimeoutError:
            return False
        return True

    async def _tell(self) -> None:
        loop = asyncio.get_running_loop()
        due = self._next_check()
        while not self.viewer.ended:
            changed = self.viewer.take()
            if self.viewer.stale:
                await self._write(self._event("stale"))
            elif changed:
                await self._write(self._event("change", topics=sorted(changed)))
            else:
                await self._write(self._event("beat"))
            if loop.time() > due:
                if 300 <= (await self.check())[0]["status"] < 500:  # not while the database is away
                    return
                due = self._next_check()
            await self.viewer.wait(BEAT_S)

    def _next_check(self) -> float:
        return asyncio.get_running_loop().time() + CHECK_S * random.uniform(0.8, 1.2)  # noqa: S311, it spreads load  # nosec B311

    def _event(self, name: str, **said: Any) -> str:
        """Write an event. What is pending is told before its place is: an id says that all before it was told."""
        upto = self.hub.upto
        at = datetime.fromtimestamp(upto.at, UTC) if upto else datetime.now(UTC)
        place = f"id: {upto.written()}\n" if upto and not self.viewer.pending else ""
        return f"event: {name}\n{place}data: {json.dumps({**said, 'as_of': local_clock(at, self.zone)})}\n\n"

    async def _write(self, words: str) -> None:
        message = {"type": "http.response.body", "body": words.encode(), "more_body": True}
        await asyncio.wait_for(self._send(message), SLOW_S)


def _address(scope: Any, proxies: int) -> str:
    """Give a client's address, as the nearest proxies say it if they are believed."""
    said = ",".join(value.decode("latin1") for name, value in scope["headers"] if name == b"x-forwarded-for").split(",")
    if 0 < proxies <= len(said) and said[-proxies].strip():
        return said[-proxies].strip()
    return str((scope.get("client") or ("", 0))[0])


def _since(scope: Any) -> Any:
    said = next((value.decode("latin1") for name, value in scope["headers"] if name == b"last-event-id"), "")
    return position(said or _query(scope).get("since", ""))


def _query(scope: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin1")).items()}


def _hang_up(scope: Any) -> None:
    """Close without waiting for the client to take what is still to be sent."""
    transport = scope.get("state", {}).get("transport")
    if transport is not None:
        transport.abort()


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _full(send: Any) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"retry-after", b"60"),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b"as many watch already as can; the page asks by itself"})
