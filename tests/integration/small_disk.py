"""A disk of 1 MB, to be filled. Who may not mount one may do so in a user namespace, if the system allows that."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .tree import unless_ci

LIBC = ctypes.CDLL(None, use_errno=True)
DETACH = 2
INSIDE = "HEADFRAME_TEST_IN_NAMESPACE"
NAMESPACE = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "--propagation", "private"]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of 1 MB at a folder. Raises `PermissionError`, among others."""
    folder.mkdir(exist_ok=True)
    # The system call and not the program, which wants to be root by name.
    if LIBC.mount(b"headframe-test", os.fsencode(folder), b"tmpfs", 0, b"size=1m") != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    try:
        yield folder
    finally:
        LIBC.umount2(os.fsencode(folder), DETACH)


def may_mount(folder: Path) -> bool:
    """Say whether this process may mount a disk."""
    try:
        with small_disk(folder):
            return True
    except OSError:
        return False


def again_where_one_may_mount(node: pytest.Item) -> None:
    """Run the same test in a namespace of this user's; skip where the system gives none to who is not root."""
    tried = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0 or INSIDE in os.environ:
        reason = f"no small disk can be mounted here, nor a user namespace made for it: {tried.stderr.strip()}"
        if os.geteuid() == 0:
            unless_ci(reason)
        pytest.skip(reason)
    pytest_words = ["-m", "pytest", "-p", "no:cacheprovider", node.nodeid]
    done = subprocess.run(
        [*NAMESPACE, sys.executable, *pytest_words],
        cwd=node.config.rootpath,
        env={**os.environ, INSIDE: "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout, done.stdout
