"""A small TCP proxy, to cut or stall connections in the middle."""

import contextlib
import socket
import threading

from .servers import free_ports


class TcpProxy:
    """Listens on a free loopback port and forwards to another one."""

    def __init__(self, target: int) -> None:
        (self.port,) = free_ports(1)
        self.accepted = 0
        self._target = target
        self._flowing = threading.Event()
        self._flowing.set()
        self._open = True
        self._refusing = False
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Close every connection, in both directions."""
        for each in list(self._sockets):
            self._sockets.discard(each)
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def stall(self) -> None:
        """Forward nothing any more, but keep connections open, as a broken network does."""
        self._flowing.clear()

    def flow(self) -> None:
        """Forward again, what has been held back too."""
        self._flowing.set()

    def refuse(self) -> None:
        """Cut, and close every new connection at once, until `admit`."""
        self._refusing = True
        self.cut()

    def admit(self) -> None:
        """Take connections again."""
        self._refusing = False

    def close(self) -> None:
        """Stop."""
        self._open = False
        self._flowing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while self._open:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self._refusing:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            self._sockets |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._forward, args=[source, sink], daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                sink.sendall(data)
        for each in (source, sink):
            self._sockets.discard(each)
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()  # the other thread closes the other one
