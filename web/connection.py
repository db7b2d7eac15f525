"""A client's connection: uvicorn's own, with an end to those that say nothing and those that take nothing."""

import asyncio
import socket
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 15.0
"""How long a client may take for the head of a request, from the connection or its first byte on."""
TAKE_MS = 60_000
"""How long sent bytes may lie unacknowledged, or before a closed window, until the kernel gives the client up."""
MOST = 4000


class Connection(H11Protocol):
    """One connection. The body of a request has a limit of its own, in the application."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request; one connection too many is closed at once.

        The application is given the transport, for who streams may have to hang up on a client that takes nothing.
        """
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}
        raw: Any = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TAKE_MS)
        if len(self.connections) > MOST:
            transport.abort()
        else:
            self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take what came. uvicorn stops its own clock at the first byte; ours runs until the head is whole."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._have_head()
        elif self._deadline is None and not self.transport.is_closing():
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock, which would keep the connection in memory."""
        self._have_head()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_S, self.transport.abort)

    def _have_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
