"""The steps' process of a worker, with crash points around its last write; notes each execution and whose it is."""

import errno
import os
import time
from pathlib import Path
from typing import Any

from headframe.consumers.steps.api import InfrastructureError
from headframe.consumers.steps.files import storage_errors
from headframe.consumers.worker import child

from . import clock
from .orders import folder, note, passing

LONGER_THAN_WE_LIVE_S = 60


def wrap() -> None:
    """Put the crash points around the call of a step and around the last write of a file."""
    from headframe.consumers.steps import place

    done, copy = child._done, place.copy_checked

    def finished(job: Any, step: Any) -> Any:
        note("executions", f"{job.item} {job.step} {job.epoch} {os.getppid()}")
        try:
            refuse_when_full(job.folder)
            result = done(job, step)
        except InfrastructureError as error:
            if error.code == "no-space":
                note("faults", "disk full")
            raise
        if result.products or result.copies:
            end_at("worker after its last write")
        return result

    def copied(source: Path, target: Path, site: Any) -> Any:
        before_last_write(target)
        return copy(source, target, site)

    child._done = finished
    place.copy_checked = copied


def before_last_write(target: Path) -> None:
    """Leave half a file behind, where the suite says so."""
    if (folder() / "at worker before its last write").exists():
        target.write_bytes(b"half")
        end_at("worker before its last write")
        target.unlink()


def end_at(point: str) -> None:
    """Kill the worker at a crash point; this process ends as the product's does then: its input closes."""
    if passing(point, victim=os.getppid()):
        time.sleep(LONGER_THAN_WE_LIVE_S)


def refuse_when_full(where: str) -> None:
    """Behave like a full disk, where the suite cannot have one of its own (it takes root to make it)."""
    with storage_errors("writing"):
        if (folder() / "disk is full").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), where)


if __name__ == "__main__":
    clock.shift()
    wrap()
    child.main()
