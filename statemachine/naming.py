"""Where things lie below a site's root. One place, so that workers, conductor and sweeper agree.

An attempt's folder has the epoch and the owner in its name: two workers with one epoch never write to one place.
Readable links carry campaign and version. Names of files come from a detector, so each is checked for one level.
"""

import re
from typing import NamedTuple

from .records import Location

ATTEMPT_PATH = re.compile(
    r"attempts/.+/run\d{6,}/\d{3}/(?P<item>\d{1,18})-(?P<step>[^/]+)/e(?P<epoch>\d{1,18})-[^/]+(/.*)?"
)


class AttemptPlace(NamedTuple):
    """Which attempt a place belongs to."""

    item: int
    epoch: int
    step: str


def work_folder(campaign: str, run: int, item: int, step: str) -> str:
    """Give the folder of an item's attempts at a step. Run and item are sharded to keep folders small."""
    return f"attempts/{campaign}/run{run:06d}/{item % 1000:03d}/{item}-{step}"


def attempt_name(epoch: int, owner: str) -> str:
    """Give the name of an attempt's own folder."""
    return f"e{epoch}-{owner}"


def attempt_folder(folder: Location, epoch: int, owner: str) -> Location:
    """Give the folder in which one attempt writes."""
    return Location(site=folder.site, path=f"{folder.path}/{attempt_name(epoch, owner)}")


def attempt_at(path: str) -> AttemptPlace | None:
    """Give the attempt in whose folder a path lies; nothing for any other path."""
    found = ATTEMPT_PATH.fullmatch(path)
    return AttemptPlace(int(found["item"]), int(found["epoch"]), found["step"]) if found else None


def log_path(folder: str, epoch: int, owner: str) -> str:
    """Give an attempt's log, beside the attempts' folders so that it outlives them."""
    return f"{folder}/{attempt_name(epoch, owner)}.log".replace("attempts/", "logs/", 1)


def link_path(campaign: str | None, run: int, step: str, name: str) -> str:
    """Give the readable name of an accepted product or copy; `campaign` none for what belongs to the file."""
    return f"{campaign or 'files'}/run{run:06d}/{step}/{name}"


def own_name(name: str, run: int, file: str | None, sequence: int | None) -> str:
    """Give a product of a file a name that no other file of its run has.

    It keeps its own where that begins with the raw file's, or with run and sequence; a program that calls every
    product `out.root` gets the sequence number before it. It is one level, whatever the product is called.
    """
    name = name.replace("/", "_")
    if name in ("", ".", ".."):
        name = f"{name}_"
    if file is None or sequence is None:
        return name
    starts = (file.rpartition(".")[0] or file, f"run{run:06d}_{sequence:04d}")
    alone = any(name.startswith(start) and not name[len(start) :][:1].isalnum() for start in starts)
    return name if alone else f"{sequence:04d}_{name}"


def run_name(run: int) -> str:
    """Give the name of a run's own item."""
    return f"run{run:06d}"


def trace(run: int, name: str) -> str:
    """Give the id that follows a file, or a run's own item, through the logs of all processes.

    The watcher knows it when it first sees the file, and an operator without asking anybody.
    """
    return f"{run}/{name}"
