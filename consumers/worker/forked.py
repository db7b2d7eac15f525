"""The steps' process of a worker whose pilot has a nursery: forked there, and used here like one of `subprocess`."""

import contextlib
import os
import socket
import threading
from typing import BinaryIO

from ...statemachine.records import Usage
from .nursery import END, NUMBER

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
        self.used = Usage()
        self._forked, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._follow, name="nursery", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process id, 0 where it was never forked."""
        self._forked.wait()
        return self._pid

    @property
    def is_forked(self) -> bool:
        """Whether its id is known already."""
        return self._forked.is_set()

    def poll(self) -> int | None:
        """Give the exit code, none while it lives."""
        return self._code

    def wait(self) -> int:
        """Wait for its end; give the exit code, negative for a signal."""
        self._ended.wait()
        return UNKNOWN if self._code is None else self._code

    def _follow(self) -> None:
        first = self._bytes(NUMBER.size)
        number = NUMBER.unpack(first)[0] if first else 0
        self._pid = max(0, number)  # less is how it ended, before it could say its id
        self._forked.set()
        said = self._bytes(END.size) if self._pid else b""
        code, cpu_s, peak = END.unpack(said) if said else (UNKNOWN if self._pid else number, 0.0, 0)
        self.used = Usage(cpu_s=cpu_s, memory_peak=peak)
        self._code = code
        self._ended.set()
        self._nursery.close()

    def _bytes(self, size: int) -> bytes:
        """Read so many bytes; none where the nursery is gone."""
        found = b""
        with contextlib.suppress(OSError):
            while len(found) < size and (more := self._nursery.recv(size - len(found))):
                found += more
        return found if len(found) == size else b""
