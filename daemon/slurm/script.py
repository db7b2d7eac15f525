"""The job script of a pilot: what is asked of SLURM, the site's own lines, and the pilot in the place of the shell."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from ...statemachine.records import Record
from ..config import Config
from ..config.launching import PilotConfig
from .contract import JobWanted

NODE = r"[A-Za-z0-9][A-Za-z0-9._-]*"
SHELL_S = 20.0
EXCLUDE = "--exclude="


class ScriptError(ValueError):
    """A script that no shell would run. The text is one line and names the pilots."""


class Wanted(Record):
    """A pilot to be made: of which name, for work that ran out of time or memory, not on these nodes; `expect` is how
    long its steps take (p95, seconds). `stay`: it does not leave when idle."""

    token: str
    name: str
    large: bool = False
    stay: bool = False
    exclude: tuple[str, ...] = ()
    expect: dict[str, float] = {}


class Request(Record):
    """What a pilot asks for: memory in bytes and walltime in seconds, larger ones where it is for large work."""

    memory: int
    walltime_s: int
    cores: int


def request(pilot: PilotConfig, *, large: bool = False) -> Request:
    """Say what a pilot asks for."""
    times = pilot.large if large else 1.0
    return Request(
        memory=int(pilot.memory * times),
        walltime_s=int(pilot.walltime * times),
        cores=pilot.cores or pilot.workers,
    )


def render(config: Config, wanted: Wanted) -> JobWanted:
    """Write the script of a pilot. Raises `KeyError` for a name that is not configured."""
    pilot = config.pilots[wanted.name]
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in options(config, wanted)),
        f"# a pilot of headframe: {wanted.name}{', large' if wanted.large else ''}, {wanted.token}",
        "# Told to drain before the pilot can hear it: it must not end the job. It is told again.",
        "trap '' USR1",
        "# Where sbatch needed it, the launcher's key to SLURM has come along: it is nobody's on a node.",
        "unset SLURM_JWT",
        f"export HEADFRAME_CONFIG={shlex.quote(str(_config_file(config)))}",
        *pilot.script,
        f"exec {shlex.join(command(config, wanted))}",
    ]
    return JobWanted(token=wanted.token, script="\n".join(lines) + "\n", log=log_path(config, wanted.token, "%j"))


def options(config: Config, wanted: Wanted) -> list[str]:
    """Give what is asked of SLURM, each as one option of sbatch."""
    pilot = config.pilots[wanted.name]
    asked = request(pilot, large=wanted.large)
    found = [
        f"--job-name={wanted.token}",
        f"--output={_quoted(log_path(config, wanted.token, '%j'))}",
        "--open-mode=append",
        f"--nodes={pilot.nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={asked.cores}",
        f"--time={walltime(asked.walltime_s)}",
        f"--signal=B:USR1@{round(pilot.drain_s)}",
        "--no-requeue",
    ]
    if asked.memory:
        found.append(f"--mem={asked.memory >> 20}M")
    for key in ("partition", "account", "qos", "reservation", "constraint"):
        if getattr(pilot, key):
            found.append(f"--{key}={getattr(pilot, key)}")
    if pilot.exclusive:
        found.append("--exclusive")
    return [*found, *_further(pilot, wanted.exclude)]


def command(config: Config, wanted: Wanted) -> tuple[str, ...]:
    """Give the words of the command that the batch shell becomes; on several nodes, srun's in front.

    srun passes USR1 on to its tasks. The others go on where one of them has left.
    """
    pilot = config.pilots[wanted.name]
    asked = request(pilot, large=wanted.large)
    start = config.launcher.command or (sys.executable, "-m", "headframe")
    words = [*start, "--config", str(_config_file(config)), "pilot", "--name", wanted.name, "--token", wanted.token]
    if wanted.large:
        words.append("--large")
    if wanted.stay:
        words.append("--stay")
    for step, seconds in sorted(wanted.expect.items()):
        if step in pilot.steps and seconds > 0:
            words += ["--expect", f"{step}={seconds:.1f}"]
    words += ["--walltime", str(asked.walltime_s)]
    if pilot.nodes == 1:
        return tuple(words)
    tasks = ("--ntasks-per-node=1", f"--nodes={pilot.nodes}", f"--cpus-per-task={asked.cores}")
    return ("srun", *tasks, "--wait=0", "--kill-on-bad-exit=0", *words)


def log_path(config: Config, token: str, job: str) -> str:
    """Give the path of a pilot's output; with `%j` for the job, the pattern that SLURM fills in."""
    folder = str(config.launcher.logs)
    return f"{folder.replace('%', '%%') if job == '%j' else folder}/{token}-{job}.log"


def check_shell(config: Config, wanted: Wanted, script: str) -> None:
    """Let bash read a script without running it. Raises `ScriptError`.

    The site's own lines are read by themselves too: an open quote among them could take the pilot's line into it.
    """
    lines = "\n".join(config.pilots[wanted.name].script)
    for what, text in ((f"pilot.{wanted.name}.script", lines), (f"the job script of {wanted.name}", script)):
        said = _bash_says(text)
        if said:
            raise ScriptError(f"{what}: bash does not understand it: {said}")


def walltime(seconds: int) -> str:
    """Write a time limit as SLURM reads it: `1-02:30:00`."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{days}-{hour:02}:{minute:02}:{second:02}"


def _bash_says(text: str) -> str:
    try:
        done = subprocess.run(
            ["bash", "-n"], input=text, capture_output=True, text=True, timeout=SHELL_S, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bash cannot be asked: {error}"
    said = " ".join(done.stderr.split())
    return said or ("it gives no reason" if done.returncode else "")


def _config_file(config: Config) -> Path:
    return config.launcher.config or config.source or config.folder / "headframe.toml"


def _further(pilot: PilotConfig, exclude: Iterable[str]) -> list[str]:
    """Give the site's own options; nodes that it excludes join those set aside, as only one list counts."""
    nodes = [node for node in exclude if re.fullmatch(NODE, node)]
    own = [option for option in pilot.options if option.startswith(EXCLUDE)]
    named = [*(option.removeprefix(EXCLUDE) for option in own), *sorted(nodes)]
    found = [_option(option) for option in pilot.options if option not in own]
    return [*found, f"{EXCLUDE}{','.join(named)}"] if named else found


def _option(option: str) -> str:
    name, equals, value = option.partition("=")
    return f"{name}{equals}{_quoted(value)}"


def _quoted(value: str) -> str:
    """Put a value with blanks into quotes; those in it were refused with the configuration."""
    return f'"{value}"' if re.search(r"\s", value) else value
