"""A process from which the steps' processes of a whole node are forked, with the steps' modules imported already.

Without it each worker of a node would import the same packages from a shared file system, at the same moment, and keep
a copy of its own in memory. Who asks, at a socket in a folder of its own, sends two descriptors, which
become standard input and output of the process; the process tells its id, and the nursery at last how it ended and what
it used. It runs one thread only, for only that can be forked safely.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import sys
from typing import NoReturn

from . import child

NUMBER = struct.Struct("=i")
END = struct.Struct("=idq")
"""The exit code, the CPU time in seconds, the most memory in bytes."""
PATIENCE_S = 5.0
"""A worker that has connected sends its request at once; it may have been killed in between."""


class Nursery:
    """The listening process. It ends when `keeper`, a descriptor, is closed at its other end: the pilot is gone."""

    def __init__(self, listener: socket.socket, keeper: int) -> None:
        self.listener, self.keeper = listener, keeper
        self.asked: dict[int, socket.socket] = {}
        self.bell, self.wake = os.pipe()
        for end in (self.bell, self.wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Fork what is asked for, as long as somebody keeps it."""
        poller = select.poll()
        for descriptor in (self.listener.fileno(), self.bell, self.keeper):
            poller.register(descriptor, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poller.poll()]
            if self.keeper in ready:
                return
            if self.bell in ready:
                self._reap()
            if self.listener.fileno() in ready:
                self._fork()

    def _fork(self) -> None:
        """Fork a process for who asks next; who sends nonsense, or is gone by now, is left to himself."""
        asker, _ = self.listener.accept()
        asker.settimeout(PATIENCE_S)
        descriptors: list[int] = []
        try:
            request, descriptors, _, _ = socket.recv_fds(asker, 1, 2)
            source, sink = descriptors
            pid = os.fork()
        except (OSError, ValueError):
            asker.close()
        else:
            if pid == 0:
                self._become_child(asker, request[0], source, sink)
            self.asked[pid] = asker
        for descriptor in descriptors:
            os.close(descriptor)

    def _become_child(self, asker: socket.socket, nice: int, source: int, sink: int) -> NoReturn:
        """Be the process of steps, and nothing of the nursery any more. It may be killed once it has a group."""
        try:
            signal.set_wakeup_fd(-1)
            for name in (signal.SIGCHLD, signal.SIGUSR1):
                signal.signal(name, signal.SIG_DFL)
            os.setsid()
            os.dup2(source, 0)
            os.dup2(sink, 1)
            _send(asker, NUMBER.pack(os.getpid()))
            # Whoever waits for the end of another one's socket would wait for this process too.
            for each in (asker, self.listener, *self.asked.values()):
                each.close()
            for descriptor in (source, sink, self.bell, self.wake, self.keeper):
                os.close(descriptor)
            _draw_anew()
            child.stand_back(os.getpid(), nice)
            sys.argv = [child.__name__]
            child.main()
        finally:
            os._exit(1)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.bell, 1000)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status, used = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    return
                asker = self.asked.pop(pid)
                end = (os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)
                _send(asker, END.pack(*end))
                asker.close()


def _send(asker: socket.socket, words: bytes) -> None:
    with contextlib.suppress(OSError):  # who is gone needs no answer
        asker.sendall(words)


def _draw_anew() -> None:
    """Let numpy's global generator begin anywhere: in all processes forked from here it would draw the same."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()


def main() -> None:
    """Serve at the listening socket given first, with the modules named after it. The keeper is standard input."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(name, signal.SIG_IGN)  # the pilot decides when it ends, not who signals to all of a job
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGUSR1))  # for those that are forked from here
    listening, *modules = sys.argv[1:]
    nursery = Nursery(socket.socket(fileno=int(listening)), os.dup(0))
    child.preload(modules)
    nursery.serve()


if __name__ == "__main__":
    main()
