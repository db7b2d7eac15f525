"""PostgreSQL's own programs: those that fit a server, and how they are told where it is without anybody seeing it."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy.engine import make_url

from ...statemachine.database import DatabaseUnavailableError, session_name
from .. import embedded
from ..config import Config, read_secret
from .manifest import BackupError

VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
SERVICE = "headframe"
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
KEYWORDS = {"database": "dbname", "username": "user"}


def find(least: int, names: Sequence[str] = ("pg_dump", "pg_restore")) -> tuple[Path, int]:
    """Give the folder of programs that fit a server of version `least`, and theirs. Raises `BackupError`.

    The same version if there is one: a later pg_restore says things that an older server does not understand.
    """
    fitting = sorted((version, folder) for folder, version in _installed(names) if version >= least)
    if not fitting:
        older = sorted({version for _, version in _installed(names)})
        there = f"only {', '.join(map(str, older))}" if older else "none"
        raise BackupError(
            f"the database is PostgreSQL {least}, which needs {' and '.join(names)} of version {least} or later, and "
            f"here is {there}; install postgresql-client-{least} (Debian), or pip install 'headframe[embedded]'"
        )
    version, folder = fitting[0]
    return folder, version


def _installed(names: Sequence[str]) -> Iterator[tuple[Path, int]]:
    for folder in dict.fromkeys(_folders()):
        if all((folder / name).exists() for name in names):
            with suppress(OSError):  # of another machine, or not for us
                asked = [str(folder / names[0]), "--version"]
                said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
                if match := VERSION.search(said):
                    yield folder, int(match[1])


def _folders() -> Iterator[Path]:
    for pattern in PLACES:
        yield from sorted(Path("/").glob(pattern.removeprefix("/")))
    if named := shutil.which("pg_dump"):
        yield Path(named).parent
    try:
        yield embedded.programs()
    except DatabaseUnavailableError:
        return


def address(config: Config) -> dict[str, str]:
    """Give where the database is, in libpq's own words; the password is among them."""
    url = make_url(embedded.url(config))
    known = {KEYWORDS.get(key, key): value for key, value in url.translate_connect_args().items()}
    known |= {key: value if isinstance(value, str) else ",".join(value) for key, value in url.query.items()}
    if config.database.password_file is not None:
        known["password"] = read_secret(config.database.password_file, "database.password_file")
    return {key: str(value) for key, value in known.items()}


@contextmanager
def surroundings(config: Config, role: str) -> Iterator[dict[str, str]]:
    """Give the environment in which a program finds the server by `-d service=headframe`, with sessions of that role.

    Nothing of it is a word of the command, which everybody on the host can read: the address is in a file that only
    its user can, the password in the child's environment.
    """
    where = address(config)
    with tempfile.TemporaryDirectory(prefix="headframe-") as folder:
        file = Path(folder) / "service"
        file.touch(mode=0o600)
        named = session_name(config.instance, role)
        lines = [f"{key}={value}" for key, value in where.items() if key != "password"]
        file.write_text("\n".join([f"[{SERVICE}]", *lines, f"application_name={named}"]) + "\n")
        known = {**os.environ, "PGSERVICEFILE": str(file), "PGCONNECT_TIMEOUT": "15"}
        if "password" in where:
            known["PGPASSWORD"] = where["password"]
        yield known


def complaint(said: str) -> str:
    """Give the line that matters of what a program said: its first error, for details follow it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "error:" in line), lines[-1] if lines else "it said nothing")
