"""Passwords: argon2 with its own salt and parameters in each hash. Checking takes as long for who is not there."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from werkzeug.exceptions import ServiceUnavailable

from ...statemachine.store.errors import RefusedError

SHORTEST, LONGEST = 10, 1000
AT_ONCE = 2
"""Each check takes 64 MiB and much of a processor; more at once would let anybody take the machine."""
PLACES = AT_ONCE + 2
"""How many may be checked or wait for it: each holds a thread of the server, and others want to be answered too."""

_hasher = PasswordHasher()
_room = threading.BoundedSemaphore(AT_ONCE)
_places = threading.BoundedSemaphore(PLACES)


def hashed(password: str, name: str = "") -> str:
    """Give what is kept of a password. Raises `RefusedError` for one that is no protection; `ServiceUnavailable`."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise RefusedError(f"a password has from {SHORTEST} to {LONGEST} characters")
    if name and password.lower() == name.lower():
        raise RefusedError("the name is no password")
    with _turn():
        return _hasher.hash(password)


def generated() -> str:
    """Make a password that nobody has to guess or to remember."""
    return secrets.token_urlsafe(18)


def right(kept: str | None, password: str) -> bool:
    """Say whether this is the password. With nobody to compare with, the same work is done for nothing.

    Raises `ServiceUnavailable` where too many are being checked.
    """
    with _turn():
        try:
            return _hasher.verify(kept or _nobody(), password[: LONGEST + 1]) and kept is not None
        except (Argon2Error, InvalidHashError):
            return False


def outdated(kept: str) -> bool:
    """Say whether the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(kept)


@contextmanager
def _turn() -> Iterator[None]:
    if not _places.acquire(blocking=False):
        raise ServiceUnavailable("too many passwords are being checked; try again in a moment", retry_after=2)
    try:
        with _room:
            yield
    finally:
        _places.release()


_NOBODY: list[str] = []


def _nobody() -> str:
    if not _NOBODY:
        _NOBODY.append(_hasher.hash(secrets.token_urlsafe(24)))
    return _NOBODY[0]
