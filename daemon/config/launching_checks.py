"""What has to fit together in `[launcher]` and `[pilot.<name>]`, and what may stand in a `#SBATCH` line."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from ...statemachine.lanes import LANES
from ...statemachine.pipeline import Step
from .errors import Mistakes
from .launching import LauncherConfig, PilotConfig
from .types import program

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}"
WORD = r"[^\s\"'\\`$#;<>\x00-\x1f\x7f]+"
"""What a value of a `#SBATCH` line may consist of: no blank, quote, comment or anything else that would end it."""
OPTION = r"--(?P<option>[a-z][a-z0-9-]*)(=(?P<value>.+))?"
UNSAFE = r"[\"'\\`$#\x00-\x1f\x7f\u2028\u2029]"
LONGEST_DRAIN_S = 65535
MORE = 2
"""What ran out of memory is asked for once more with so many times as much."""
SET = {
    "job-name": "the launcher names its jobs itself",
    "output": "set launcher.logs",
    "error": "set launcher.logs; both go to one file",
    "nodes": "set nodes",
    "ntasks": "set workers and nodes",
    "ntasks-per-node": "set workers and nodes",
    "cpus-per-task": "set cores",
    "mem": "set memory",
    "time": "set walltime",
    "partition": "set partition",
    "account": "set account",
    "qos": "set qos",
    "reservation": "set reservation",
    "constraint": "set constraint",
    "exclusive": "set exclusive",
    "signal": "set drain_s",
    "requeue": "the launcher starts another pilot where one is missing",
    "array": "a pilot is one job",
    "clusters": "a launcher looks after one cluster",
    "wait": "the launcher does not wait for the end of a job",
    "wrap": "the launcher writes the script",
    "test-only": "no job would be made",
    "parsable": "the launcher asks as it needs to",
    "quiet": "the launcher asks as it needs to",
    "help": "no job would be made",
    "usage": "no job would be made",
    "version": "no job would be made",
}
"""Options that the launcher needs for itself, and what to do instead."""


def check_launching(launcher: LauncherConfig, pilots: Mapping[str, PilotConfig], mistakes: Mistakes) -> None:
    """Note everything that does not fit together."""
    _launcher(launcher, mistakes)
    for name, pilot in pilots.items():
        for key, what in (*_limits(pilot), *_names(pilot), *_words(pilot), *_lines(pilot)):
            mistakes.add(f"pilot.{name}.{key}", what)


def check_memory(pilots: Mapping[str, PilotConfig], steps: Iterable[tuple[str, Step]], mistakes: Mistakes) -> None:
    """Note steps that may use more memory than a worker of their pilots has, as they are or once they ask for more."""
    known = [(key, step) for key, step in steps if step.memory]
    for name, pilot in pilots.items():
        if not pilot.memory:
            continue  # what the partition gives
        for key, step in known:
            if step.name in pilot.steps:
                for which, what in _shares(pilot, key, step):
                    mistakes.add(f"pilot.{name}.{which}", what)


def _shares(pilot: PilotConfig, key: str, step: Step) -> Iterator[tuple[str, str]]:
    share, large = pilot.memory // pilot.workers, int(pilot.memory * pilot.large) // pilot.workers
    whose = f"step {step.name} ({key}.memory)"
    if step.memory > share:
        what = f"leaves each of {pilot.workers} workers {_mib(share)} MiB, but {whose} may use {_mib(step.memory)} MiB"
        yield "memory", f"{what}: expected {_mib(step.memory * pilot.workers)}M or more, or fewer workers"
    elif step.memory * MORE > large:
        what = f"{pilot.large:g} leaves each of {pilot.workers} workers {_mib(large)} MiB, but {whose} asks for"
        todo = "expected a larger one, more memory, or fewer workers"
        yield "large", f"{what} {_mib(step.memory * MORE)} MiB once it ran out of its {_mib(step.memory)}: {todo}"


def _mib(size: int) -> int:
    return math.ceil(size / 2**20)


def with_paths(launcher: LauncherConfig, folder: Path) -> LauncherConfig:
    """Make the default folder and the words of the command absolute, as those that were written down are."""
    command = tuple(program(folder, word) for word in launcher.command)
    return msgspec.structs.replace(launcher, logs=folder / launcher.logs, command=command)


def _launcher(launcher: LauncherConfig, mistakes: Mistakes) -> None:
    if not re.fullmatch(NAME, launcher.name):
        mistakes.add("launcher.name", f'"{_shown(launcher.name)}" is no name; expected {NAME}')
    if launcher.url:
        _url(launcher.url, mistakes)
    if re.search(UNSAFE, str(launcher.logs)):
        mistakes.add("launcher.logs", f'"{_shown(launcher.logs)}" cannot stand in a #SBATCH line{_PLAIN}')
    for word in (*launcher.command, str(launcher.config or "")):
        if re.search(r"[\x00\r\n]", word):
            key = "command" if word in launcher.command else "config"
            mistakes.add(f"launcher.{key}", f'"{_shown(word)}" has a line end or a NUL in it; expected one line')
    if launcher.back_end == "slurmrestd" and not launcher.slurmrestd:
        mistakes.add("launcher.slurmrestd", 'is missing; back_end = "slurmrestd" needs its address')
    if launcher.refused_max_s < launcher.refused_s:
        mistakes.add("launcher.refused_max_s", f"is less than refused_s, {launcher.refused_s:g}; expected no less")


def _url(url: str, mistakes: Mistakes) -> None:
    parts = urlsplit(url)
    if "@" in parts.netloc:
        mistakes.add("launcher.url", "has credentials in it; set launcher.token_file instead")
    elif parts.scheme not in ("http", "https") or not parts.hostname:
        shown = _shown(url.partition("?")[0])
        mistakes.add("launcher.url", f'"{shown}" is not possible; expected https://host or http://host:port')


def _limits(pilot: PilotConfig) -> Iterator[tuple[str, str]]:
    if not pilot.steps:
        yield "steps", 'is empty; expected the steps that these pilots do, such as ["reconstruct"]'
    if pilot.min > pilot.max:
        yield "min", f"{pilot.min} is not possible; max is {pilot.max}, expected no more"
    if pilot.drain_s > LONGEST_DRAIN_S or pilot.drain_s < 1:
        yield "drain_s", f"{pilot.drain_s:g} is not possible; expected 1 to {LONGEST_DRAIN_S} seconds"
    if pilot.walltime <= pilot.drain_s:
        what = f"{pilot.walltime} s is not possible; a pilot is told {pilot.drain_s:g} s (drain_s) before its end"
        yield "walltime", f"{what}: expected more than that"
    if 0 < pilot.memory < 1 << 20:
        yield "memory", f"{pilot.memory} bytes is not possible; expected 1M or more, or 0 for what the partition gives"


def _names(pilot: PilotConfig) -> Iterator[tuple[str, str]]:
    for lane in pilot.lanes:
        if lane not in LANES:
            yield "lanes", f'there is no lane "{_shown(lane)}"; allowed: {", ".join(LANES)}'
    if not pilot.lanes:
        yield "lanes", f"is empty; expected one or both of {', '.join(LANES)}"


def _words(pilot: PilotConfig) -> Iterator[tuple[str, str]]:
    for key in ("partition", "account", "qos", "reservation", "constraint"):
        value = getattr(pilot, key)
        if value and (not re.fullmatch(WORD, value) or value.startswith("-")):
            yield key, f'"{_shown(value)}" cannot stand in a #SBATCH line{_PLAIN}'


def _lines(pilot: PilotConfig) -> Iterator[tuple[str, str]]:
    for option in pilot.options:
        what = _option(option)
        if what:
            yield "options", f'"{_shown(option)}" {what}'
    for place, line in enumerate(pilot.script):
        what = _script(line)
        if what:
            yield f"script[{place}]", f'"{_shown(line)}" {what}'


def _option(option: str) -> str:
    found = re.fullmatch(OPTION, option)
    if re.search(UNSAFE, option):
        return f"cannot stand in a #SBATCH line{_PLAIN}"
    if found is None:
        return 'is no option; expected the long form in one word, such as "--gres=gpu:1" or "--licenses=scratch"'
    # sbatch takes any beginning of an option's name for the option.
    taken = next((name for name in SET if name.startswith(found["option"])), None)
    if taken is not None:
        return f"is not possible here: {SET[taken]}"
    return ""


def _script(line: str) -> str:
    if re.search(r"[\x00\r\n]", line):
        return "has a line end or a NUL in it; expected one line of shell for each entry of the list"
    if line.lstrip().startswith("#SBATCH"):
        return "would not be read there; put what follows #SBATCH into options"
    if re.search(r"(?<!\\)(\\\\)*\\$", line):
        return "ends with a backslash, and would swallow the next line; expected whole lines"
    return ""


_PLAIN = ": expected no quote, backslash, $, #, line end or other character that is not printed"


def _shown(value: object) -> str:
    text = str(value).encode("unicode_escape").decode()
    return text if len(text) <= 80 else f"{text[:77]}..."
