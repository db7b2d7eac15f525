"""The manifests of an inbox whose files arrive by manifest: which files they name, of which run and size."""

from collections.abc import Iterator
from pathlib import Path

from ...statemachine.records import Record
from ..rundb.announced import LARGEST, Manifest, ManifestError, parse
from .look import Facts
from .names import Name


class Announced(Record):
    """A file as a manifest announces it; `place` is its place in the list, for want of a sequence number."""

    manifest: str
    run: int
    place: int
    sequence: int | None
    kind: str | None
    size: int | None


class Manifests:
    """What the manifests that are there now announce, by path below the inbox. Not thread-safe."""

    def __init__(self, max_run: int) -> None:
        self._max_run = max_run
        self._read: dict[str, tuple[Facts, tuple[str, ...], tuple[str, ...]]] = {}
        self._announced: dict[str, Announced] = {}

    def get(self, path: str) -> Announced | None:
        """Give what is announced of a file."""
        return self._announced.get(path)

    def listed(self, manifest: str) -> tuple[str, ...]:
        """Give the paths that a manifest names."""
        return self._read[manifest][1] if manifest in self._read else ()

    def outside(self, manifest: str) -> tuple[str, ...]:
        """Give the names in a manifest that lead out of the inbox."""
        return self._read[manifest][2] if manifest in self._read else ()

    def is_current(self, manifest: str, facts: Facts) -> bool:
        """Say whether a manifest that looks like this was read already."""
        return manifest in self._read and self._read[manifest][0] == facts

    def read(self, root: str, path: str, facts: Facts, name: Name) -> None:
        """Read a manifest. Raises `ManifestError`, `OSError`."""
        if facts.size > LARGEST:
            raise ManifestError("manifest-invalid", f"its {facts.size} bytes are more than {LARGEST}")
        manifest = parse(Path(root, path).read_bytes(), name.run, self._max_run)
        self.forget(path)
        outside: list[str] = []
        inside: dict[str, Announced] = {}
        for named, announced in _files(manifest, path, name):
            if named.startswith("/") or ".." in named.split("/"):
                outside.append(named)
            else:
                inside[named] = announced
        self._announced.update(inside)
        self._read[path] = (facts, tuple(inside), tuple(outside))

    def forget(self, manifest: str) -> None:
        """Drop a manifest that has gone or changed."""
        for path in self.listed(manifest):
            if path in self._announced and self._announced[path].manifest == manifest:
                del self._announced[path]
        self._read.pop(manifest, None)

    def keep(self, present: set[str]) -> None:
        """Drop all manifests that are not among those present."""
        for manifest in self._read.keys() - present:
            self.forget(manifest)


def _files(manifest: Manifest, path: str, name: Name) -> Iterator[tuple[str, Announced]]:
    folder, slash, _ = path.rpartition("/")
    for place, one in enumerate(manifest.listed):
        announced = Announced(
            manifest=path,
            run=manifest.run or 0,
            place=(manifest.first_sequence or 0) + place,
            sequence=one.sequence,
            kind=manifest.kind or manifest.type or name.kind,
            size=one.size,
        )
        relative = one.name.removeprefix("./")
        yield (relative if relative.startswith("/") else f"{folder}{slash}{relative}"), announced
