"""What is said of the detector: that it takes data, or not, for as long as that may be believed."""

from sqlalchemy import Connection

from .core import execute
from .errors import RefusedError

RUNS = "runs"
"""The source that says that a run is open."""
OURS = (RUNS, "heartbeat")
MOST = 20
"""So many sources may speak: each is a label of a metric."""


def say(connection: Connection, source: str, running: bool, detail: str, valid_s: float) -> None:
    """Write down what a source says; it holds for so long, unless it says it again."""
    values = {"source": source, "running": running, "detail": detail[:500], "valid_s": valid_s}
    execute(connection, "say_detector", None, **values)


def follow_runs(connection: Connection, longest_s: float, valid_s: float) -> None:
    """Say that the detector runs while a run is open that began, and that is not too old to be true."""
    found = execute(connection, "run_open", longest_s=longest_s)
    say(connection, RUNS, bool(found), f"run {found[0].number} is open" if found else "no run is open", valid_s)


def say_from_outside(connection: Connection, source: str, running: bool, detail: str, valid_s: float) -> None:
    """Write down what a program says. Raises `RefusedError` for a name that is ours, and for too many."""
    if source in OURS:
        raise RefusedError(f"source {source} is what the service says itself; give yours another name")
    (row,) = execute(connection, "detector_sources", source=source)
    if row.others >= MOST:
        raise RefusedError(f"there are {MOST} sources already; say it as one of them")
    say(connection, source, running, detail, valid_s)
