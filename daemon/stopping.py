"""How a process is told to leave, and how it leaves even where something holds it."""

import logging
import os
import signal
import sys
import threading
from queue import SimpleQueue

LEAVE_S = 8.0
"""So long a process that was told to leave may take to do so in good order. Then it leaves all the same: what it had
not committed or acknowledged comes back by itself, as after a crash, and a server that is frozen holds nobody."""

log = logging.getLogger("headframe.stopping")


def stopping(leave_s: float | None = None) -> threading.Event:
    """Give an event that SIGTERM and SIGINT set. With `leave_s`, the process ends so long after at the latest.

    Not from the signal's handler: it runs in the middle of whatever the main thread does, maybe inside the event,
    with the event's lock held, and would wait for itself. What it does instead may be done anywhere.
    """
    stop = threading.Event()
    told: SimpleQueue[int] = SimpleQueue()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: told.put(number))

    def pass_on() -> None:
        told.get()
        stop.set()
        if leave_s is not None:
            threading.Event().wait(leave_s)  # a daemon thread: whoever leaves earlier does not wait for it
            leave_now(leave_s)

    threading.Thread(target=pass_on, name="signals", daemon=True).start()
    return stop


def leave_now(after_s: float) -> None:
    """End this process at once, with exit code 0: nothing that it still does has to be done here."""
    held = sorted(thread.name for thread in threading.enumerate() if thread.name not in ("signals", "monitor"))
    log.warning("leaves after %g s though something holds it; what is undone comes back by itself: %s", after_s, held)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)
