"""From `[access]` to what the web process is told: roles by their names, the client's secret out of its file."""

from sqlalchemy import Engine

from ..statemachine.roles import Role
from ..statemachine.store.access import people, tokens
from ..web.settings import Access, Issuer, Oidc, Secret
from .config import Config, read_secret
from .config.access import IssuerConfig, OidcConfig, RoleName


def settings(config: Config) -> Access:
    """Say how people and programs show who they are. Raises `ConfigError` where the secret cannot be read."""
    access = config.access
    return Access(
        session_hours=access.session_hours,
        sign_ins_a_minute=access.sign_ins_a_minute,
        changes_a_minute=access.changes_a_minute,
        proxies=config.web.proxies,
        cafile=str(access.cafile or ""),
        oidc=_oidc(access.oidc) if access.oidc.issuer else None,
        issuers=tuple(_issuer(each) for each in access.issuers),
    )


def nobody_may_act(engine: Engine, config: Config) -> bool:
    """Say whether nobody at all could act on the pages: no local user, no token, no provider."""
    if config.access.oidc.issuer or config.access.issuers:
        return False
    with engine.connect() as connection:
        return not people.people(connection) and not tokens.tokens(connection)


def _oidc(oidc: OidcConfig) -> Oidc:
    file = oidc.client_secret_file
    return Oidc(
        issuer=oidc.issuer,
        client_id=oidc.client_id,
        client_secret=Secret(read_secret(file, "access.oidc.client_secret_file")) if file else None,
        title=oidc.title,
        scopes=oidc.scopes,
        name_claim=oidc.name_claim,
        group_claims=oidc.group_claims,
        roles=_roles(oidc.roles),
    )


def _issuer(issuer: IssuerConfig) -> Issuer:
    return Issuer(
        issuer=issuer.issuer,
        audience=issuer.audience,
        wlcg=issuer.profile == "wlcg",
        name_claim=issuer.name_claim,
        group_claims=issuer.group_claims,
        groups=_roles(issuer.groups),
        scopes=_roles(issuer.scopes),
    )


def _roles(mapping: dict[str, RoleName]) -> dict[str, Role]:
    return {name: Role(role) for name, role in mapping.items()}
