"""Tokens: the names of jobs. Unique, and never used again; from each can be told what was asked for."""

import re
import secrets

from blake3 import blake3

from ..config import Config
from ..slurm.script import Wanted, render


def prefix(config: Config) -> str:
    """Give how the names of all jobs of this instance begin."""
    return f"hf-{config.instance}-"


def new_token(config: Config, name: str) -> str:
    """Make a token for a pilot of this name."""
    return f"{prefix(config)}{digest(config, name)}-{secrets.token_hex(8)}"


def digest(config: Config, name: str) -> str:
    """Give four digits of all that is asked for: a pilot's token shows whether it was asked for like this."""
    asked = render(config, Wanted(token="", name=name))  # none: it is only rendered  # nosec B106
    return blake3(f"{asked.script}{asked.log}".encode()).hexdigest()[:4]


def digest_of(token: str) -> str:
    """Give the digits that a token was made with; nothing where it is none of ours."""
    found = re.search(r"-([0-9a-f]{4})-[0-9a-f]{16}$", token)
    return found[1] if found else ""
