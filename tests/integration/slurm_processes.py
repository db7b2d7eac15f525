"""Finding what a private SLURM has running on this host, so that a test can end just that."""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from .servers import wait_until


def own(folder: Path) -> None:
    """Write down in a folder that this process owns it."""
    (folder / "owner").write_text(f"{os.getpid()} {began_at(os.getpid())}")


def end_abandoned(temp: Path) -> None:
    """End what is left of SLURMs whose tests were killed: their daemons die with them, slurmstepd and jobs do not."""
    for owner in temp.glob("headframe-slurm-*/owner"):
        with contextlib.suppress(OSError, ValueError):
            pid, began = owner.read_text().split()
            if began_at(int(pid)) != began:
                end_all(owner.parent)
                shutil.rmtree(owner.parent, ignore_errors=True)


def end_all(folder: Path) -> None:
    """Kill all processes of a folder's SLURM, and those that these were just starting, until none is seen any more."""
    seen_none = 0
    while seen_none < 2:
        found = processes_of(folder)
        kill_all(found)
        seen_none = 0 if found else seen_none + 1


def began_at(pid: int) -> str:
    """Give when a process started, in ticks; nothing if it is gone."""
    fields = read(pid, "stat").rpartition(b")")[2].split()
    return fields[19].decode() if fields else ""


def processes_of(folder: Path) -> list[int]:
    """Give the processes that belong to the SLURM of a folder: daemons, every slurmstepd, what runs in jobs."""
    parents = dict(alive())
    found = [pid for pid in parents if pid != os.getpid() and belongs(pid, folder)]
    for pid in found:  # grows: what they started, whatever environment it has
        found += [child for child, parent in parents.items() if parent == pid and child not in found]
    return found


def belongs(pid: int, folder: Path) -> bool:
    """Say whether a process is one of SLURM's that has files in the folder, or a job's by its environment."""
    environ = read(pid, "environ")
    if b"SLURM_JOB_ID=" in environ and f"SLURM_CONF={folder}/".encode() in environ:
        return True
    return read(pid, "comm").startswith(b"slurm") and any(f"{folder}/".encode() in text for text in said_by(pid))


def is_on(pid: int, node: str, folder: Path) -> bool:
    """Say whether a process is a job or a slurmstepd of this node."""
    marks = (f"SLURMD_NODENAME={node}\0".encode(), f"{folder}/spool-{node}/".encode(), f"slurmd-{node}.".encode())
    return any(mark in text for text in said_by(pid) for mark in marks)


def kill_all(pids: Sequence[int]) -> None:
    """Kill these processes and wait until none of them lives."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(lives(pid) for pid in pids), 30, "killed processes are gone")


def lives(pid: int) -> bool:
    """Say whether a process runs (a zombie does not)."""
    return any(each == pid for each, _ in alive())


def alive() -> Iterator[tuple[int, int]]:
    """Give every process that runs, and its parent."""
    for entry in Path("/proc").iterdir():
        fields = read(int(entry.name), "stat").rpartition(b")")[2].split() if entry.name.isdigit() else []
        if fields and fields[0] not in (b"Z", b"X"):
            yield int(entry.name), int(fields[1])


def said_by(pid: int) -> Iterator[bytes]:
    """Give a process's environment and command line, then the paths of its open files."""
    yield read(pid, "environ")
    yield read(pid, "cmdline")
    with contextlib.suppress(OSError):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                yield bytes(each.readlink())


def read(pid: int, name: str) -> bytes:
    """Give what /proc has of a process; nothing of one that is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""
