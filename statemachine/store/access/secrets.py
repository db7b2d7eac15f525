"""Secrets: how they are made and digested, and the one that all web processes of an instance share."""

import hashlib
import secrets

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from ...schema import web_secret

PREFIX = "hf_"
"""What every token of ours begins with, so that one that has leaked can be found by searching for it."""
WEB = "cookies"


def new_token() -> str:
    """Make a token of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def new_id() -> str:
    """Make the id of a session, of 256 random bits."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Give what is kept of a random secret. It has 256 bits, so it needs no salt and no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def plain(said: str) -> str:
    """Give what can be kept and shown of somebody's words: no control characters, not too many."""
    return "".join(c for c in said if c.isprintable())[:200]


def web_key(conn: Connection) -> bytes:
    """Give the key for cookies; made by the first who asks."""
    made = insert(web_secret).values(name=WEB, key=secrets.token_bytes(32)).on_conflict_do_nothing()
    conn.execute(made)
    kept: bytes = conn.execute(select(web_secret.c.key).where(web_secret.c.name == WEB)).scalar_one()
    return bytes(kept)
