"""How often one may try: sign-ins by address and by name, wrong tokens by address, changes by who asks.

Each process counts by itself; wrong passwords are counted for all of them, by what was written down of each.
"""

import time
from ipaddress import IPv6Address, ip_address

from flask import Flask, current_app, request
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.exceptions import TooManyRequests

from ...statemachine.store.access import events
from ..context import KEY, Context, reading
from .identity import NOBODY, SAFE, who

LIMITS = "headframe-limits"


class Limits:
    """One application's limits and what was counted so far."""

    def __init__(self, sign_ins: int, changes: int) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._sign_ins, self._changes = RateLimitItemPerMinute(sign_ins), RateLimitItemPerMinute(changes)

    def sign_in(self, kind: str, key: str) -> None:
        """Count an attempt to sign in. Raises `TooManyRequests`."""
        self._hit(self._sign_ins, "sign-in", kind, network(key) if kind == "address" else key)

    def guessed(self, address: str, name: str) -> None:
        """Look how often a wrong password came, in any process. Raises `TooManyRequests`."""
        with reading() as connection:
            wrong = events.refused_lately(connection)
        here = sum(network(each.address) == network(address) for each in wrong)
        if max(here, sum(each.subject == name for each in wrong if name)) >= self._sign_ins.amount:
            raise _too_often(self._sign_ins, events.LATELY_S)

    def wrong_token(self, address: str) -> None:
        """Count a token that does not count. Raises `TooManyRequests`."""
        self._hit(self._sign_ins, "token", "address", network(address))

    def change(self, kind: str, key: str) -> None:
        """Count a change. Raises `TooManyRequests`."""
        self._hit(self._changes, "change", kind, key)

    def _hit(self, limit: RateLimitItem, *key: str) -> None:
        if self._limiter.hit(limit, *key):
            return
        wait = max(1, round(self._limiter.get_window_stats(limit, *key).reset_time - time.time()) + 1)
        raise _too_often(limit, wait)


def network(address: str) -> str:
    """Give what counts as one address: of IPv6 the first half, for whoever has one there has all of them."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))


def _too_often(limit: RateLimitItem, wait: int) -> TooManyRequests:
    return TooManyRequests(f"that is too often: {limit.amount} a minute; try again in {wait} s", retry_after=wait)


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
        limits().change("address", network(request.remote_addr or ""))
    else:
        limits().change("name", " ".join(who().owner))
