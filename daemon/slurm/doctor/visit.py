"""One job of doctor's, as the login node sees it: submitted, waited for, answered, and cleared away."""

import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from .... import __version__
from ...config import Config
from ...finding import Finding
from ..contract import Batch, BatchError, JobSeen, JobWanted, Standing
from ..script import Wanted, log_path, options
from . import exchange
from .files import config_file
from .patience import CheckError, one_line, within
from .trial import token

WALLTIME_S = 1200
DRAIN_S = 30
MEETING_S = exchange.MEETING_S
NAMES = 10
LOOK_S = 15.0
TAIL = 4


class Visit:
    """A job of doctor's for the pilots of one name. `places` are the sites whose roots are seen from here too."""

    def __init__(self, config: Config, name: str) -> None:
        self.config, self.name = config, name
        self.token = token(config.instance)
        self.folder = config.launcher.logs / self.token
        self.places: dict[str, Path] = {}
        self.job = ""
        self.seen: JobSeen | None = None
        self.ended_for = 0

    def submit(self, batch: Batch) -> None:
        """Write down what the job is to compare, and submit it. Raises `BatchError`, `OSError`."""
        self.folder.mkdir(mode=0o700)
        seen = {name: Path(self.config.site(name).root) for name in self.config.sites}
        seen = {name: root for name, root in seen.items() if _is_here(root)}
        self.places = {name: root for name, root in seen.items() if self.config.sites[name].kind != "source"}
        source = config_file(self.config)
        ask = exchange.Ask(
            token=self.token,
            pilot=self.name,
            version=__version__,
            digest=exchange.digest(source),
            walltime_s=self._walltime(),
            places=tuple(self.places),
            names={name: _some_names(root) for name, root in seen.items() if name not in self.places},
            meeting_s=MEETING_S,
        )
        exchange.write(self.folder / exchange.ASK, ask)
        self.job = batch.submit(self.wanted())

    def wanted(self) -> JobWanted:
        """Write the job: the pilot's own options and lines, but one node, a short time, and doctor's command."""
        pilot = self.config.pilots[self.name]
        ours = msgspec.structs.replace(pilot, walltime=self._walltime(), drain_s=DRAIN_S, nodes=1)
        config = msgspec.structs.replace(self.config, pilots={**self.config.pilots, self.name: ours})
        wanted = Wanted(token=self.token, name=self.name)
        source = str(config_file(config))
        start = config.launcher.command or (sys.executable, "-m", "headframe")
        out = str(self.folder / exchange.ANSWER)
        words = (*start, "--config", source, "slurm", "doctor-inside", "--pilot", self.name, "--out", out)
        lines = [
            "#!/bin/bash",
            *(f"#SBATCH {option}" for option in options(config, wanted)),
            f"# headframe slurm doctor --inside, for pilots of the name {self.name}",
            "trap '' USR1",
            f"export HEADFRAME_CONFIG={shlex.quote(source)}",
            *pilot.script,
            f"exec {shlex.join(words)}",
        ]
        log = log_path(config, self.token, "%j")
        return JobWanted(token=self.token, script="\n".join(lines) + "\n", log=log)

    def _walltime(self) -> int:
        return min(int(self.config.pilots[self.name].walltime), WALLTIME_S)

    def answer_marks(self) -> None:
        """Answer what marks of the node are seen by now."""
        for root in (self.folder, *self.places.values()):
            mine = exchange.mark(root, self.token, "login")
            if not mine.exists() and exchange.read(exchange.mark(root, self.token, "node"), exchange.Ping):
                with contextlib.suppress(OSError):  # the node says that it did not see it
                    exchange.write(mine, exchange.ping())

    def answer(self) -> exchange.Answer | None:
        """Give what the job found, once it is there."""
        return exchange.read(self.folder / exchange.ANSWER, exchange.Answer)

    @property
    def over(self) -> bool:
        """Say whether the job has ended."""
        return self.seen is not None and self.seen.standing is Standing.ENDED

    def standing(self) -> str:
        """Say how the job is, in SLURM's words."""
        if self.seen is None:
            return f"pilot {self.name}: job {self.job} is submitted"
        reason = f" ({self.seen.reason})" if self.seen.reason else ""
        on = f" on {self.seen.nodes}" if self.seen.nodes else ""
        return f"pilot {self.name}: job {self.job} is {self.seen.state}{on}{reason}"

    def late(self, seconds: float) -> Finding:
        """Say that it took too long."""
        todo = "ask again with a longer --wait, or see what the reason means: man squeue, JOB REASON CODES"
        return Finding("fail", f"pilot {self.name}: job", f"{self.standing()}; no answer in {seconds:.0f} s", todo)

    def silent(self) -> Finding:
        """Say that the job ended and left no answer, with its last words."""
        what, log = f"pilot {self.name}: job", Path(log_path(self.config, self.token, self.job))
        words = _tail(log)
        code = f", {self.seen.code}" if self.seen and self.seen.code else ""
        if words:
            todo = f"mend it; all it said is in {log}"
            return Finding("fail", what, f"{self.job} ended without an answer{code}: {words}", todo)
        todo = f"see that nodes have {self.config.launcher.logs}, that launcher.command starts headframe there"
        return Finding("fail", what, f"{self.job} ended without an answer{code}, and wrote no {log}", todo)

    def close(self, batch: Batch, *, keep_log: bool) -> None:
        """End the job if it has not, and remove all that was left for it."""
        if self.job and not self.over:
            with contextlib.suppress(BatchError):
                batch.cancel(self.job)
        for root in self.places.values():
            for side in ("node", "login"):
                with contextlib.suppress(OSError):
                    exchange.mark(root, self.token, side).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.job and not keep_log:
            with contextlib.suppress(OSError):
                Path(log_path(self.config, self.token, self.job)).unlink(missing_ok=True)


def _is_here(root: Path) -> bool:
    try:
        return within(LOOK_S, root.is_dir, str(root))
    except (CheckError, OSError):
        return False


def _some_names(root: Path) -> tuple[str, ...]:
    names: list[str] = []
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                names.append(entry.name)
                if len(names) >= NAMES:
                    break
    except OSError:
        return ()
    return tuple(names)


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 4000))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return one_line(" / ".join(line for line in lines[-TAIL:] if line.strip()))[-600:]


def worth_keeping(findings: Iterable[Finding]) -> bool:
    """Say whether somebody may want to read the log."""
    return any(finding.level == "fail" for finding in findings)
