"""A disaster that is practised: what was done, what was asked, and what was answered, kept as it was printed."""

import re
import time
from pathlib import Path

from ..faults.centre import Centre
from ..faults.reckoning import rest
from ..integration.servers import wait_until

BUILT = Path(__file__).parents[2] / "build" / "drills"
PROCESSES = ("conductor-0", "sweeper-0", "watch-0", "worker-0", "worker-1", "web-0")


class Drill:
    """One drill over one centre. What it prints stands in build/drills, from where docs/drills.md has it."""

    def __init__(self, name: str, centre: Centre) -> None:
        self.name, self.centre = name, centre
        self.files, self.run = 0, 0
        self.lines: list[str] = []
        self.began = time.monotonic()

    def begin(self, *names: str) -> None:
        """Start the processes of a centre, kept alive as systemd or Kubernetes would."""
        declared = self.centre.command("broker", "declare")
        assert declared.returncode == 0, declared.stdout + declared.stderr
        for name in names or PROCESSES:
            self.centre.add(name)
        self.centre.keep()

    def write(self, files: int = 20) -> None:
        """Write a run, complete and closed."""
        self.run += 1
        self.files += files
        self.centre.open_run(self.run)
        for sequence in range(1, files + 1):
            self.centre.write(self.run, sequence)
        self.centre.close_run(self.run, files)

    def happens(self, what: str) -> None:
        """Say what breaks, or what somebody does who is not at the command line of headframe."""
        self._add(f"# {what}")

    def status(self) -> None:
        """Ask for the first lines of `status`: who must act, and for what."""
        self.ask("status", code=None, most=9, quiet=("Queues", "  STEP", "  salt", "  place", "  catalog", "Processes"))

    def doctor(self) -> None:
        """Ask `doctor` what is wrong."""
        self.ask("doctor", code=None, quiet=("ok", "warn"))

    def ask(self, *words: str, code: int | None = 0, most: int = 14, quiet: tuple[str, ...] = ()) -> str:
        """Run a command and keep what it prints but for the `quiet` lines; it has to end with `code`."""
        done = self.centre.command(*words)
        said = self._private(done.stdout + done.stderr).rstrip()
        assert code is None or done.returncode == code, f"{words} ended with {done.returncode}\n{said}"
        shown = [line for line in said.splitlines() if not line.startswith(quiet)] if quiet else said.splitlines()
        if len(shown) > most:
            shown = [*shown[:most], f"... ({len(shown) - most} lines more)"]
        self._add(f"$ headframe {' '.join(_quoted(word) for word in words)}", *shown)
        if done.returncode:
            self._add(f"(it ended with {done.returncode})")
        return said

    def wait(self, what: str, true: "object", within_s: float = 120) -> None:
        """Wait for something that has to come by itself, and say how long that took."""
        began = time.monotonic()
        wait_until(true, within_s, what)  # type: ignore[arg-type]
        self._add(f"# {time.monotonic() - began:.0f} s later: {what}")

    def rest(self, files: int | None = None, within_s: float = 180) -> None:
        """Wait until all that was written is done."""
        took = rest(self.centre, self.files if files is None else files, within_s)
        self._add(f"# {took:.0f} s later: everything is at rest")

    def end(self) -> None:
        """Check that nothing is lost, and keep the story."""
        self.ask("verify", "--deep", most=1)
        BUILT.mkdir(parents=True, exist_ok=True)
        (BUILT / f"{self.name}.txt").write_text("\n".join(self.lines) + "\n")
        print("\n" + "\n".join(self.lines))

    def _add(self, *lines: str) -> None:
        self.lines.extend(lines)

    def _private(self, said: str) -> str:
        """Show places and names as a reader would have them."""
        said = said.replace(str(self.centre.folder), "/data").replace(self.centre.instance, "headframe")
        return re.sub(r"127\.0\.0\.1:\d+", "HOST:PORT", said)


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word
