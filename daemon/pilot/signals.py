"""The signals of a pilot. SLURM sends SIGTERM to every process of a job, SIGUSR1 to the pilot alone or to many."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


def catch_signals() -> int:
    """Give a descriptor from which the numbers of SIGTERM, SIGINT and SIGUSR1 can be read as they come.

    The interpreter writes them there itself, whatever the main thread is doing.
    """
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    os.set_blocking(theirs, False)
    signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(name, lambda *_: None)
    return ours


def pending(descriptor: int) -> bytes:
    """Give the numbers of the signals that have come since the last time."""
    try:
        return os.read(descriptor, 100)
    except BlockingIOError:
        return b""


@contextmanager
def deaf(*names: signal.Signals) -> Iterator[None]:
    """Let what is started here ignore the batch system's signals until it has handlers of its own.

    The processes that workers and steps are forked from would die of them, and with them all news of their children.
    What comes for us meanwhile waits, and is heard afterwards: as long as no other thread is there to take it. Who is
    started has them blocked, and unblocks them once it has its handlers.
    """
    names = names or (signal.SIGTERM, signal.SIGUSR1)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, names)
    before = {name: signal.signal(name, signal.SIG_IGN) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
