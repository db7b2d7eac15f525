"""Sign-in with a name and a password of this machine's own users."""

from flask import request

from ...statemachine.store.access import events, people
from ..context import changing, reading
from . import passwords
from .identity import Identity
from .limits import limits


def checked(name: str, password: str) -> Identity | None:
    """Give the local user whose password this is. Raises `TooManyRequests` for who guesses."""
    address = request.remote_addr or ""
    limits().sign_in("address", address)
    limits().sign_in("name", name[:100])
    limits().guessed(address, _shown(name))
    with reading() as connection:
        kept = people.password_of(connection, name) if people.NAME.fullmatch(name) else None
    if not passwords.right(kept, password) or kept is None:
        with changing() as connection:
            events.note(connection, events.REFUSED, actor=_shown(name), subject=_shown(name), address=address)
        return None
    if passwords.outdated(kept):
        with changing() as connection:
            people.rehash(connection, name, kept, passwords.hashed(password))
    with reading() as connection:
        person = people.find(connection, name)
    return Identity(name=name, display=person.display if person else "")


def _shown(name: str) -> str:
    """Give what may be written down: not what could be a password typed into the wrong field."""
    return name if people.NAME.fullmatch(name) else ""
