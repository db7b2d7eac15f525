"""Who may do what: people, their sessions, tokens of programs, and what was done about all of these."""

from sqlalchemy import ARRAY, CheckConstraint, Column, DateTime, Index, LargeBinary, Table, Text, text

from .columns import key, metadata, moment, words

TOKEN_DAYS = 366
"""No token lives longer."""


def _names(name: str) -> Column[list[str]]:
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'"))


def _until(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False)


person = Table(
    "person",
    metadata,
    Column("name", Text, primary_key=True),
    words("display"),
    Column("password", Text, nullable=False, comment="an argon2 hash"),
    _names("roles"),
    words("created_by"),
    moment("created_at", now=True),
    moment("changed_at", now=True),
    moment("disabled_at"),
    comment="local users; those of an OpenID provider are known by their sessions only",
)

api_token = Table(
    "api_token",
    metadata,
    key(),
    Column("digest", Text, nullable=False, unique=True, comment="sha256 of the secret, which is kept nowhere"),
    words("name", None),
    words("source"),
    words("label"),
    _names("roles"),
    _names("resources"),
    words("created_by"),
    moment("created_at", now=True),
    _until("expires_at"),
    moment("last_used_at"),
    moment("revoked_at"),
    words("revoked_by"),
    CheckConstraint(f"expires_at <= created_at + interval '{TOKEN_DAYS} days'", name="api_token_ends"),
    Index("api_token_name", "name"),
    comment="source: empty for a local user, `service` for a program, else the issuer that knows the name",
)

web_session = Table(
    "web_session",
    metadata,
    key(),
    Column("digest", Text, nullable=False, unique=True, comment="sha256 of the id in the cookie"),
    words("name", None),
    words("display"),
    words("source"),
    _names("roles"),
    words("how", None),
    words("browser"),
    moment("created_at", now=True),
    moment("seen_at", now=True),
    _until("expires_at"),
    moment("revoked_at"),
    Index("web_session_name", "name"),
    Index("web_session_expires", "expires_at"),
    comment="roles: of who came from a provider; those of a local user are read from `person` each time",
)

web_secret = Table(
    "web_secret",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    moment("created_at", now=True),
    comment="what all web processes of an instance sign cookies with",
)

access_event = Table(
    "access_event",
    metadata,
    key(),
    moment("at", now=True),
    words("actor"),
    words("action", None),
    words("subject"),
    words("detail"),
    words("address"),
    Index("access_event_at", "at"),
    comment="who signed in, or tried to; who changed roles and tokens",
)
