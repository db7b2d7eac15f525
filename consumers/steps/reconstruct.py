"""The step `reconstruct`: turn a file into a product for analysts, by the reconstructor that the options name.

A reconstructor is an entry point in `headframe.reconstructors`: a class made with the option table named after
it. The step checks its input, calls it, and vouches for what it wrote.
"""

import os
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ... import __version__
from ...statemachine.records import Record
from .api import Events, Job, Location, PayloadError, Product, Result, Site, step_options
from .files import checksums, finish, storage_errors, sync_folder


class Reconstructed(Record):
    """What a reconstructor says of its product. `run` and `sequence` are those that the data carry, if any."""

    run: int | None = None
    sequence: int | None = None
    events: Events | None = None
    metadata: dict[str, Any] = {}


class Reconstructor(Protocol):
    """What an entry point makes. It writes `target` complete, and nothing else in its folder."""

    suffix: str

    @property
    def configuration(self) -> str:
        """The version of the constants and settings that shape the product."""

    def reconstruct(self, source: Path, target: Path) -> Reconstructed:
        """Write the product of `source` to `target`; a bad input is a `PayloadError`."""


class ReconstructOptions(Record, forbid_unknown_fields=True):
    """Options of the step: which reconstructor, its own options, and whether run and sequence must agree."""

    reconstructor: str = "tpc"
    settings: dict[str, Any] = {}
    check_identity: bool = True


def run(job: Job) -> Result:
    """Reconstruct the job's input into one product of type `reconstructed`."""
    options = step_options(job.options, ReconstructOptions)
    source = Path(job.input.path)
    check_input(job, source)
    worker: Reconstructor = load("headframe.reconstructors", options.reconstructor, options.settings)
    target = Path(job.folder) / (product_stem(job) + worker.suffix)
    found = worker.reconstruct(source, target)
    if options.check_identity:
        check_identity(job, found)
    product = describe(
        job,
        target,
        type="reconstructed",
        events=found.events,
        configuration=worker.configuration,
        metadata=found.metadata,
    )
    return Result(products=(product,), events=found.events)


def check_input(job: Job, source: Path) -> None:
    """Refuse an input whose bytes are not those that its record promises."""
    content = job.input.content
    if content.checksums is None:
        return
    with storage_errors(f"reading {content.name}"):
        size, sums = checksums(source)
    if (size, sums) != (content.size, content.checksums):
        raise PayloadError(
            "checksum-mismatch",
            f"{content.name} has {size} bytes, adler32 {sums.adler32}; its record says {content.size} bytes, "
            f"adler32 {content.checksums.adler32}",
        )


def check_identity(job: Job, found: Reconstructed) -> None:
    """Refuse data that say they are of another run or sequence than their name."""
    sequence = job.sequence if job.sequence is not None else found.sequence
    run_number = found.run if found.run is not None else job.run
    if (run_number, found.sequence if found.sequence is not None else sequence) != (job.run, sequence):
        raise PayloadError(
            "wrong-run",
            f"{job.input.content.name} came as run {job.run} sequence {job.sequence}, but its data say "
            f"run {found.run} sequence {found.sequence}",
            permanent=True,
        )


def product_stem(job: Job) -> str:
    """Name by run and sequence, such as `run000123_0004`."""
    return f"run{job.run:06d}" + ("" if job.sequence is None else f"_{job.sequence:04d}")


def load(group: str, name: str, settings: Mapping[str, Any]) -> Any:
    """Make the object that an entry point names; a wrong name or setting is a permanent `PayloadError`."""
    found = {point.name: point for point in entry_points(group=group)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise PayloadError("bad-option", f"no entry point {name!r} in {group} (there: {known})", permanent=True)
    try:
        make: Callable[[Mapping[str, Any]], Any] = found[name].load()
    except (ImportError, RuntimeError) as error:  # numba raises the latter where it finds no folder for its cache
        raise PayloadError("not-installed", f"{group} {name} cannot be loaded: {error}", permanent=True) from error
    try:
        return make(settings)
    except (ValueError, msgspec.ValidationError) as error:
        raise PayloadError("bad-option", f"step option: {error}", permanent=True) from error


def describe(
    job: Job,
    path: Path,
    *,
    type: str,  # noqa: A002 - the record's own word
    events: Events | None,
    configuration: str,
    metadata: dict[str, Any] | None = None,
) -> Product:
    """Give a file in the attempt's folder its site's mode, and say what it is."""
    with storage_errors(f"finishing {path.name}"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            finish(descriptor, job.sites.get(job.site, Site(name=job.site, root="/")))
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
        size, sums = checksums(path)
    return Product(
        name=path.name,
        type=type,
        location=Location(site=job.site, path=f"{job.folder_path}/{path.name}"),
        size=size,
        checksums=sums,
        events=events,
        software=f"headframe {__version__}",
        configuration=configuration,
        metadata=metadata or {},
    )
