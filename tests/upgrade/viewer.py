"""Somebody who reads and acts over REST all the time, and counts what goes wrong.

Goes, as an ingress would, to a web that is ready and not on its way out, the next one each time. Nothing is tried
again: each refusal, cut connection or strange answer counts.
"""

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from http.client import HTTPException
from itertools import count
from typing import Any

from .system import Member

READS = (
    "/api/v1/runs?limit=20",
    "/api/v1/runs/1",
    "/api/v1/files?limit=50",
    "/api/v1/history?run=1&limit=50",
    "/api/v1/attempts?limit=20",
    "/api/v1/status",
    "/api/v1/operations?limit=10",
    "/healthz",
    "/metrics",
    "/",
    "/runs/1",
    "/status",
    "/workers",
    "/queues",
)
PACE_S = 0.05


class Ingress:
    """Which webs are behind the address, and whose turn it is."""

    def __init__(self) -> None:
        self._webs: list[Member] = []
        self._turn = 0
        self._lock = threading.Lock()

    def join(self, web: Member) -> None:
        """Let a web answer, now that it is ready."""
        with self._lock:
            self._webs.append(web)

    def leave(self, web: Member) -> None:
        """Send nothing more to a web that is about to end; what it is at, it ends."""
        with self._lock:
            self._webs.remove(web)

    def next(self) -> str:
        """Give the address of the next one."""
        with self._lock:
            self._turn += 1
            return self._webs[self._turn % len(self._webs)].url


class Viewer:
    """The client: threads that read, and one that acts."""

    def __init__(self, ingress: Ingress, token: str, readers: int = 2) -> None:
        self.ingress, self.token = ingress, token
        self.errors: list[str] = []
        self.done = Counter[str]()
        self.slowest = 0.0
        self._stop = threading.Event()
        work = [self._read] * readers + [self._act]
        self._threads = [threading.Thread(target=each, daemon=True) for each in work]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, after what is under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        for number in count():
            if self._stop.wait(PACE_S):
                return
            self._ask("GET", READS[number % len(READS)])

    def _act(self) -> None:
        """Write notes, rest the bulk lane and let it go on, put a finished file back to its beginning."""
        for number in count():
            if self._stop.wait(4 * PACE_S):
                return
            self._ask("POST", "/api/v1/runs/1/note", {"text": f"note {number}"})
            pause = {"what": "lane", "name": "bulk", "reason": "a look"}
            self._ask("POST", "/api/v1/pauses", pause)
            self._ask("DELETE", "/api/v1/pauses/lane/bulk?reason=seen")
            again = {
                "action": "reset",
                "to_state": "arrived",
                "reason": "once more",
                "selection": {"files": ["run1_1.raw"]},
            }
            if number % 20 == 19:
                self._ask("POST", "/api/v1/operations", again)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        url = self.ingress.next() + path
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        request.add_header("Idempotency-Key", f"{id(self)}-{time.monotonic_ns()}")
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
            self.done[f"{method} {path.split('?', maxsplit=1)[0]}"] += 1
        except urllib.error.HTTPError as error:
            self.errors.append(f"{method} {url}: {error.code} {error.read()[:300]!r}")
        except (OSError, HTTPException) as error:
            self.errors.append(f"{method} {url}: {error!r}")
        self.slowest = max(self.slowest, time.monotonic() - began)
