"""The end point itself: a small threaded server of the standard library, which answers while all else hangs."""

import errno
import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

Answer = tuple[bool, Mapping[str, object]]
"""Whether all is well, and the JSON that says so."""
Page = Callable[[], Answer]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
SILENT_S = 10.0
"""Who connects and says nothing is hung up on."""


class Endpoint:
    """Listens at once, so that a taken port is an `OSError` here and not later; answers until it is closed."""

    def __init__(self, host: str, port: int, pages: Mapping[str, Page], metrics: Application) -> None:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        server = type("Server", (_Server,), {"address_family": family})
        try:
            self._server = server((host, port), _Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                todo = "set another monitor.port, or HEADFRAME_MONITOR__PORT for this process; 0 turns it off"
                raise OSError(error.errno, f"monitor: {host}:{port} is in use already; {todo}") from error
            raise
        self._server.set_app(_application(pages, metrics))
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="monitor", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        """Bind, and do not ask the name service who we are: it may be away."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    timeout = SILENT_S

    def address_string(self) -> str:
        """Give the address, and do not ask the name service for its name."""
        return str(self.client_address[0])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        """Log nothing: probes come every few seconds."""


def _application(pages: Mapping[str, Page], metrics: Application) -> Application:
    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start)
        if path not in pages:
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [f"there are {', '.join([*pages, '/metrics'])} here\n".encode()]
        well, said = pages[path]()
        status = "200 OK" if well else "503 Service Unavailable"
        start(status, [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
        return [json.dumps(said).encode() + b"\n"]

    return answer
