"""Arrivals that were sent to the API instead of found by a watcher: judged as theirs, and what each became is said.

Whether a file exists is for the steps to find out: the web process sees no inbox.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from sqlalchemy import Connection, text

from ..records import ArrivedFile, Record, RunInfo, Trouble
from .announced import items_announced
from .arrivals import register
from .campaigns import Book
from .core import Touched, lock_items, notify
from .dead import bury, place_of
from .errors import RefusedError
from .gather import gather
from .pin import hold_runs, items_to_pin
from .runs import campaigns_of, inform

LONGEST = 2500
"""The most bytes of a path and its site's name, and of a name: their indexes take up to 2,704."""


class Became(Record, omit_defaults=False):
    """What a file that was sent became. `known`: registered already, at this size and time. `file` is its number.

    A refused one has the code and the sentence of its trouble, and stands among the dead letters with them.
    """

    site: str
    path: str
    became: Literal["registered", "known", "refused"]
    file: int | None = None
    code: str = ""
    sentence: str = ""


def send(connection: Connection, files: Sequence[ArrivedFile], book: Book) -> tuple[tuple[Became, ...], Touched]:
    """Register files; give what each became, and which runs are to be gathered once this is committed."""
    strange = _troubles(connection, files)
    sound = [file for file in files if (file.site, file.path) not in strange]
    before = _registered(connection, sound)
    untyped = hold_runs(connection, (file.run for file in sound))
    typed = {file.run for file in sound if file.kind is not None}
    lock_items(connection, items_to_pin(connection, untyped & typed))
    done = register(connection, sound, book, held=True)
    bury(connection, (*strange.values(), *done.troubles))
    notify(connection, "arrivals")
    refused = strange | {_place(trouble): trouble for trouble in done.troubles}
    after = _registered(connection, sound)
    return tuple(_became(file, refused, before, after) for file in files), set(done.touched)


def announce(connection: Connection, said: RunInfo, book: Book) -> tuple[tuple[Trouble, ...], Touched]:
    """Write down what somebody says of a run, as a run database would; give what was wrong with it."""
    untyped = hold_runs(connection, [said.run])
    pinned = items_to_pin(connection, untyped) if said.kind is not None else []
    lock_items(connection, [*pinned, *items_announced(connection, [said])])
    troubles = inform(connection, said, book)
    bury(connection, troubles)
    notify(connection, "arrivals")
    return troubles, campaigns_of(connection, said.run)


def follow(connection: Connection, touched: Touched) -> None:
    """Let runs move with their files, in a transaction of its own that sees what all others committed."""
    if touched:
        gather(connection, touched)
        notify(connection, "arrivals")


Place = tuple[str, str]


def _troubles(connection: Connection, files: Sequence[ArrivedFile]) -> dict[Place, Trouble]:
    """Give what cannot even be judged."""
    known = set(connection.execute(text("select name from site")).scalars())
    if unknown := sorted({file.site for file in files} - known):
        raise RefusedError(f"there is no site {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return {
        (file.site, file.path): _trouble(
            "path-outside", f"{file.path} leads out of its site, or is not as paths are written here", file
        )
        for file in files
        if not _is_inside(file.path)
    }


def _is_inside(path: str) -> bool:
    parts = path.split("/")
    return not any(part in ("", ".", "..") for part in parts)


def _trouble(code: str, sentence: str, file: ArrivedFile) -> Trouble:
    place = place_of(file.site, file.path)
    return Trouble(
        code=code,
        sentence=sentence,
        subject=file.path,
        run=file.run,
        payload=place,
        source=file.inbox,
        size=file.size,
        mtime_ns=file.mtime_ns,
    )


def _place(trouble: Trouble) -> Place:
    return trouble.payload.removesuffix(f":{trouble.subject}"), trouble.subject


def _registered(connection: Connection, files: Iterable[ArrivedFile]) -> dict[Place, int]:
    places = list({(file.site, file.path) for file in files})
    statement = text(
        "select f.id, f.site, f.path from unnest(cast(:sites as text[]), cast(:paths as text[])) as w(site, path) "
        "join file f on f.site = w.site and f.path = w.path where f.registered_at is not null"
    )
    values = {"sites": [site for site, _ in places], "paths": [path for _, path in places]}
    return {(row.site, row.path): row.id for row in connection.execute(statement, values)}


def _became(
    file: ArrivedFile, refused: dict[Place, Trouble], before: dict[Place, int], after: dict[Place, int]
) -> Became:
    place = (file.site, file.path)
    trouble = refused.get(place)
    if trouble is not None:
        return Became(site=file.site, path=file.path, became="refused", code=trouble.code, sentence=trouble.sentence)
    found: Literal["known", "registered"] = "known" if place in before else "registered"
    return Became(site=file.site, path=file.path, became=found, file=after.get(place))
