"""The records of `[access]`: who may look, who may act, and how they show who they are."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ...statemachine.records import Record
from .types import Count

RoleName = Literal["viewer", "operator", "administrator", "blinding-committee", "launcher", "detector"]
Hours = Annotated[float, msgspec.Meta(gt=0, le=24 * 31)]


class OidcConfig(Record):
    """An OpenID provider at which people sign in; none where `issuer` is empty. `roles` maps groups to roles."""

    issuer: str = ""
    client_id: str = ""
    client_secret_file: Path | None = None
    title: str = ""
    scopes: tuple[str, ...] = ("openid", "profile")
    name_claim: str = "preferred_username"
    group_claims: tuple[str, ...] = ("groups", "wlcg.groups")
    roles: dict[str, RoleName] = {}


class IssuerConfig(Record):
    """An issuer of bearer tokens. `groups` and `scopes` map what its tokens say to roles."""

    issuer: str
    audience: tuple[str, ...]
    profile: Literal["wlcg", "jwt"] = "wlcg"
    name_claim: str = "sub"
    group_claims: tuple[str, ...] = ("wlcg.groups", "groups")
    groups: dict[str, RoleName] = {}
    scopes: dict[str, RoleName] = {}


class Access(Record):
    """Who may look, and who may act. `reading`: `open` to everybody who reaches the pages, or `closed`."""

    reading: Literal["open", "closed"] = "open"
    session_hours: Hours = 12.0
    sign_ins_a_minute: Count = 10
    changes_a_minute: Count = 600
    cafile: Path | None = None
    oidc: OidcConfig = OidcConfig()
    issuers: tuple[IssuerConfig, ...] = msgspec.field(name="issuer", default=())
