"""One local job: a folder with its script, who runs it, and how it ended."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from .contract import JobSeen, JobWanted, Standing

STARTS_WITHIN_S = 30.0
TERM_S = 10.0

# It writes down itself and the script, each with the time at which it started, so that nobody takes a later process
# of the same number for them; then how the script ended. Ours may die meanwhile.
SUPERVISOR = """
began() { cut -d' ' -f22 "/proc/$1/stat" 2>/dev/null; }
cd "$1" || exit 1
echo "$$ $(began $$)" >group.part && mv group.part group
(cd "$2" && exec "$1/script") & script=$!
echo "$script $(began $script)" >process.part && mv process.part process
wait $script
echo $? >exit.part && mv exit.part exit
"""


class LocalJob:
    """A job in its folder, whose name is its number."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = folder.name

    def write(self, wanted: JobWanted) -> None:
        """Make the folder. Raises `FileExistsError` if the number is taken."""
        self.folder.mkdir()
        (self.folder / "wanted").write_bytes(msgspec.json.encode(wanted))
        script = self.folder / "script"
        script.write_text(wanted.script)
        script.chmod(0o700)

    def start(self, environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        """Start it in a session of its own."""
        log = Path(filled_in(self._wanted().log, self.number) or self.folder / "log")
        command = ["/bin/sh", "-c", SUPERVISOR, "headframe-job", str(self.folder), str(Path.cwd())]
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def token(self) -> str:
        """Give its name."""
        return self._wanted().token

    def seen(self, node: str) -> JobSeen:
        """Give how it is."""
        begun, over = self._time("process"), self._time("exit") or self._time("cancelled")
        standing, code, reason = self._standing()
        ended = standing is Standing.ENDED
        return JobSeen(
            job=self.number,
            token=self.token(),
            standing=standing,
            state=(code or standing).upper(),
            reason=reason,
            code=code,
            nodes=node,
            exit_code=self._exit() if ended else None,
            submitted_at=self._time("script"),
            started_at=begun,
            ended_at=(over or begun or self._time("script")) if ended else None,
        )

    def cancel(self) -> None:
        """End all its processes: asked to, and killed after a while."""
        if not self._lives():
            return
        (self.folder / "cancelled").touch()
        group = self._group()
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, how)
            if gone_within(lambda: not self._lives(), TERM_S):
                return

    def drain(self) -> None:
        """Send SIGUSR1 to the script's process alone."""
        pid, began = self._process("process")
        if pid and began_at(pid) == began:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)

    def _standing(self) -> tuple[Standing, str, str]:
        if self._lives():
            return (Standing.RUNNING if self._time("process") else Standing.PENDING), "", ""
        if (self.folder / "cancelled").exists():
            return Standing.ENDED, "cancelled", ""
        if (code := self._exit()) is not None:
            return Standing.ENDED, "failed" if code else "done", ""
        made = self._time("script")
        if not self._group() and made and time.time() - made.timestamp() < STARTS_WITHIN_S:
            return Standing.PENDING, "", ""
        return Standing.ENDED, "failed", "its processes are gone, and it left no exit code"

    def _lives(self) -> bool:
        """Say whether any process of its group lives, until its exit code is written and after."""
        group, began = self._process("group")
        if not group:
            return False
        leader = began_at(group)
        if leader and leader != began:
            return False  # another process has that number by now
        return any(pid_group == group for pid_group in groups_alive())

    def _group(self) -> int:
        return self._process("group")[0]

    def _process(self, name: str) -> tuple[int, str]:
        with contextlib.suppress(OSError, ValueError):
            pid, _, began = (self.folder / name).read_text().strip().partition(" ")
            return int(pid), began
        return 0, ""

    def _exit(self) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return int((self.folder / "exit").read_text())
        return None

    def _time(self, name: str) -> datetime | None:
        with contextlib.suppress(OSError):
            return datetime.fromtimestamp((self.folder / name).stat().st_mtime, UTC)
        return None

    def _wanted(self) -> JobWanted:
        try:
            return msgspec.json.decode((self.folder / "wanted").read_bytes(), type=JobWanted)
        except (OSError, msgspec.DecodeError):  # one that its launcher did not finish writing: it never starts
            return JobWanted(token="", script="")  # none is known  # nosec B106


def filled_in(pattern: str, number: str) -> str:
    """Give the path of a log as SLURM makes it from its pattern: `%j` is the job, `%%` a percent sign."""
    return re.sub("%(%|j)", lambda found: "%" if found[1] == "%" else number, pattern)


def stat(pid: int | str) -> list[str]:
    """Give the fields of a process after its name; nothing if it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def began_at(pid: int) -> str:
    """Give when a process started, in ticks since the machine did; nothing if it is gone or a zombie."""
    fields = stat(pid)
    return fields[19] if fields and fields[0] not in ("Z", "X") else ""


def groups_alive() -> set[int]:
    """Give the process groups that have a process which lives."""
    every = (stat(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return {int(fields[2]) for fields in every if fields and fields[0] not in ("Z", "X")}


def gone_within(gone: Callable[[], Any], seconds: float) -> bool:
    """Wait until `gone()`; say whether it came true in time."""
    end = time.monotonic() + seconds
    while not gone():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
