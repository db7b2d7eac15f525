"""The steps' process of a worker whose pilot has a nursery: forked there, and used here like one of `subprocess`."""

import contextlib
import os
import socket
import threading
from typing import BinaryIO

from .nursery import NUMBER

UNKNOWN = 1
"""The exit code of a process of which nobody can tell how it ended: the nursery died before it."""


class ForkedChild:
    """A process forked by the nursery at `path`. Raises `OSError` where there is none.

    It may be forked a little later, as the nursery first imports what steps need: only who asks for its id waits.
    """

    def __init__(self, path: str, nice: int = 0) -> None:
        source, feed = os.pipe()
        answers, sink = os.pipe()
        self._nursery = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._nursery.connect(path)
            socket.send_fds(self._nursery, [bytes([nice])], [source, sink])
        except OSError:
            for descriptor in (feed, answers):
                os.close(descriptor)
            self._nursery.close()
            raise
        finally:
            os.close(source)
            os.close(sink)
        self.stdin: BinaryIO = os.fdopen(feed, "wb")
        self.stdout: BinaryIO = os.fdopen(answers, "rb")
        self._pid = 0
        self._code: int | None = None
        self._forked, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._follow, name="nursery", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process id, 0 where it was never forked."""
        self._forked.wait()
        return self._pid

    def poll(self) -> int | None:
        """Give the exit code, none while it lives."""
        return self._code

    def wait(self) -> int:
        """Wait for its end; give the exit code, negative for a signal."""
        self._ended.wait()
        return UNKNOWN if self._code is None else self._code

    def _follow(self) -> None:
        first = self._number() or 0
        self._pid = max(0, first)  # less is how it ended, before it could say its id
        self._forked.set()
        code = self._number() if self._pid else first
        self._code = UNKNOWN if code is None else code
        self._ended.set()
        self._nursery.close()

    def _number(self) -> int | None:
        found = b""
        with contextlib.suppress(OSError):
            while len(found) < NUMBER.size:
                more = self._nursery.recv(NUMBER.size - len(found))
                if not more:
                    return None
                found += more
        return int(NUMBER.unpack(found)[0]) if len(found) == NUMBER.size else None
