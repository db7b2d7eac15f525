"""Who sends a token in the header Authorization. A bad one is refused; the cookie beside it is not looked at."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, request
from werkzeug.exceptions import ServiceUnavailable, Unauthorized

from ...statemachine.roles import Role
from ...statemachine.store.access import tokens
from ...statemachine.store.access.secrets import PREFIX, digest
from ..context import KEY, Context, changing, reading
from ..settings import Issuer
from .identity import Identity, unauthorized
from .jwts import BadTokenError, issuer_of, proved
from .limits import limits
from .memory import Memory
from .provider import Provider, ProviderError

MEMORY = "headframe-tokens"
PROVIDERS = "headframe-providers"
LONGEST = 16_384
NAME = 200


def install(app: Flask) -> None:
    """Remember what was asked about tokens, and know the issuers."""
    context: Context = app.extensions[KEY]
    access = context.settings.access
    app.extensions[MEMORY] = Memory[Identity | None]()
    app.extensions[PROVIDERS] = {each.issuer: (each, Provider(each.issuer, access.cafile)) for each in access.issuers}


def knower(app: Flask) -> Identity | None:
    """Know who asks by the token that they send.

    Raises `Unauthorized` for one that does not count, `TooManyRequests` after too many of those from an address: good
    ones that come from there count all the same, for others may be behind it.
    """
    header = request.headers.get("Authorization")
    if header is None:
        return None
    try:
        return _sent(app, header)
    except Unauthorized:
        limits().wrong_token(request.remote_addr or "")
        raise


def _sent(app: Flask, header: str) -> Identity:
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > LONGEST:
        raise unauthorized("Authorization has to be: Bearer TOKEN", "invalid_request")
    if token.startswith(PREFIX):
        return _ours(app, token)
    return _theirs(app.extensions[PROVIDERS], token)


def forget(app: Flask) -> None:
    """Ask the database again for every token: one was revoked."""
    memory: Memory[Identity | None] = app.extensions[MEMORY]
    memory.forget()


def _ours(app: Flask, token: str) -> Identity:
    memory: Memory[Identity | None] = app.extensions[MEMORY]
    found = memory.get(digest(token), lambda: _known(token))
    if found is None or (found.expires_at is not None and found.expires_at <= datetime.now(UTC)):
        raise unauthorized("this token is unknown, expired or revoked", "invalid_token")
    return found


def _known(token: str) -> Identity | None:
    with reading() as connection:
        sent = tokens.sent(connection, token)
    if sent is None:
        return None
    if sent.stale:
        with changing() as connection:
            tokens.used(connection, sent.id)
    return Identity(
        name=sent.name, roles=sent.roles, how="token", resources=sent.resources, number=sent.id,
        expires_at=sent.expires_at,
    )  # fmt: skip


def _theirs(known: dict[str, tuple[Issuer, Provider]], token: str) -> Identity:
    try:
        settings, provider = known[issuer_of(token)]
        claims = proved(token, provider, settings.audience)
        return identified(claims, settings)
    except KeyError:
        raise unauthorized("this token is unknown here, or of an issuer that is not trusted", "invalid_token") from None
    except BadTokenError as error:
        raise unauthorized(f"this token does not count: {error}", "invalid_token") from None
    except ProviderError as error:
        raise ServiceUnavailable(f"the token cannot be checked now: {error}", retry_after=10) from None


def identified(claims: dict[str, Any], settings: Issuer) -> Identity:
    """Give who is meant by proved claims, and what their groups and scopes let them do. Raises `BadTokenError`."""
    if settings.wlcg and not str(claims.get("wlcg.ver", "")).startswith("1."):
        raise BadTokenError("it does not say that it is of the WLCG's profile, version 1")
    name = claims.get(settings.name_claim)
    if not isinstance(name, str) or not name or not name.isprintable() or len(name) > NAME:
        raise BadTokenError(f"it has no claim {settings.name_claim}")
    scopes = str(claims.get("scope", "")).split()
    roles = {settings.groups[each] for each in groups_of(claims, settings.group_claims) if each in settings.groups}
    roles |= {settings.scopes[each] for each in scopes if each in settings.scopes}
    try:
        until = datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadTokenError("its end is beyond all calendars") from error
    return Identity(
        name=f"{name}@{urlsplit(settings.issuer).hostname}",
        roles=frozenset(roles),
        how="issuer",
        source=settings.issuer,
        expires_at=until,
    )


def groups_of(claims: dict[str, Any], names: Iterable[str]) -> set[str]:
    """Give the groups that claims name, in any of the claims that hold such."""
    found: set[str] = set()
    for name in names:
        value = claims.get(name)
        found.update(each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str))
    return found


def roles_of(groups: Iterable[str], mapping: dict[str, Role]) -> frozenset[Role]:
    """Give the roles that groups lead to."""
    return frozenset(mapping[each] for each in groups if each in mapping)
