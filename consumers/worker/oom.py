"""Whether the kernel has killed something of ours for want of memory, and how much memory we may have: of cgroups.

Version 2 counts in `memory.events` and limits in `memory.max`, version 1 in `memory.oom_control` and
`memory.limit_in_bytes`. In version 2 a limit may be set further up, as SLURM does it for the whole job.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

PROC, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
NO_LIMIT = 2**60
"""Version 1 says "none" with a number near 2**63."""


def kills(proc: Path = PROC, root: Path = CGROUPS) -> int:
    """Count the processes of our cgroup that were killed for want of memory; 0 where nothing can be read."""
    for folder in _folders(proc, root):
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError, ValueError, UnicodeDecodeError):
                for line in (folder / name).read_text(encoding="ascii").splitlines():
                    key, _, value = line.partition(" ")
                    if key == "oom_kill":
                        return int(value)
    return 0


def limit(proc: Path = PROC, root: Path = CGROUPS) -> int:
    """Give the memory in bytes that our cgroup, or one above it, may use; 0 where there is no limit."""
    found = [
        int(text)
        for folder in _folders(proc, root)
        for each in (folder, *(parent for parent in folder.parents if parent.is_relative_to(root)))
        if (text := _limit_of(each)).isdigit() and int(text) < NO_LIMIT
    ]
    return min(found, default=0)


def _limit_of(folder: Path) -> str:
    for name in ("memory.max", "memory.limit_in_bytes"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return (folder / name).read_text(encoding="ascii").strip()
    return ""


def _folders(proc: Path, root: Path) -> Iterator[Path]:
    """Give the folders of our own cgroup that may say something of memory."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in proc.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield root / path.lstrip("/")
            elif "memory" in controllers.split(","):
                yield root / "memory" / path.lstrip("/")
