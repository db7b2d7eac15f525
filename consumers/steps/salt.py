"""The step `salt`: write a new file with fake signals in it, which only the blinding committee can tell.

The raw file is read, never altered. How many signals and where is drawn from the job's seed, keyed with a
secret of this host, so that nobody can work it out from what is public. What was injected leaves only sealed.
Nothing else that comes out may depend on the salt: not the name, the size, the metadata, a log line.

A salter is an entry point in `headframe.salters`: a class made with the option table `settings`.
"""

import math
import random
from pathlib import Path
from typing import Any, Literal, Protocol

from blake3 import blake3

from ...statemachine.records import Record
from .api import Checksums, Events, Job, PayloadError, Result, SealedSalt, step_options
from .files import check_unchanged, checksums, storage_errors
from .reconstruct import describe, load
from .sealing import SealError, key_id, seal

CONTEXT = "headframe 2026 salt draw"
SHORTEST_SECRET = 16


class Salted(Record):
    """What a salter did: the events of the file, and the record to seal (plain JSON values)."""

    events: Events
    record: dict[str, Any]


class Salter(Protocol):
    """What an entry point makes."""

    @property
    def configuration(self) -> str:
        """The version of the constants and settings that shape the salt; nothing of the salt itself."""

    def salt(self, source: Path, target: Path, *, count: int, seed: int) -> Salted:
        """Write `source` with `count` signals added to `target`; its size may depend on `source` alone."""


class SaltOptions(Record, forbid_unknown_fields=True):
    """Options of the step: which salter, its own options, signals a file on average, and how they spread."""

    salter: str = "tpc"
    settings: dict[str, Any] = {}
    rate: float = 1.0
    distribution: Literal["poisson", "fixed"] = "poisson"


def run(job: Job) -> Result:
    """Write the salted copy of the job's raw file, and the sealed record of the salt."""
    options = check_options(step_options(job.options, SaltOptions))
    public = committee_key(job)
    check_secret(job)
    source = Path(job.input.path)
    before = raw_checksums(job, source)
    worker: Salter = load("headframe.salters", options.salter, options.settings)
    draw = random.Random(draw_key(job))  # noqa: S311 - keyed by a cryptographic sum, and no secret itself  # nosec B311
    target = Path(job.folder) / source.name
    salted = worker.salt(source, target, count=draw_count(options, draw), seed=draw.getrandbits(63))
    if raw_checksums(job, source) != before:
        raise PayloadError("input-changed", f"{job.input.content.name} changed while it was read", permanent=True)
    product = describe(job, target, type="salted", events=salted.events, configuration=worker.configuration)
    return Result(products=(product,), raw=before, events=salted.events, salt=sealed(job, public, salted))


def check_options(options: SaltOptions) -> SaltOptions:
    """Refuse a rate that is no rate, or a fixed one that is no whole number."""
    whole = options.distribution == "poisson" or options.rate.is_integer()
    if not 0 <= options.rate <= 100 or not whole:
        raise PayloadError(
            "bad-option",
            f"step option: rate is {options.rate:g}; allowed is 0 to 100, whole numbers if distribution is fixed",
            permanent=True,
        )
    return options


def committee_key(job: Job) -> str:
    """Give the committee's public key. Without a good one nothing is salted, for nobody could unblind."""
    public = job.private.get("committee_public_key")
    if not public:
        raise PayloadError(
            "no-committee-key",
            "no public key of the blinding committee is configured on this host (committee_public_key)",
            permanent=True,
        )
    try:
        key_id(public)
    except SealError as error:
        raise PayloadError("bad-committee-key", f"committee_public_key: {error}", permanent=True) from error
    return str(public)


def check_secret(job: Job) -> None:
    """Refuse to salt without a secret of the host: the seed follows from the item's number, which any page shows."""
    if len(str(job.private.get("salt_secret", "")).strip()) < SHORTEST_SECRET:
        raise PayloadError(
            "no-salt-secret",
            f"no salt_secret of at least {SHORTEST_SECRET} characters is configured on this host;"
            " without it anybody could repeat the draw",
            permanent=True,
        )


def raw_checksums(job: Job, source: Path) -> Checksums:
    """Sum the raw file, and refuse it where it is not the one that arrived."""
    check_unchanged(job)
    with storage_errors(f"reading {job.input.content.name}"):
        size, sums = checksums(source)
    promised = job.input.content.checksums
    if size != job.input.content.size or (promised is not None and sums != promised):
        raise PayloadError(
            "checksum-mismatch", f"{job.input.content.name} is not the content that its record describes"
        )
    return sums


def draw_key(job: Job) -> bytes:
    """Derive 32 bytes for the random draws from the host's secret and the job's seed."""
    secret = str(job.private.get("salt_secret", "")).encode()
    key = blake3(secret, derive_key_context=CONTEXT).digest()
    return blake3(f"{job.seed} {job.item} {job.run} {job.name}".encode(), key=key).digest()


def draw_count(options: SaltOptions, draw: random.Random) -> int:
    """Draw the number of signals for one file."""
    if options.distribution == "fixed":
        return int(options.rate)
    number, product, least = 0, draw.random(), math.exp(-options.rate)
    while product > least:
        number += 1
        product *= draw.random()
    return number


def sealed(job: Job, public: str, salted: Salted) -> SealedSalt:
    """Seal what was injected, with the file that it is in."""
    record = {"run": job.run, "sequence": job.sequence, "file": job.name, **salted.record}
    try:
        return seal(public, record)
    except SealError as error:
        raise PayloadError("salt-record-too-long", str(error), permanent=True) from error
