"""What passes between the parts: frozen records, validated where they enter, never dictionaries.

Times are UTC. Sizes are bytes. A `path` is relative to its site's root and uses forward slashes, so that the
same record opens on a service host and on a compute node.
"""

from datetime import datetime
from typing import Any, Literal, dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class RecordMeta(msgspec.StructMeta):
    """Makes each record frozen and keyword only."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        """Make the class, with this project's defaults for what it does not set itself."""
        settings = {"frozen": True, "kw_only": True, **options}
        return super().__new__(cls, name, bases, namespace, **settings)


class Record(msgspec.Struct, metaclass=RecordMeta, omit_defaults=True):
    """Base of all records; defaults are left out on the wire."""


class Location(Record):
    """A place at a site. `path` is relative to the site's root."""

    site: str
    path: str


class Checksums(Record):
    """Both sums of one content, as lower-case hexadecimal: adler32 has 8 digits, blake3 has 64."""

    adler32: str
    blake3: str


class Events(Record):
    """The event range that a content covers, both ends included; `count` events lie in it."""

    first: int
    last: int
    count: int


class Content(Record):
    """Something to read: the raw file or an earlier step's product, and where a replica of it lies.

    `role` is `raw` or the name of the step that made it. `product` is its catalog number.
    """

    role: str
    location: Location
    name: str
    size: int
    checksums: Checksums | None = None
    product: int | None = None
    mtime_ns: int | None = None
    events: Events | None = None
    file: int | None = None
    sequence: int | None = None


class Product(Record):
    """What a step wrote, complete and checksummed before it is reported."""

    name: str
    type: str
    location: Location
    size: int
    checksums: Checksums
    events: Events | None = None
    software: str = ""
    configuration: str = ""
    metadata: dict[str, Any] = {}


class Copy(Record):
    """A verified copy that a step made of one of its inputs."""

    of: str
    location: Location
    size: int
    checksums: Checksums
    product: int | None = None


class SealedSalt(Record):
    """A salt record that only the holder of the committee's private key can open. `sealed` is base64."""

    key_id: str
    sealed: str


class Usage(Record):
    """What an attempt used: wall and CPU time in seconds, peak resident memory in bytes.

    `queue_s` is how long its item had been ready before, in seconds.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory_peak: int = 0
    queue_s: float = 0.0


class Resources(Record):
    """What an attempt may use. `memory` is in bytes, 0 means no limit."""

    cpus: int = 1
    memory: int = 0
    timeout_s: float = 3600.0


class Outcome(Record):
    """One item's part of a report: what happened to it in the attempt with this epoch.

    `beside` names the folders of other attempts that lay beside its own when it was done.
    """

    item: int
    epoch: int
    trigger: Literal["start", "succeed", "fail", "interrupt"]
    step: str = ""
    reason_code: str = ""
    reason: str = ""
    permanent: bool = False
    skipped: bool = False
    products: tuple[Product, ...] = ()
    copies: tuple[Copy, ...] = ()
    salt: SealedSalt | None = None
    raw: Checksums | None = None
    events: Events | None = None
    catalog: dict[str, Any] | None = None
    usage: Usage | None = None
    log: Location | None = None
    folder: Location | None = None
    beside: tuple[str, ...] = ()
    started_at: datetime | None = None
    trace: str = ""


class Reporter(Record):
    """Who reports: the worker's random id for this process, its host and, on a cluster, its job; its headframe.

    On a cluster `host` is the batch system's name of the node, and `pilot` the token of the pilot that it works for.
    """

    owner: str
    host: str
    job: str = ""
    worker: str = ""
    version: str = ""
    pilot: str = ""


class PilotWord(Record):
    """What a pilot says of itself: where it runs, what it has, and that it begins, drains or leaves (and why).

    `memory` is in bytes, 0 where that is not known; `ends_at` is when its walltime is over.
    """

    token: str
    what: Literal["running", "draining", "left"]
    job: str = ""
    node: str = ""
    cpus: int = 0
    memory: int = 0
    workers: int = 0
    ends_at: datetime | None = None
    reason: str = ""


class ArrivedFile(Record):
    """A raw file that a watcher has seen complete. The checksum comes in the first step."""

    site: str
    path: str
    name: str
    run: int
    sequence: int
    size: int
    mtime_ns: int
    kind: str | None = None
    inbox: str = ""
    closed_ns: int | None = None


class ExpectedFile(Record):
    """A file that the detector announced for a run."""

    name: str
    sequence: int | None = None
    size: int | None = None
    adler32: str | None = None


class RunInfo(Record):
    """What a run database says of a run. `closed` means that the detector has ended it.

    `expected` is the number of files announced; `files` names them where the source does. `identity` tells
    two runs with one number apart (default: the start time).
    """

    run: int
    source: str
    kind: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    expected: int | None = None
    first_sequence: int | None = None
    files: tuple[ExpectedFile, ...] = ()
    closed: bool = False
    identity: str | None = None
    metadata: dict[str, Any] = {}


class Trouble(Record):
    """Bad input: one clear line on what happened and to what. It ends as a dead letter.

    `mended` says the contrary: what was said before with this code and subject is over. `payload` is the input itself;
    for a file it is its place, `site:path`, which tells it from one of the same path at another site.
    """

    code: str
    sentence: str
    subject: str
    run: int | None = None
    payload: str = ""
    source: str = ""
    size: int = 0
    mtime_ns: int = 0
    mended: bool = False
