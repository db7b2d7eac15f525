"""Tokens that an issuer has signed: whose they are is taken from nowhere but what its keys prove (RFC 9068, WLCG).

joserfc is imported where a token is looked at: a web without an issuer starts without it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .provider import Provider

if TYPE_CHECKING:
    from joserfc import jwt

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures by a private key only: never `none`, and never a secret that who checks could sign with too."""
LEEWAY_S = 30


class BadTokenError(Exception):
    """The token does not count. The text says why, and nothing of the token."""


def issuer_of(token: str) -> str:
    """Give the issuer that a token names, unproved. Raises `BadTokenError`."""
    from joserfc import jws
    from joserfc.errors import JoseError

    try:
        claims = json.loads(jws.extract_compact(token.encode("ascii")).payload)
        return str(claims["iss"])
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise BadTokenError("it is no token that could be read") from error


def proved(token: str, provider: Provider, audience: tuple[str, ...]) -> dict[str, Any]:
    """Give the claims of a token, once its signature, issuer, audience and times are right.

    A key that is not known is looked for once more at the issuer. Raises `BadTokenError`, `ProviderError`.
    """
    from joserfc.errors import JoseError

    try:
        claims = _signed(token, provider)
        _registry(provider.issuer, audience).validate(claims)
    except (JoseError, ValueError, TypeError) as error:
        raise BadTokenError(_said(error)) from error
    return claims


def _signed(token: str, provider: Provider) -> dict[str, Any]:
    from joserfc import jws, jwt
    from joserfc.errors import InvalidKeyIdError

    registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    try:
        return dict(jwt.decode(token, provider.keys(), registry=registry).claims)
    except InvalidKeyIdError:
        return dict(jwt.decode(token, provider.keys(anew=True), registry=registry).claims)


def _registry(issuer: str, audience: tuple[str, ...]) -> jwt.JWTClaimsRegistry:
    from joserfc import jwt

    return jwt.JWTClaimsRegistry(
        leeway=LEEWAY_S,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "values": list(audience)},
        exp={"essential": True},
        sub={"essential": True},
    )


def _said(error: Exception) -> str:
    """Say what is wrong in a few words that hold nothing of the token."""
    word = getattr(error, "error", "")
    return {
        "expired_token": "it has expired",  # a sentence  # nosec B105
        "invalid_claim": f"its claim {getattr(error, 'claim', '')} is wrong",
        "missing_claim": f"it has no claim {getattr(error, 'claim', '')}",
        "bad_signature": "its signature is wrong",
        "unsupported_algorithm": "it is not signed in a way that counts here",
        "invalid_key_id": "its key is none of the issuer's",
    }.get(word, "it is not valid")
