"""What processes that are about to be killed have used: nobody waits for the programs of a step that is killed."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
PARENS, SESSION, TIMES = ")", 3, slice(11, 15)
"""Of `stat`, after the name in parentheses: the session; user and system time, of the process and of its children that
have ended."""


def cpu_s(pid: int) -> float:
    """Give the CPU time in seconds of a process and of its children that have ended; 0 where it cannot be read."""
    words = _stat(PROC / str(pid))
    return _seconds(words) if words else 0.0


def of_session(leader: int) -> tuple[float, int]:
    """Give the CPU time in seconds of all processes of a session, and the most memory in bytes that one has held."""
    cpu, peak = 0.0, 0
    for folder in _processes():
        words = _stat(folder)
        if words and int(words[SESSION]) == leader:
            cpu += _seconds(words)
            peak = max(peak, _peak(folder))
    return cpu, peak


def _processes() -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (folder for folder in PROC.iterdir() if folder.name.isdigit())


def _stat(folder: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(PARENS)[2].split()
    return []


def _seconds(words: list[str]) -> float:
    return sum(map(int, words[TIMES])) / os.sysconf("SC_CLK_TCK")


def _peak(folder: Path) -> int:
    with contextlib.suppress(OSError):
        for line in (folder / "status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
