"""What a configuration would make of a list of names: `headframe config check --against listing.txt`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ...statemachine.records import Record
from ..watcher.names import Name, Names
from ..watcher.text import printable
from .model import Config

ORDER = ("file", "manifest", "semaphore", "bad", "ignored")
"""Which answer counts where several inboxes have one."""


class Row(Record):
    """One name of the listing. `result` is file, manifest, semaphore, ignored, or the code of what is wrong.

    `run` and `sequence` are missing where a manifest will tell them; `known_type` says whether runs of this type
    have a pipeline (those of an unknown type are held).
    """

    name: str
    result: str
    inbox: str = ""
    run: int | None = None
    sequence: int | None = None
    kind: str | None = None
    known_type: bool = False
    sentence: str = ""


def preview(config: Config, listing: Iterable[str]) -> Iterator[Row]:
    """Give a row for each name and each inbox that takes it; one row where none does.

    A name is a path below an inbox, or an absolute path on this host; empty lines are passed over.
    """
    inboxes = {name: (Names(inbox), config.inbox_root(name)) for name, inbox in config.inboxes.items()}
    for line in listing:
        name = line.rstrip("\r\n")
        if name:
            yield from _rows(config, inboxes, name)


def _rows(config: Config, inboxes: dict[str, tuple[Names, Path]], name: str) -> Iterator[Row]:
    found: list[tuple[str, Name]] = []
    for inbox, (names, root) in inboxes.items():
        path = _below(root, name)
        if path is not None:
            found.append((inbox, names.read(path)))
    found.sort(key=lambda one: ORDER.index(one[1].role))
    if not found:
        yield Row(name=printable(name), result="no-inbox", sentence="it is in no inbox")
    for inbox, meaning in found:
        if inbox == found[0][0] or meaning.role == "file":
            yield _row(config, inbox, name, meaning)


def _row(config: Config, inbox: str, name: str, meaning: Name) -> Row:
    return Row(
        name=printable(name),
        result=meaning.code or meaning.role,
        inbox=inbox,
        run=meaning.run,
        sequence=meaning.sequence,
        kind=meaning.kind,
        known_type=meaning.kind in config.run_types,
        sentence=meaning.sentence,
    )


def _below(root: Path, name: str) -> str | None:
    if not name.startswith("/"):
        return name.removeprefix("./")
    return name[len(f"{root}/") :] if name.startswith(f"{root}/") else None
