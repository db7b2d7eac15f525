"""What uvicorn calls: Flask in a few threads, with a request's body read before one of them is taken; event streams."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from a2wsgi import WSGIMiddleware
from flask import Flask, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from . import metrics
from .context import KEY, Context
from .live import parts
from .live.hub import Hub, Limits
from .live.route import PATH
from .live.stream import Place, stream

THREADS = 6
"""Under the seven connections of `database.connect`, so that no page waits for one."""
BODY_S = 60.0
"""How long the body of a request may take to come."""
THROWN_AWAY = 256 << 20
"""Of a body that is too large so much is taken and forgotten: who still sends does not hear what is answered."""
HELD = 128 << 20
"""What the bodies of all requests together may take of the memory; who comes beyond is asked to come back."""
SMALL_BODY = 64 << 10
"""What fits into this is always taken, so that people can sign in and act while somebody fills the rest."""
ALIVE = "/livez"
TOO_LARGE = "headframe.too_large"
LARGEST_BODY = "HEADFRAME_LARGEST_BODY"
"""The setting that says how large a body some call takes; the others refuse what is over `MAX_CONTENT_LENGTH`."""
TURN_S = 5.0
BUSY = 1500
"""Requests that wait for a thread; what comes beyond is asked to come back."""

Message = dict[str, Any]


class _FullError(Exception):
    """There is no room for more of this body now."""


class Application:
    """The application as uvicorn calls it."""

    def __init__(self, app: Flask, limits: Limits | None = None) -> None:
        context: Context = app.extensions[KEY]
        self.flask = app
        self.place = Place(zone=context.zone, proxies=context.settings.access.proxies)
        self.hub = Hub(context.engine, limits or Limits(), parts.of(app).heard)
        metrics.watch_viewers(app, lambda: len(self.hub.viewers))
        self.wsgi = WSGIMiddleware(app, workers=THREADS)  # type: ignore[arg-type]
        self.limit = max(app.config["MAX_CONTENT_LENGTH"], app.config.get(LARGEST_BODY, 0))
        self.waiting = self.held = 0
        self.asked: dict[tuple[str, bytes], asyncio.Future[None]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.wsgi(scope, receive, send)
        elif scope["path"] == ALIVE:
            await _alive(send)
        elif {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}:
            await _refuse(send, 400, b"a request has one length, not two")
        elif self.waiting >= BUSY:
            await _refuse(send, 503, b"too much is asked at once; try again in a moment")
        elif scope["path"] == PATH and scope["method"] == "GET":
            await stream(self.hub, self.place, lambda: self._check(scope), scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        body = bytearray()
        try:
            scope[TOO_LARGE] = not await asyncio.wait_for(self._read(body, scope, receive), BODY_S)
        except TimeoutError:
            await _refuse(send, 408, b"the body of this request did not come")
        except _FullError:
            await _refuse(send, 503, b"too much is sent at once; try again in a moment")
        else:
            await self._pass_on(scope, bytes(body), send)
        finally:
            self.held -= len(body)

    async def _pass_on(self, scope: Any, body: bytes, send: Any) -> None:
        self.waiting += 1
        try:
            async with self._turn(scope):
                await self.wsgi(scope, _given(body), send)
        finally:
            self.waiting -= 1

    @asynccontextmanager
    async def _turn(self, scope: Any) -> AsyncIterator[None]:
        """Wait for another who asks for the parts of the same page: theirs are kept then, and no thread has waited."""
        key = scope["path"], scope["query_string"]
        if scope["method"] != "GET" or b"part=" not in key[1]:
            yield
            return
        if first := self.asked.get(key):
            await asyncio.wait({first}, timeout=TURN_S)
        mine = self.asked[key] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            mine.set_result(None)
            if self.asked.get(key) is mine:
                del self.asked[key]

    async def _read(self, taken: bytearray, scope: Any, receive: Any) -> bool:
        """Read a request's body; say whether that is all of it. Raises `_FullError`.

        A thread that waited for a slow client's bytes would be missing for everybody else.
        """
        said = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        seen, more = 0, True
        large = int(said) > self.limit
        if large and any(name == b"expect" for name, _ in scope["headers"]):
            return False
        while more and seen < THROWN_AWAY:
            message: Message = await receive()
            if message["type"] == "http.disconnect":
                break
            part, more = message.get("body", b""), message.get("more_body", False)
            seen += len(part)
            large = large or seen > self.limit
            if large:
                self._drop(taken)
            else:
                self._hold(taken, part)
        return not large

    def _hold(self, taken: bytearray, part: bytes) -> None:
        if len(taken) + len(part) > SMALL_BODY and self.held + len(part) > HELD:
            raise _FullError
        taken.extend(part)
        self.held += len(part)

    def _drop(self, taken: bytearray) -> None:
        self.held -= len(taken)
        taken.clear()

    async def _check(self, scope: Any) -> list[Message]:
        """Ask Flask whether who asked for a stream may look; give its whole answer."""
        said: list[Message] = []

        async def keep(message: Message) -> None:
            said.append(message)

        await self.wsgi({**scope, TOO_LARGE: False}, _given(b""), keep)  # type: ignore[arg-type]
        return said

    def end_streams(self) -> None:
        """End the streams that would otherwise last."""
        self.hub.end()

    def close(self) -> None:
        """Let the threads go."""
        self.hub.close()
        self.wsgi.executor.shutdown(wait=False, cancel_futures=True)


def install(app: Flask) -> None:
    """Have a body that was too large to take refused as any other error is."""
    app.before_request(_check_size)
    app.after_request(_leave_date)


def _check_size() -> None:
    if request.environ.get("asgi.scope", {}).get(TOO_LARGE):
        raise RequestEntityTooLarge


def _leave_date(response: Response) -> Response:
    """Leave the date to uvicorn, which writes it to each answer: what is conditional would have two."""
    if "asgi.scope" in request.environ:
        response.headers.pop("Date", None)
    return response


def _given(body: bytes) -> Any:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _alive(send: Any) -> None:
    """Say that this process comes round. In no thread: they may all wait for a database that is frozen."""
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"status": "ok"}\n'})


async def _refuse(send: Any, status: int, line: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"retry-after", b"5"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": line})
