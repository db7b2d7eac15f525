"""Place: a verified copy of the file's content at each site that the run type asks for.

Options: `sites`, the names of the sites (default: the attempt's own). The pinned condition `sites`, from the run
type's `placed_when`, goes first. A copy is written, synced, read back and compared before it counts.
"""

from pathlib import Path

import msgspec

from .api import Checksums, Copy, InfrastructureError, Job, Location, PayloadError, Result, Site, step_options
from .files import check_unchanged, checksums, copy_checked, make_folder, storage_errors


class Options(msgspec.Struct, frozen=True):
    """The step's options in the pipeline."""

    sites: tuple[str, ...] = ()


def run(job: Job) -> Result:
    """Copy the input to each wanted site; raises where a copy does not read back as it was written."""
    options = step_options(job.options, Options)
    wanted = tuple(job.conditions.get("sites", ())) or options.sites or (job.site,)
    if job.input.content.role == "raw":
        check_unchanged(job)
    copies = tuple(_copy(job, _site(job, name)) for name in wanted)
    raw = copies[0].checksums if job.input.content.role == "raw" else None
    return Result(copies=copies, raw=raw)


def _site(job: Job, name: str) -> Site:
    if name not in job.sites:
        raise InfrastructureError("unknown-site", f"{job.name}: this worker's configuration has no site {name}")
    return job.sites[name]


def _copy(job: Job, site: Site) -> Copy:
    content = job.input.content
    name = Path(content.name).name
    path = f"{job.folder_path}/{name}"
    with storage_errors(f"copying {content.name} to {site.name}"):
        target = make_folder(site, job.folder_path) / name
        size, sums = _write(job, site, target)
    location = Location(site=site.name, path=path)
    return Copy(of=content.role, product=content.product, location=location, size=size, checksums=sums)


def _write(job: Job, site: Site, target: Path) -> tuple[int, Checksums]:
    """Write and read back one copy; a bad one does not stay."""
    content = job.input.content
    try:
        size, sums = copy_checked(Path(job.input.path), target, site)
        _compare(job, "the source", (content.size, content.checksums), (size, sums))
        _compare(job, f"the copy at {site.name}", (size, sums), checksums(target))
    except FileExistsError:
        raise  # not ours: another execution's copy, perhaps accepted
    except (OSError, PayloadError):
        target.unlink(missing_ok=True)
        raise
    return size, sums


def _compare(job: Job, what: str, wanted: tuple[int, Checksums | None], found: tuple[int, Checksums]) -> None:
    size, sums = wanted
    if size != found[0] or (sums is not None and sums != found[1]):
        raise PayloadError(
            "checksum-mismatch",
            f"{job.input.content.name}: {what} has {found[0]} bytes and adler32 {found[1].adler32}, expected "
            f"{size} and {sums.adler32 if sums else 'unknown'}",
        )
