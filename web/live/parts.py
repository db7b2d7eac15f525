"""Rendered parts, kept until something changes: 500 viewers of a page cost one rendering, and one question, of it.

Kept only while the hub hears from the database, so that what is given is never older than what a viewer was told of.
What shows who asks, or holds a form of theirs, is shared with nobody.
"""

import threading
import time
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from flask import Flask, Response, current_app, g, request

from ...statemachine.views.news import EVERYTHING
from ..access.identity import SAFE, who
from .asked import concerned
from .pieces import Pieces, differing, pieces, written

KEY = "headframe.parts"
EVERYONE = frozenset((EVERYTHING,))
HEARD_S = 6.0
OLDEST_S = 10.0
"""Pages show times that pass, so they are made anew now and then though nothing changes."""
WAIT_S = 5.0
MOST = 200


@dataclass(frozen=True)
class Shown:
    """A page's parts as they were rendered, and the time that they show."""

    as_of: str
    markup: str
    parts: Pieces

    def answer(self) -> Response:
        """Answer with the parts, or those that differ from what who asks has already; 304 where none does."""
        had = request.headers.get("X-Have", "")
        changed = differing(self.parts, had) if had else None
        response = Response(self.markup if changed is None else changed)
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["X-As-Of"] = self.as_of
        response.headers["X-Parts"] = written(self.parts)
        if changed == "":
            response.status_code = 304
        elif changed is None:
            response.add_etag()
            response.make_conditional(request)
        return response


@dataclass
class _Entry:
    """Parts that somebody renders, or has rendered."""

    began: float
    topics: frozenset[str] = EVERYONE
    ready: threading.Event = field(default_factory=threading.Event)
    shown: Shown | None = None


class Parts:
    """An application's rendered parts; used by the threads of the server, cleared by the hub."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}
        self._heard_until = 0.0

    def heard(self, told: frozenset[str]) -> None:
        """Take note that the database has answered; forget what shows what had changed."""
        with self._lock:
            self._heard_until = time.monotonic() + HEARD_S
            if told:
                self._entries = {key: kept for key, kept in self._entries.items() if not concerned(kept.topics, told)}

    def forget(self) -> None:
        """Forget all: this process itself has changed something, and who did it looks at once."""
        with self._lock:
            self._entries = {}

    def enter(self, key: Hashable) -> tuple[_Entry | None, bool]:
        """Give the entry of an address, and whether who asks is to fill it; none where nothing is kept now."""
        now = time.monotonic()
        with self._lock:
            entry = self._entries.get(key)
            if entry is None and len(self._entries) >= MOST:  # addresses that somebody made up leave room again
                self._entries = {key: kept for key, kept in self._entries.items() if now - kept.began < OLDEST_S}
            if now > self._heard_until or (entry is None and len(self._entries) >= MOST):
                return None, False
            if entry is not None and now - entry.began < OLDEST_S:
                return entry, False
            made = self._entries[key] = _Entry(now)
            return made, True

    def drop(self, key: Hashable, entry: _Entry) -> None:
        """Have who comes next render anew."""
        with self._lock:
            if self._entries.get(key) is entry:
                del self._entries[key]


def of(app: Flask) -> Parts:
    """Give an application's parts."""
    kept: Parts = app.extensions[KEY]
    return kept


def install(app: Flask) -> None:
    """Look for kept parts once it is known who asks; keep what is rendered, until something changes."""
    app.extensions[KEY] = Parts()
    app.before_request(_given)
    app.after_request(_changed)
    app.teardown_request(_left)


def keep(markup: str, as_of: str, topics: Iterable[str]) -> Shown:
    """Take what was rendered of some topics, for who waits for the same; give it as it is answered."""
    shown = Shown(as_of, markup, pieces(markup))
    filling: tuple[Hashable, _Entry] | None = g.get("filling")
    if filling is not None and _is_for_all(markup):
        filling[1].topics = frozenset(topics) or EVERYONE
        filling[1].shown = shown
    return shown


def _given() -> Response | None:
    if request.method != "GET" or not request.args.get("part") or request.endpoint is None:
        return None
    asks = who()
    key = (request.host_url, request.full_path, asks.how, asks.roles, asks.resources)
    entry, mine = of(current_app).enter(key)
    if entry is None:
        return None
    if mine:
        g.filling = (key, entry)
        return None
    entry.ready.wait(WAIT_S)
    return entry.shown.answer() if entry.shown is not None and _is_for_all(entry.shown.markup) else None


def _left(_: BaseException | None) -> None:
    """Let those go on who wait for what this request renders, also where it could not."""
    filling: tuple[Hashable, _Entry] | None = g.pop("filling", None)
    if filling is not None:
        key, entry = filling
        if entry.shown is None:
            of(current_app).drop(key, entry)
        entry.ready.set()


def _changed(response: Response) -> Response:
    if request.method not in SAFE:
        of(current_app).forget()
    return response


def _is_for_all(markup: str) -> bool:
    asks = who()
    return "csrf" not in markup and not any(name and name in markup for name in (asks.name, asks.display))
