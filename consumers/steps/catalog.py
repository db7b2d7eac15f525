"""Catalog: what was made is read back once more and described; the conductor stores the description.

Options: `verify` (default true) reads every input whole and compares both checksums.
"""

from pathlib import Path
from typing import Any

import msgspec

from .api import Events, Input, Job, PayloadError, Result, step_options
from .files import checksums, storage_errors


class Options(msgspec.Struct, frozen=True):
    """The step's options in the pipeline."""

    verify: bool = True


def run(job: Job) -> Result:
    """Check the inputs and give their catalog entry: names, sizes, checksums, event range."""
    options = step_options(job.options, Options)
    contents = [_described(entry, verify=options.verify) for entry in job.inputs]
    spans = [entry.content.events for entry in job.inputs if entry.content.events]
    facts: dict[str, Any] = {
        "run": job.run,
        "type": job.kind,
        "sequence": job.sequence,
        "campaign": job.campaign,
        "contents": contents,
    }
    return Result(catalog=facts, events=_joined(spans))


def _described(entry: Input, *, verify: bool) -> dict[str, Any]:
    content, path = entry.content, Path(entry.path)
    with storage_errors(f"cataloging {content.name}"):
        size = path.stat().st_size
        sums = checksums(path)[1] if verify else content.checksums
    if size != content.size or (content.checksums is not None and sums != content.checksums):
        raise PayloadError(
            "checksum-mismatch", f"{content.name} at {content.location.site} is not what was recorded ({size} bytes)"
        )
    return {
        "role": content.role,
        "name": content.name,
        "size": size,
        "adler32": sums.adler32 if sums else None,
        "blake3": sums.blake3 if sums else None,
    }


def _joined(spans: list[Events]) -> Events | None:
    if not spans:
        return None
    first, last = min(span.first for span in spans), max(span.last for span in spans)
    return Events(first=first, last=last, count=sum(span.count for span in spans))
