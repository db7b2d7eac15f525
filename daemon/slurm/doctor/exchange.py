"""What the login node and a job on a node say to each other: files in a folder of their own among the logs."""

import contextlib
import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import msgspec

from ....statemachine.records import Record
from ...finding import Finding

T = TypeVar("T", bound=Record)
MEETING_S = 90.0
"""So long a node waits for the login node's marks: NFS may show a new name only after a minute."""
ASK, ANSWER = "ask.json", "answer.json"
HERE = "logs"
"""The place of the folder of logs itself, beside those of sites."""


class Ask(Record):
    """What the login node knows, to be compared: places are roots that it can see, `names` some files of each."""

    token: str
    pilot: str
    version: str
    digest: str
    walltime_s: int
    places: tuple[str, ...] = ()
    names: dict[str, tuple[str, ...]] = {}
    meeting_s: float = MEETING_S


class Answer(Record):
    """What a job found on its node."""

    host: str
    findings: tuple[Finding, ...] = ()


class Ping(Record):
    """A mark that one side leaves for the other, with its time."""

    at: datetime


def write(path: Path, what: Record) -> None:
    """Write a file that is there whole or not at all, and make the file system keep it."""
    fresh = path.with_name(f"{path.name}.part")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(what))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read(path: Path, kind: type[T]) -> T | None:
    """Read such a file; none while it is not there, or not whole."""
    # Looking into the folder makes NFS ask its server anew, where a name that was not there is remembered so.
    with contextlib.suppress(OSError):
        os.listdir(path.parent)  # noqa: PTH208
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None


def mark(root: Path, token: str, side: str) -> Path:
    """Give the path of a mark below a root; `side` is `node` or `login`."""
    return root / f".headframe-doctor-{token}-{side}"


def ping() -> Ping:
    """Make a mark of this moment."""
    return Ping(at=datetime.now(UTC))


def digest(path: Path) -> str:
    """Give the digest of a file; empty where it cannot be read."""
    try:
        return sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return ""
