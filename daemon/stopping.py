"""How a process is told to leave."""

import signal
import threading
from queue import SimpleQueue


def stopping() -> threading.Event:
    """Give an event that SIGTERM and SIGINT set.

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

    threading.Thread(target=pass_on, name="signals", daemon=True).start()
    return stop
