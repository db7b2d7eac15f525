"""How often one may try: sign-ins by address and by name, changes by who asks. Counted in each process by itself."""

import time

from flask import Flask, current_app, request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.exceptions import TooManyRequests

from ..context import KEY, Context
from .identity import NOBODY, SAFE, who

LIMITS = "headframe-limits"


class Limits:
    """One application's limits and what was counted so far."""

    def __init__(self, sign_ins: int, changes: int) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._sign_ins, self._changes = RateLimitItemPerMinute(sign_ins), RateLimitItemPerMinute(changes)

    def sign_in(self, kind: str, key: str) -> None:
        """Count an attempt to sign in. Raises `TooManyRequests`."""
        self._hit(self._sign_ins, "sign-in", kind, key)

    def change(self, kind: str, key: str) -> None:
        """Count a change. Raises `TooManyRequests`."""
        self._hit(self._changes, "change", kind, key)

    def _hit(self, limit: RateLimitItem, *key: str) -> None:
        if self._limiter.hit(limit, *key):
            return
        wait = max(1, round(self._limiter.get_window_stats(limit, *key).reset_time - time.time()) + 1)
        raise TooManyRequests(f"that is too often: {limit.amount} a minute; try again in {wait} s", retry_after=wait)


def install(app: Flask) -> None:
    """Count for this application."""
    context: Context = app.extensions[KEY]
    access = context.settings.access
    app.extensions[LIMITS] = Limits(access.sign_ins_a_minute, access.changes_a_minute)


def limits() -> Limits:
    """Give the limits of the application that answers this request."""
    found: Limits = current_app.extensions[LIMITS]
    return found


def check() -> None:
    """Count this request if it may change something, by who sent it. Raises `TooManyRequests`."""
    if request.method in SAFE:
        return
    if who() is NOBODY:
        limits().change("address", request.remote_addr or "")
    else:
        limits().change("name", " ".join(who().owner))
