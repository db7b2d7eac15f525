"""Released code beside this one: taken out of git's history into a folder, and run by the same Python."""

import os
import subprocess
import tarfile
import tomllib
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


class NoHistoryError(Exception):
    """The checkout has no history, so there is no released code. The text says what is missing."""


class Release(NamedTuple):
    """Code that can be run: its version, and the folder that `headframe` is imported from."""

    version: str
    src: Path

    def environment(self) -> dict[str, str]:
        """Give the environment of a process that runs this code."""
        return {**os.environ, "PYTHONPATH": str(self.src)}


def this() -> Release:
    """Give the code under test."""
    from headframe import __version__

    return Release(__version__, ROOT / "src")


def commits() -> dict[str, str]:
    """Give the commit of each release, the oldest first."""
    found: dict[str, str] = tomllib.loads((HERE / "releases.toml").read_text())["releases"]
    return found


def unpack(version: str, folder: Path) -> Release:
    """Take a release out of the history into a folder. Raises `NoHistoryError`."""
    commit = commits()[version]
    done = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=False)
    if done.returncode:
        line = done.stderr.decode(errors="replace").strip().split("\n", 1)[0]
        raise NoHistoryError(f"headframe {version} ({commit[:12]}) is not in this checkout's history: {line}")
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="tar")
    return Release(version, folder / "src")
