"""What was asked of the database a moment ago: a signed-in page asks for itself many times a second."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
KEPT_S = 5.0
"""So long may a token, a session or a role that was just taken away go on in another process."""
MOST = 2000


class Memory(Generic[T]):
    """Remembers answers by key for `KEPT_S`, also that there was none; the oldest go first."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self._kept_s = kept_s
        self._known: OrderedDict[str, tuple[float, T]] = OrderedDict()
        self._forgotten = 0
        self._lock = threading.Lock()

    def get(self, key: str, ask: Callable[[], T]) -> T:
        """Give the answer, asking only where it is not known or too old."""
        now = time.monotonic()
        with self._lock:
            found, before = self._known.get(key), self._forgotten
        if found is not None and found[0] > now:
            return found[1]
        answer = ask()
        with self._lock:
            if self._forgotten != before:  # the answer may be of before what was taken away
                return answer
            self._known[key] = (now + self._kept_s, answer)
            self._known.move_to_end(key)
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return answer

    def forget(self) -> None:
        """Ask anew for everything: something was taken away in this process."""
        with self._lock:
            self._known.clear()
            self._forgotten += 1
