"""Sign-in at an OpenID provider: the code flow with PKCE, state and nonce (OpenID Connect Core 1.0, RFC 7636, 9207).

authlib and requests are imported where somebody signs in: a web without a provider starts without them.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask, request, session, url_for

from ...statemachine.records import Record
from ...statemachine.roles import Role
from ..context import KEY, Context, here
from ..settings import Oidc
from .bearer import groups_of, roles_of
from .jwts import BadTokenError, proved
from .provider import Provider, ProviderError

if TYPE_CHECKING:
    from authlib.integrations.requests_client import OAuth2Session

PROVIDER = "headframe-oidc"
BEGUN = "oidc"
TIMEOUT_S = 10.0


class SignInError(Exception):
    """Nobody was signed in. The text says why, to the person."""


class Found(Record):
    """Who came back from the provider, and where they had wanted to go."""

    name: str
    display: str
    source: str
    roles: frozenset[Role]
    to: str


def install(app: Flask) -> None:
    """Know the provider, where one is configured."""
    context: Context = app.extensions[KEY]
    access = context.settings.access
    app.extensions[PROVIDER] = Provider(access.oidc.issuer, access.cafile) if access.oidc else None


def configured() -> Oidc | None:
    """Give the provider's settings, where there is one."""
    return here().settings.access.oidc


def begin(app: Flask, to: str) -> str:
    """Give the provider's address to send the browser to; what must come back is kept in the cookie."""
    settings, provider = _provider(app)
    begun = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    session[BEGUN] = {**begun, "to": to}
    with _client(settings) as client:
        address, _ = client.create_authorization_url(
            provider.endpoint("authorization_endpoint"),
            state=begun["state"], nonce=begun["nonce"], code_verifier=begun["verifier"],
        )  # fmt: skip
    return str(address)


def finish(app: Flask) -> Found:
    """Give who the provider says has come back. Raises `SignInError`, `ProviderError`."""
    settings, provider = _provider(app)
    begun = session.pop(BEGUN, None) or {}
    _check_answer(begun, settings)
    claims = _claims(settings, provider, begun)
    if not hmac.compare_digest(str(claims.get("nonce", "")), str(begun["nonce"])):
        raise SignInError("this answer was not for this sign-in; please try again")
    return _found(claims, settings, str(begun["to"]))


def _check_answer(begun: dict[str, Any], settings: Oidc) -> None:
    """Refuse an answer to what this browser has not asked, or from somebody else than was asked."""
    state = request.args.get("state", "")
    if not begun or not hmac.compare_digest(state.encode(), str(begun["state"]).encode()):
        raise SignInError("this sign-in was not begun in this browser, or too long ago; please try again")
    if request.args.get("iss", settings.issuer) != settings.issuer:
        raise SignInError("this answer comes from another provider than the one that was asked")
    if "error" in request.args:
        raise SignInError("the provider did not sign you in; please try again, or ask its administrators")
    if not request.args.get("code"):
        raise SignInError("the provider sent no code; please try again")


def _claims(settings: Oidc, provider: Provider, begun: dict[str, Any]) -> dict[str, Any]:
    from authlib.integrations.base_client import OAuthError
    from requests import RequestException

    try:
        with _client(settings) as client:
            answer = client.fetch_token(
                provider.endpoint("token_endpoint"), code=request.args["code"], code_verifier=begun["verifier"],
                grant_type="authorization_code", timeout=TIMEOUT_S, allow_redirects=False,
            )  # fmt: skip
        return proved(str(answer["id_token"]), provider, (settings.client_id,))
    except RequestException as error:
        raise ProviderError(f"{settings.issuer} does not answer: {type(error).__name__}") from error
    except (OAuthError, KeyError, ValueError) as error:
        raise SignInError("the provider refused the code that it had sent; please try again") from error
    except BadTokenError as error:
        raise SignInError(f"what the provider said of you does not count: {error}") from error


def _found(claims: dict[str, Any], settings: Oidc, to: str) -> Found:
    if not meant_for(claims, settings.client_id):
        raise SignInError("what the provider said of you was meant for another application")
    name = claims.get(settings.name_claim)
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise SignInError(f"the provider did not say your {settings.name_claim}")
    roles = roles_of(groups_of(claims, settings.group_claims), settings.roles)
    if not roles:
        raise SignInError("none of your groups may do anything here; ask the administrators of headframe")
    display = claims.get("name")
    return Found(
        name=name.strip()[:200],
        display=display[:200] if isinstance(display, str) else "",
        source=settings.issuer,
        roles=roles,
        to=to,
    )


def meant_for(claims: dict[str, Any], client: str) -> bool:
    """Say whether an ID token was asked for by this client: one for several of them has to say so (Core 3.1.3.7)."""
    audience = claims.get("aud")
    several = isinstance(audience, list) and len(audience) > 1
    return claims.get("azp", None if several else client) == client


def _provider(app: Flask) -> tuple[Oidc, Provider]:
    settings = configured()
    if settings is None:
        raise SignInError("no provider is configured here")
    provider: Provider = app.extensions[PROVIDER]
    return settings, provider


def _client(settings: Oidc) -> OAuth2Session:
    from authlib.integrations.requests_client import OAuth2Session

    base = here().settings.url.rstrip("/") or request.host_url.rstrip("/")
    client = OAuth2Session(
        client_id=settings.client_id,
        client_secret=settings.client_secret.reveal() if settings.client_secret else None,
        scope=" ".join(settings.scopes),
        redirect_uri=f"{base}{urlsplit(url_for('account.callback')).path}",
        code_challenge_method="S256",
    )
    client.verify = here().settings.access.cafile or True
    return client
