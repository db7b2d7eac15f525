"""Other users, as root: processes with user ids of their own, none of which needs an account."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .servers import Process, temporary
from .tree import unless_ci

GROUP, OUTSIDE = 4100, 4200
DETECTOR, WORKER, ANALYST, STRANGER = 4001, 4002, 4003, 4004
PYTHON = [sys.executable, "-I", "-c"]


def in_reach() -> list[str]:
    """Give a prefix that lets any user run this Python and read this checkout.

    An interpreter in root's home is in nobody else's reach. A mount namespace of its own shows it there without
    showing the home.
    """
    needed = [
        Path(sys.base_prefix),
        Path(sys.prefix),
        Path(__file__).resolve().parents[2],
        Path(sys.executable).resolve(),
    ]
    shut = {part for path in needed for part in path.parents if not part.stat().st_mode & stat.S_IXOTH}
    if not shut:
        return []
    lines = ["set -e"]
    for top in sorted(part for part in shut if not shut & set(part.parents)):
        inside = sorted({path for path in needed if path.is_relative_to(top)})
        inside = [path for path in inside if not set(path.parents) & set(inside)]
        inside = [path if path.is_dir() else path.parent for path in inside]
        lines.append("stage=$(mktemp -d)")
        for n, path in enumerate(inside):
            lines += [f'mkdir "$stage/{n}"', f'mount --bind "{path}" "$stage/{n}"']
        lines.append(f'mount -t tmpfs -o mode=755 headframe-test "{top}"')
        for n, path in enumerate(inside):
            lines += [f'mkdir -p "{path}"', f'mount --move "$stage/{n}" "{path}"']
        lines.append('rmdir "$stage"/* "$stage"')
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", "; ".join([*lines, 'exec "$@"']), "sh"]


def as_user(user: int, group: int, *words: str, umask: str = "077") -> list[str]:
    """Give a command that runs as a user and one group, with a umask."""
    own = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--pdeathsig", "KILL"]
    return [*in_reach(), *own, "sh", "-c", f'umask {umask}; exec "$@"', "sh", *words]


def run_as(user: int, group: int, program: str, *words: str, umask: str = "077") -> "subprocess.CompletedProcess[str]":
    """Run a Python program as a user."""
    command = as_user(user, group, *PYTHON, program, *words, umask=umask)
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=60)


@contextmanager
def shared_folder() -> Iterator[Path]:
    """Give a folder that every user may enter (pytest's own is root's alone)."""
    if os.geteuid() != 0:
        pytest.skip("only root can become three users")
    tried = run_as(WORKER, GROUP, "import headframe, os; print(os.getuid(), os.getgid())")
    if tried.stdout.split() != [str(WORKER), str(GROUP)]:
        unless_ci(f"this Python cannot run as another user: {tried.stderr.strip()[-300:]}")
    folder = temporary("shared")
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def up_as_worker(folder: Path, config: Path) -> Iterator[Process]:
    """Run `headframe up` as the worker."""
    log = folder.with_suffix(".log")
    command = as_user(WORKER, GROUP, sys.executable, "-m", "headframe", "--config", str(config), "up")
    process = Process(command, dict(os.environ), log, Path("/"))
    try:
        yield process
    finally:
        process.end(15)
        log.unlink()


def own(path: Path, user: int, mode: int) -> None:
    """Make a folder, and give it to a user and the group."""
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, user, GROUP)
    path.chmod(mode)
