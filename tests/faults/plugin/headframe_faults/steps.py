"""Steps of the fault suite: real files, real checksums, next to no computing."""

import os
import random
import signal
import time
from pathlib import Path

import msgspec

from headframe.consumers.steps.api import Job, Location, PayloadError, Product, Result, step_options
from headframe.consumers.steps.files import check_unchanged, checksums, finish, storage_errors

from .child import LONGER_THAN_WE_LIVE_S, before_last_write


class Options(msgspec.Struct, frozen=True):
    """Out of a thousand items so many are `cursed` (fail for good), `frail` (fail now and then), `slow`."""

    cursed: int = 0
    frail: int = 0
    slow: int = 0
    slow_s: float = 3.0


def write(job: Job) -> Result:
    """Write the input and the step's name; some items take long, some fail, always the same ones."""
    options = step_options(job.options, Options)
    draw = random.Random(job.seed).randrange(1000)
    if draw < options.cursed:
        raise PayloadError("cursed", f"{job.name} is one of those that always fail", permanent=True)
    if draw < options.cursed + options.frail and random.random() < 0.5:
        raise PayloadError("frail", f"{job.name} is one of those that fail now and then")
    if 1000 - draw <= options.slow:
        time.sleep(options.slow_s)
    return Result(products=(_product(job),))


def linger(job: Job) -> Result:
    """Write, and be done when there is a file `go` beside the site's root: the test says when."""
    result = write(job)
    gate = Path(job.sites[job.site].root) / "go"
    while not gate.exists():
        time.sleep(0.05)
    return result


class Deadly(msgspec.Struct, frozen=True):
    """The file with this `sequence` kills the worker `after_s` of its step."""

    sequence: int = 1
    after_s: float = 0.0


def kill(job: Job) -> Result:
    """Write; but one file kills whoever works on it, as a fault in a library or in the kernel may."""
    options = step_options(job.options, Deadly)
    if job.sequence == options.sequence:
        time.sleep(options.after_s)
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(LONGER_THAN_WE_LIVE_S)
    return Result(products=(_product(job),))


def _product(job: Job) -> Product:
    if job.input.content.role == "raw":
        check_unchanged(job)
    name = f"{Path(job.name).stem}.{job.step}"
    target = Path(job.folder) / name
    with storage_errors(f"writing {name}"):
        content = Path(job.input.path).read_bytes() + f"{job.step} of {job.name}\n".encode()
        before_last_write(target)
        with target.open("xb") as out:
            out.write(content)
            finish(out.fileno(), job.sites[job.site])
    size, sums = checksums(target)
    return Product(
        name=name,
        type=job.step,
        location=Location(site=job.site, path=f"{job.folder_path}/{name}"),
        size=size,
        checksums=sums,
    )
