"""The web server: waitress, a small pool of threads that fits inside `headframe up` as well as in a pod."""

import contextlib
import threading
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

THREADS = 6
"""Under the seven connections of `database.connect`, so that no page waits for one."""
LOOK_S = 0.5
BACKLOG = 1024


class Listener:
    """A bound socket and the threads behind it. `port` is the real one, also where 0 was asked for."""

    def __init__(self, app: Flask, host: str, port: int) -> None:
        """Bind at once, so that a taken port is an `OSError` here and not later."""
        self._sockets: dict[Any, Any] = {}
        self._server = create_server(
            app, map=self._sockets, host=host, port=port, threads=THREADS, backlog=BACKLOG, ident=None
        )
        self.host, self.port = _address(self._server)

    def run(self, stop: threading.Event) -> None:
        """Answer until `stop` is set; what is being answered then is answered to its end."""
        try:
            while not stop.is_set():
                wasyncore.loop(timeout=LOOK_S, map=self._sockets, count=1)
        finally:
            self.close()

    def close(self) -> None:
        """Stop listening and end the threads."""
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=5)
        wasyncore.close_all(self._sockets)


def serve(app: Flask, host: str, port: int, stop: threading.Event | None = None) -> None:
    """Listen and answer until `stop` is set, or until Ctrl-C. Raises `OSError` where the port is taken."""
    with contextlib.suppress(KeyboardInterrupt):
        Listener(app, host, port).run(stop or threading.Event())


def _address(server: Any) -> tuple[str, int]:
    listening = getattr(server, "effective_listen", None) or [(server.effective_host, server.effective_port)]
    return str(listening[0][0]), int(listening[0][1])
