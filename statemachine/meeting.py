"""Types that msgspec decodes into, met one at a time.

What msgspec knows of a record it finds out when it first meets it, and other threads see it half found out: two that
are the first to decode one kind at the same moment end the process (SIGSEGV; msgspec 0.22, tried).
"""

from threading import Lock
from typing import TypeVar

import msgspec

T = TypeVar("T")
_lock = Lock()
_met: set[object] = set()


def met(kind: T) -> T:
    """Give a type back that msgspec knows wholly from now on, with all that is in it: safe in any thread."""
    if kind not in _met:
        with _lock:
            msgspec.json.Decoder(kind)
            _met.add(kind)
    return kind
