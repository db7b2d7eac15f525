"""The messages: small typed JSON with a version, validated on both sides.

A reader takes its own version and the one before, and leaves alone a field that it does not know; a message that does
not decode becomes a dead letter with `MessageError`'s sentence as its reason.
"""

from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec

from ..statemachine.meeting import met
from ..statemachine.records import (
    ArrivedFile,
    Content,
    Location,
    Outcome,
    PilotWord,
    Record,
    Reporter,
    Resources,
    RunInfo,
    Trouble,
)

VERSION = 1
LARGEST = 4 * 1024 * 1024
"""The largest body that is decoded, in bytes."""
LARGEST_WORK = 15 * 1024 * 1024
"""The largest work message: a run's step may read ten thousands of files. RabbitMQ 4 takes 16 MiB at most."""


class MessageError(ValueError):
    """A body that is not a message of the wanted kind. The text says why."""


class Message(Record, tag_field="message", omit_defaults=False):
    """Base of all messages; the version always travels."""

    version: int = VERSION


class WorkItem(Record):
    """One item of a parcel: what to read and the epoch that fences the attempt.

    `folder` is the item's work folder; the attempt's own folder is below it, named by epoch and owner.
    """

    item: int
    epoch: int
    run: int
    kind: str
    name: str
    sequence: int | None
    inputs: tuple[Content, ...]
    folder: Location
    seed: int = 0
    conditions: dict[str, Any] = {}
    resources: Resources = Resources()
    metadata: dict[str, Any] = {}
    trace: str = ""
    ready_at: datetime | None = None


class Work(Message, tag="work", kw_only=True):
    """A parcel of items of one step and lane. `use` names the entry point or `command:<name>`.

    `large`: its items ran out of time or memory, and are tried once more where there is more of both.
    """

    step: str
    lane: str
    use: str
    scope: str
    makes: str
    campaign: str
    lease_s: float
    parcel: tuple[WorkItem, ...]
    options: dict[str, Any] = {}
    id: str = ""
    large: bool = False


class SettleItem(Record):
    """Link an accepted product under its readable name, or remove an unaccepted attempt's folder."""

    id: int
    action: Literal["link", "clean"]
    site: str
    path: str
    link: str | None = None


class Settle(Message, tag="settle", kw_only=True):
    """File-system work after the fact, repeated until done."""

    parcel: tuple[SettleItem, ...]


class Settled(Record):
    """What became of one settle item."""

    id: int
    done: bool
    error: str = ""


class Report(Message, tag="report", kw_only=True):
    """What a worker says: outcomes of attempts, heartbeats of running ones, settle items done.

    `beats` are (item, epoch) pairs still being worked on; `beats` empty with no outcomes says "I am here".
    `halted` is what the newest `Halt` said. No `lanes`: all. A `pilot` that speaks for itself does no work: it has no
    outcomes, no beats and no steps.
    """

    reporter: Reporter
    lane: str
    outcomes: tuple[Outcome, ...] = ()
    beats: tuple[tuple[int, int], ...] = ()
    settled: tuple[Settled, ...] = ()
    steps: tuple[str, ...] = ()
    lanes: tuple[str, ...] = ()
    draining: bool = False
    halted: tuple[str, ...] = ()
    sent_at: datetime | None = None
    pilot: PilotWord | None = None


class Marker(Message, tag="marker", kw_only=True):
    """Sent through a report lane; once applied, every report sent before it has been applied too."""

    lane: Literal["live", "bulk"]
    sent_at: datetime


class Arrived(Message, tag="arrived", kw_only=True):
    """Files that a watcher has seen complete, what a run database says, and bad input met on the way."""

    files: tuple[ArrivedFile, ...] = ()
    runs: tuple[RunInfo, ...] = ()
    troubles: tuple[Trouble, ...] = ()


class Drop(Message, tag="drop", kw_only=True):
    """To a worker's control queue: stop these (item, epoch) attempts, they are no longer yours."""

    items: tuple[tuple[int, int], ...]
    reason: str = ""


class Halt(Message, tag="halt", kw_only=True):
    """To a worker's control queue: all that you are to leave alone from now on; what runs, runs on.

    `step:S` and `lane:L` name queues, `worker` means everything.
    """

    what: tuple[str, ...]


class Drain(Message, tag="drain", kw_only=True):
    """To a worker's control queue: finish what runs, take nothing more, leave."""

    reason: str = ""


M = TypeVar("M", bound=Message)
_encoder = msgspec.json.Encoder()


def encode(message: Message) -> bytes:
    """Give the JSON body of a message."""
    return _encoder.encode(message)


def decode(body: bytes, *kinds: type[M]) -> M:
    """Read a body as one of `kinds`. Raises `MessageError` with one clear line where it is none of them."""
    largest = LARGEST_WORK if Work in kinds else LARGEST
    if len(body) > largest:
        raise MessageError(f"body of {len(body)} bytes is larger than {largest}")
    wanted = kinds[0] if len(kinds) == 1 else _union(kinds)
    try:
        message: M = msgspec.json.decode(body, type=met(wanted))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise MessageError(f"not a message {names}: {error}") from error
    if not VERSION - 1 <= message.version <= VERSION:
        raise MessageError(f"message version {message.version} is not {VERSION - 1} or {VERSION}")
    return message


def _union(kinds: tuple[type[M], ...]) -> Any:
    union: Any = kinds[0]
    for kind in kinds[1:]:
        union = union | kind
    return union
