"""What has to fit together in `[access]`: issuers that can be trusted, and mappings that let somebody in."""

from urllib.parse import urlsplit

from .access import Access
from .errors import Mistakes

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def check_access(access: Access, mistakes: Mistakes) -> None:
    """Note everything that does not fit together."""
    oidc = access.oidc
    if oidc.issuer:
        _issuer(oidc.issuer, "access.oidc.issuer", mistakes)
        if not oidc.client_id:
            mistakes.add("access.oidc.client_id", "is missing; the provider has given one for this site")
        if not oidc.roles:
            mistakes.add("access.oidc.roles", 'is missing, so nobody could sign in; expected "group" = "role"')
        if "openid" not in oidc.scopes:
            mistakes.add("access.oidc.scopes", 'has no "openid", without which nobody is identified')
    elif oidc.client_id or oidc.roles:
        mistakes.add("access.oidc.issuer", "is missing; the rest of [access.oidc] is of no use without it")
    for place, each in enumerate(access.issuers):
        key = f"access.issuer[{place}]"
        _issuer(each.issuer, f"{key}.issuer", mistakes)
        if not any(each.audience) and each.issuer:
            mistakes.add(f"{key}.audience", "is empty; expected what tokens for this site are made out to")
        if not each.groups and not each.scopes:
            mistakes.add(f"{key}.groups", "is missing, and scopes too, so its tokens would let nobody do anything")
    names = [each.issuer for each in access.issuers]
    for name in {name for name in names if names.count(name) > 1}:
        mistakes.add("access.issuer", f'"{name}" is there twice')


def _issuer(issuer: str, key: str, mistakes: Mistakes) -> None:
    parts = urlsplit(issuer)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if issuer and (not safe or not parts.hostname or parts.username):
        shown = issuer.rsplit("@", maxsplit=1)[-1][:80]
        mistakes.add(key, f'"{shown}" is not possible; expected https://host, exactly as its tokens say')
