"""Where a program can read what the catalog has: the one entry that fits, and a copy of it that is within reach."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..statemachine.views import CatalogEntry
from .errors import NotThereError

REMOTE = ("root://", "http://", "https://", "s3://")


def place(entry: CatalogEntry, roots: Mapping[str, str]) -> str:
    """Give a path or an address under which an entry can be read here; `roots` are those of the sites.

    Raises `NotThereError` naming the places where it lies.
    """
    for at in entry.locations:
        root = roots.get(at.site, "")
        if root.startswith(REMOTE):
            return f"{root.rstrip('/')}/{at.path}"
        if root and (path := Path(root) / at.path).is_file():
            return str(path)
    lies = ", ".join(f"{at.site}:{at.path}" for at in entry.locations)
    hint = f"it lies at {lies}; where a site is mounted here, say Client(..., sites={{'SITE': '/its/root'}})"
    said = hint if lies else "no copy of it can be read anywhere"
    raise NotThereError(f"{entry.name} of run {entry.run} cannot be opened from here: {said}")


def only(entries: Iterable[CatalogEntry], run: int, sequence: int | None, kind: str | None) -> CatalogEntry:
    """Give the one product among a run's entries that fits. Raises `NotThereError` where there is none, or several."""
    found = [each for each in entries if (kind or each.type != "raw") and sequence in (None, each.sequence)]
    if len(found) == 1:
        return found[0]
    asked = f"run {run}" + (f", sequence {sequence}" if sequence is not None else "")
    if not found:
        raise NotThereError(f"the catalog has no product of {asked} that fits; why_run({run}) says how far it is")
    raise NotThereError(f"{len(found)} products of {asked} fit, such as {'; '.join(_named(found))}; ask for one")


def _named(found: list[CatalogEntry]) -> Iterator[str]:
    return (f"{each.name} (kind={each.type!r}, sequence={each.sequence})" for each in found[:3])
