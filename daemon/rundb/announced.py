"""A run's manifest: the JSON file in which a detector announces a run and its files."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from ...statemachine.meeting import met
from ...statemachine.records import ExpectedFile, Record, RunInfo

LARGEST = 64 * 1024 * 1024
LARGEST_NUMBER = {"run": 2**63 - 1, "sequence": 2**31 - 1, "size": 2**63 - 1, "expected": 2**31 - 1}


class ManifestError(ValueError):
    """A manifest that cannot be used: `code` is `manifest-unreadable` or `manifest-invalid`."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class ManifestFile(Record):
    """A file as a manifest names it; `name` is relative to the manifest's folder. A bare name will do."""

    name: str
    sequence: int | None = None
    size: int | None = None
    adler32: str | None = None


class Manifest(Record):
    """What a manifest says. `type` and `kind` mean the same; `run` may come from the manifest's own name.

    A run is closed where `closed` says so or, without it, where it has ended.
    """

    run: int | None = None
    type: str | None = None
    kind: str | None = None
    started: datetime | float | None = None
    ended: datetime | float | None = None
    closed: bool | None = None
    files: tuple[ManifestFile | str, ...] = ()
    expected: int | None = None
    first_sequence: int | None = None
    identity: str | None = None
    metadata: dict[str, Any] = {}

    @property
    def listed(self) -> tuple[ManifestFile, ...]:
        """Give the files, bare names as records too."""
        return tuple(ManifestFile(name=one) if isinstance(one, str) else one for one in self.files)


def parse(body: bytes, run: int | None, max_run: int = LARGEST_NUMBER["run"]) -> Manifest:
    """Read a manifest; `run` is what its name says. Raises `ManifestError` with the key at fault."""
    try:
        manifest = msgspec.convert(msgspec.json.decode(body), met(Manifest))
    except msgspec.ValidationError as error:
        raise ManifestError("manifest-invalid", _with_key(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError("manifest-unreadable", f"it is not JSON: {error}") from error
    found = manifest.run if manifest.run is not None else run
    if found is None:
        raise ManifestError("manifest-invalid", "run: is missing")
    if run is not None and found != run:
        raise ManifestError("manifest-invalid", f"run: it says {found} but its name says {run}")
    _check(manifest, found, max_run)
    return msgspec.structs.replace(manifest, run=found)


def info(manifest: Manifest, source: str) -> RunInfo:
    """Give what a manifest says of its run. `run` has to be there."""
    listed = manifest.listed
    files = tuple(
        ExpectedFile(name=one.name.rpartition("/")[2], sequence=one.sequence, size=one.size, adler32=one.adler32)
        for one in listed
    )
    return RunInfo(
        run=manifest.run or 0,
        source=source,
        kind=manifest.kind or manifest.type,
        started=utc(manifest.started),
        ended=utc(manifest.ended),
        expected=manifest.expected if manifest.expected is not None else len(files) or None,
        first_sequence=manifest.first_sequence,
        files=files,
        closed=manifest.closed if manifest.closed is not None else manifest.ended is not None,
        identity=manifest.identity,
        metadata=manifest.metadata,
    )


def utc(moment: datetime | float | None) -> datetime | None:
    """Give a time in UTC; one without a zone is in UTC already, a number counts seconds since 1970."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        return datetime.fromtimestamp(moment, UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _check(manifest: Manifest, run: int, max_run: int) -> None:
    if manifest.kind is not None and manifest.type is not None and manifest.kind != manifest.type:
        raise ManifestError("manifest-invalid", "kind: it is not the same as type; one of them will do")
    if not 0 <= run <= max_run:
        raise ManifestError("run-number-out-of-range", f"run: {run} is not between 0 and {max_run}")
    _in_range("expected", manifest.expected, "expected")
    _in_range("first_sequence", manifest.first_sequence, "sequence")
    for place, one in enumerate(manifest.listed):
        _in_range(f"files[{place}].sequence", one.sequence, "sequence")
        _in_range(f"files[{place}].size", one.size, "size")
        if not one.name or "\0" in one.name:
            raise ManifestError("manifest-invalid", f"files[{place}].name: it is no file name")
    for key in ("started", "ended"):
        try:
            utc(getattr(manifest, key))
        except (OverflowError, ValueError, OSError) as error:
            raise ManifestError("manifest-invalid", f"{key}: it is no time: {error}") from error


def _in_range(key: str, value: int | None, what: str) -> None:
    if value is not None and not 0 <= value <= LARGEST_NUMBER[what]:
        raise ManifestError("manifest-invalid", f"{key}: {value} is not between 0 and {LARGEST_NUMBER[what]}")


def _with_key(error: str) -> str:
    """Turn msgspec's `Expected ... - at `$.files[0].size`` to `files[0].size: expected ...`."""
    what, _, where = error.partition(" - at `$")
    key = where.rstrip("`").lstrip(".")
    return f"{key}: {what[0].lower()}{what[1:]}" if key else f"{what[0].lower()}{what[1:]}"
