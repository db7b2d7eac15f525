"""What the application is told about its instance: it reads no configuration by itself."""

from typing import Literal

from ..statemachine.records import Record
from ..statemachine.roles import Role
from ..statemachine.store.campaigns import Book


class Secret:
    """A secret that no log line and no error shows: it has to be asked for."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"


class Oidc(Record):
    """An OpenID provider at which people sign in. `roles` gives the role of a group; who is in none has no entry.

    `name_claim` is what history will call them, `group_claims` are where their groups stand.
    """

    issuer: str
    client_id: str
    client_secret: Secret | None = None
    title: str = ""
    scopes: tuple[str, ...] = ("openid", "profile")
    name_claim: str = "preferred_username"
    group_claims: tuple[str, ...] = ("groups", "wlcg.groups")
    roles: dict[str, Role] = {}


class Issuer(Record):
    """An issuer of bearer tokens, and what its groups and scopes let somebody do. `wlcg`: of the WLCG's profile."""

    issuer: str
    audience: tuple[str, ...]
    wlcg: bool = True
    name_claim: str = "sub"
    group_claims: tuple[str, ...] = ("wlcg.groups", "groups")
    groups: dict[str, Role] = {}
    scopes: dict[str, Role] = {}


class Access(Record):
    """How people and programs show who they are. `proxies` in front of us are trusted to say for whom they ask;
    `cafile` says who vouches for the providers.
    """

    session_hours: float = 12.0
    sign_ins_a_minute: int = 10
    changes_a_minute: int = 600
    proxies: int = 0
    cafile: str = ""
    oidc: Oidc | None = None
    issuers: tuple[Issuer, ...] = ()


class Settings(Record):
    """An application's settings.

    `timezone` is the site's, by its IANA name. `url` is the address under which people know the pages; empty: as each
    request says. `reading` is `open` where everybody may look, `closed` where one must sign in for that too. `book`
    says which pipeline each run type follows, for what is sent to the API; none where the application only shows.
    `handbook` is the URL of the page of alerts' remedies, where there is one.
    """

    instance: str
    timezone: str = "UTC"
    title: str = "headframe"
    url: str = ""
    reading: Literal["open", "closed"] = "open"
    access: Access = Access()
    book: Book | None = None
    handbook: str = ""
