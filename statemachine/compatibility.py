"""Which code may work on which schema: what each process asks before it begins, and at any time later.

Migrations only expand, so code of before goes on working on a newer schema until a migration contracts: it names in
`CONTRACTS` the first version that no longer uses what it removes, and older ones are refused from then on.
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import cache

from sqlalchemy import Connection, select, text

from .. import __version__
from .database import MIGRATIONS, DatabaseUnavailableError, SchemaNewerError, explained
from .queries import query
from .schema import compatibility
from .store.backups import UNFINISHED, unfinished

FIRST = "0.1.0"
"""The oldest version that there is."""
UPGRADE = "run: headframe db upgrade"
REVISION = re.compile(r"""^revision = ['"](\w+)['"]""", re.MULTILINE)
CONTRACTS = re.compile(r"""^CONTRACTS = ['"]([\d.]+)['"]""", re.MULTILINE)


class Standing(Enum):
    """How the schema stands to this code."""

    FITS = "fits"
    OLD = "old"
    """Missing, or older than the code: an upgrade of the schema is due, and may be waited for."""
    NEW = "new"
    """Newer than the code can work with: this code has to go."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How the schema stands to this code; `sentence` says it, with what to do where it does not fit."""

    standing: Standing
    sentence: str
    present: str | None = None

    @property
    def fits(self) -> bool:
        """Say whether this code may work on it."""
        return self.standing is Standing.FITS


class SchemaTooNewError(Exception):
    """The schema is of a later headframe than this one can work with. The text says which and what to do."""


class HalfRestoredError(Exception):
    """An upgrade of a schema that is not restored wholly. The text says what to do."""


class StillNeededError(Exception):
    """An upgrade that takes away what processes that run still use. The text says which and what to do."""


@cache
def known() -> tuple[str, ...]:
    """Give the revisions that this code knows, the oldest first: each is a file, and the files are in order."""
    return tuple(_find(REVISION, body) for body in _files())


@cache
def oldest() -> str:
    """Give the oldest version that may work on the schema that this code wants."""
    return _first_after(-1) or FIRST


def number(version: str) -> tuple[int, ...]:
    """Give a version's numbers, by which versions are compared: `0.2.0rc1` is 0.2.0."""
    return tuple(int(part) for part in re.findall(r"(?:^|\.)(\d+)", version)[:3])


def fit(conn: Connection, version: str = __version__) -> Fit:
    """Say how the schema stands to this code. Raises what the database raises where it is away."""
    tables = conn.execute(query("schema_stands")).one()
    present = _present(conn) if tables.versioned else None
    wanted = known()[-1]
    if present is None:
        missing = (
            f"the schema is not whole: {UNFINISHED}" if _half(conn) else f"there is no schema of headframe; {UPGRADE}"
        )
        return Fit(standing=Standing.OLD, sentence=missing)
    if present == wanted:
        return Fit(standing=Standing.FITS, sentence=f"at revision {present}", present=present)
    if present in known():
        sentence = f"the schema is at revision {present}, headframe {version} wants {wanted}; {UPGRADE}"
        return Fit(standing=Standing.OLD, sentence=sentence, present=present)
    return _newer(present, _told(conn) if tables.told else None, version)


def fits(conn: Connection) -> str | None:
    """Say why this code may not work on the schema, and what to do; nothing where it may."""
    found = fit(conn)
    return None if found.fits else found.sentence


def require(conn: Connection) -> None:
    """Go on only on a schema that fits. Raises `SchemaTooNewError`, or `DatabaseUnavailableError` for an old one."""
    with explained():
        refuse_too_new(conn)
        sentence = fits(conn)
    if sentence:
        raise DatabaseUnavailableError(sentence)


def refuse_too_new(conn: Connection) -> None:
    """Go on unless the schema is too new; on an old one, what needs it fails by itself. Raises `SchemaTooNewError`."""
    found = fit(conn)
    if found.standing is Standing.NEW:
        raise SchemaTooNewError(found.sentence)


def refuse_newer(conn: Connection) -> None:
    """Leave a schema alone that a later headframe has brought further. Raises `SchemaNewerError`."""
    found = fit(conn)
    if found.present is None or found.present in known():
        return
    told = _told(conn) if conn.execute(query("schema_stands")).one().told else None
    by = f"headframe {told[1]} brought the schema" if told else "a later headframe brought the schema"
    raise SchemaNewerError(
        f"{by} to revision {found.present}; headframe {__version__} is older and does not know it. Nothing changed. "
        "A schema never goes back: run headframe db upgrade of the later version (docs/upgrade.md)"
    )


def refuse_half(conn: Connection) -> None:
    """Make no new schema of what a restore has brought in so far. Raises `HalfRestoredError`."""
    if _half(conn):
        raise HalfRestoredError(f"the schema is not whole: {UNFINISHED}. Nothing changed")


def refuse_while_needed(conn: Connection) -> None:
    """Take nothing away that a process still uses. Raises `StillNeededError` naming those that were seen lately."""
    present = fit(conn).present
    if present not in known() or not (first := _first_after(known().index(present))):
        return
    older = [row for row in conn.execute(query("processes_lately")) if number(row.version) < number(first)]
    if older:
        named = ", ".join(f"{row.role} {row.version} on {row.host}" for row in older[:5])
        raise StillNeededError(
            f"this upgrade takes away what versions before {first} use, and {len(older)} such processes were seen in "
            f"the last two minutes: {named}. Nothing changed. Replace them first, wait two minutes, then say it again"
        )


def _first_after(place: int) -> str:
    """Give the first version that may work on the schema once what comes after this revision has been run, if any."""
    named = [_find(CONTRACTS, body) for body in _files()[place + 1 :] if CONTRACTS.search(body)]
    return max(named, key=number, default="")


def note(conn: Connection) -> None:
    """Write down what may work on the schema, once it is the one that this code wants."""
    if _present(conn) != known()[-1]:
        return
    conn.execute(query("note_compatibility"), {"oldest": oldest(), "revision": known()[-1], "by": __version__})


def _half(conn: Connection) -> bool:
    return unfinished(conn, conn.execute(text("select current_setting('search_path')")).scalar_one())


def _newer(present: str, told: tuple[str, str] | None, version: str) -> Fit:
    if told is None:
        sentence = f"the schema is at revision {present}, which headframe {version} does not know, and does not say "
        sentence += "who may work on it; run the headframe that brought it there"
        return Fit(standing=Standing.NEW, sentence=sentence, present=present)
    first, by = told
    if number(version) >= number(first):
        sentence = f"at revision {present} of headframe {by}, on which versions from {first} on may work"
        return Fit(standing=Standing.FITS, sentence=sentence, present=present)
    sentence = f"the schema is at revision {present} of headframe {by}, on which headframe {version} cannot work; "
    sentence += f"run {first} or later"
    return Fit(standing=Standing.NEW, sentence=sentence, present=present)


def _present(conn: Connection) -> str | None:
    return conn.execute(text("select version_num from alembic_version")).scalar()


def _told(conn: Connection) -> tuple[str, str] | None:
    row = conn.execute(select(compatibility.c.oldest, compatibility.c.by)).one_or_none()
    return (row.oldest, row.by) if row else None


@cache
def _files() -> tuple[str, ...]:
    return tuple(path.read_text(encoding="utf-8") for path in sorted((MIGRATIONS / "versions").glob("[0-9]*.py")))


def _find(pattern: re.Pattern[str], body: str) -> str:
    found = pattern.search(body)
    return found.group(1) if found else ""
