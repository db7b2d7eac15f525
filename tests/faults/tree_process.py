"""`headframe up` as a process of its own, that tests can kill whole."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil


class Tree:
    """The process tree of one instance: `up`, its workers' children, its embedded PostgreSQL."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.log = config.parent / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "headframe", "--config", str(self.config), "up"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> int:
        """SIGKILL every process of the tree; give how many there were."""
        victims = self.members()
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
        psutil.wait_procs(victims, timeout=10)
        assert self.process is not None
        self.process.wait()
        return len(victims)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=120)

    def members(self) -> list[psutil.Process]:
        assert self.process is not None
        found = {p.pid: p for p in _family(self.process.pid)}
        postmaster = self.config.parent / "postgres" / "data" / "postmaster.pid"
        if postmaster.exists():
            found |= {p.pid: p for p in _family(int(postmaster.read_text().split("\n", 1)[0]))}
        return list(found.values())

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "headframe", "--config", str(self.config), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=1200,
        )

    def wait_for(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for something that only another process can tell; fail with what the instance said of itself."""
        end = time.monotonic() + seconds
        while not condition():
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"up ended by itself, before {what}: {self.last_words()}")
            if time.monotonic() > end:
                raise AssertionError(f"after {seconds:g} s still not: {what}\n{self._now()}")
            time.sleep(0.02)

    def _now(self) -> str:
        asked = (self.command(*words) for words in (["status"], ["get", "runs"], ["get", "files"]))
        processes = [f"{p.pid} {p.status()} {' '.join(p.cmdline())[-120:]}" for p in self.members()]
        return "\n".join([*(done.stdout + done.stderr for done in asked), *processes, self.last_words()])

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def seed() -> int:
    """Give the seed of this run's faults, printed so that a failure can be had again."""
    chosen = int(os.environ.get("HEADFRAME_FAULT_SEED", time.time_ns() % 1_000_000))
    print(f"fault seed {chosen}: HEADFRAME_FAULT_SEED={chosen}")
    return chosen
