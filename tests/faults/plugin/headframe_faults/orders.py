"""What the suite tells its processes while they run, by files in a folder of its own; and what they note there."""

import json
import os
import signal
from functools import cache
from pathlib import Path

Rates = dict[str, float]
FREEZE = "freeze"


@cache
def folder() -> Path:
    """Give the folder of orders and notes."""
    return Path(os.environ["HEADFRAME_FAULTS"])


class _Read:
    stamp = -1
    rates: Rates = {}


def rates() -> Rates:
    """Give how often messages are garbled just now, by kind; nothing where they are not."""
    path = folder() / "rates.json"
    try:
        stamp = path.stat().st_mtime_ns
        if stamp != _Read.stamp:
            _Read.rates, _Read.stamp = json.loads(path.read_text()), stamp
    except FileNotFoundError:
        return {}
    return _Read.rates


def passing(point: str, victim: int | None = None) -> bool:
    """Pass a crash point: whoever is the first there after an order is killed, or frozen if it says so.

    `victim` is in its place.
    """
    order = folder() / f"at {point}"
    try:
        freeze = order.read_text() == FREEZE
        order.unlink()
    except FileNotFoundError:
        return False
    pid = victim or os.getpid()
    note("frozen" if freeze else "faults", str(pid) if freeze else point)
    os.kill(pid, signal.SIGSTOP if freeze else signal.SIGKILL)
    return True


def note(book: str, line: str) -> None:
    """Add a line to a book; many processes do so at once."""
    opened = os.open(folder() / book, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(opened, f"{line}\n".encode())
    os.close(opened)
