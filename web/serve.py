"""The web server: uvicorn, in the main thread of `headframe web` as well as in a thread of `headframe up`."""

import asyncio
import contextlib
import errno
import gc
import resource
import socket
import sys
import threading
from collections.abc import Iterator

import uvicorn
from flask import Flask

from .asgi import Application
from .connection import Connection
from .live.hub import Limits

BACKLOG = 1024
HEADERS_BYTES = 32 << 10
"""What a request line and its headers may take: the address of a look-up of a thousand run numbers fits."""
KEEP_ALIVE_S = 20
STOP_S = 5
TURN_S = 0.0005
"""How long one thread computes while others wait: a short answer need not wait for a long one's five milliseconds."""
FILES = 8192
"""File descriptors that a process may ask for itself: each viewer takes one or two."""


class Listener:
    """A bound socket and what answers behind it. `port` is the real one, also where 0 was asked for."""

    def __init__(self, app: Flask, host: str, port: int, limits: Limits | None = None) -> None:
        """Bind at once, so that a taken port is an `OSError` here and not later."""
        _allow_files()
        self._socket = _bound(host, port)
        self.host, self.port = self._socket.getsockname()[:2]
        self.application = Application(app, limits)

    def run(self, stop: threading.Event) -> None:
        """Answer until `stop` is set; what is being answered then is answered to its end, streams are ended."""
        _keep_what_is_loaded()
        sys.setswitchinterval(TURN_S)
        try:
            asyncio.run(_Server(self._config(), stop).serve(sockets=[self._socket]))
        finally:
            self.close()

    def close(self) -> None:
        """Stop listening and end the threads."""
        self._socket.close()
        self.application.close()

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self.application,
            http=Connection,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_S,
            h11_max_incomplete_event_size=HEADERS_BYTES,
        )


class _Server(uvicorn.Server):
    """Ends by an event. Signals are the daemon's own affair, as this may be one thread of many."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event) -> None:
        super().__init__(config)
        self._stop = stop

    async def on_tick(self, counter: int) -> bool:
        """Say whether it is time to end. Streams end themselves only when told, so they are told before."""
        ends = await super().on_tick(counter) or self._stop.is_set()
        if ends and isinstance(self.config.app, Application):
            self.config.app.end_streams()
        return ends

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def serve(app: Flask, host: str, port: int, stop: threading.Event | None = None) -> None:
    """Listen and answer until `stop` is set, or until Ctrl-C. Raises `OSError` where the port is taken."""
    with contextlib.suppress(KeyboardInterrupt):
        Listener(app, host, port).run(stop or threading.Event())


def _bound(host: str, port: int) -> socket.socket:
    """Bind and listen: a port that another one listens on is an error at `listen`, not at `bind`."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise OSError(error.errno, f"{host}:{port} is in use already") from error
        raise
    return made


def _keep_what_is_loaded() -> None:
    """Spare the garbage collector all modules: going through them took half the time of a list of a thousand runs."""
    gc.collect()
    gc.freeze()


def _allow_files() -> None:
    """Ask for as many file descriptors as viewers may need, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
