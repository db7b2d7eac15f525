"""The demonstration's folder: its configuration, the blinding committee's keys, the operator's password."""

import secrets
from importlib.resources import files
from pathlib import Path

from sqlalchemy import Engine

from ...consumers.steps.sealing import make_keypair
from ...statemachine.roles import Role
from ...statemachine.store.access import people
from ...web.access import passwords

OPERATOR = "operator"


def prepare(folder: Path) -> Path:
    """Make the folder where it is missing; give its configuration. What is there already stays."""
    keys = folder / "keys"
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = folder / "headframe.toml"
    if not config.exists():
        config.write_text(files(__package__).joinpath("demo.toml").read_text(encoding="utf-8"), encoding="utf-8")
    if not (keys / "committee.private").exists():
        private, public = make_keypair()
        _secret(keys / "committee.private", private)
        _secret(keys / "committee.public", public)
        _secret(keys / "salt.secret", secrets.token_hex(32))
    return config


def operator(engine: Engine, folder: Path) -> Path:
    """Make the one who may act on the pages, with a password of its own for each folder; give the file that has it."""
    file = folder / "operator.password"
    with engine.begin() as connection:
        if people.find(connection, OPERATOR) is None:
            password = passwords.generated()
            people.add(connection, OPERATOR, passwords.hashed(password), [Role.OPERATOR], actor="demo")
            _secret(file, password)
    return file


def _secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text + "\n", encoding="utf-8")
