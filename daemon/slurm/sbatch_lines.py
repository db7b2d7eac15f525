"""`#SBATCH` lines as slurmrestd wants them: it does not read them in scripts, so each becomes a field of the job.

A line that has no field here is refused: a pilot must not run outside what its configuration says.
"""

import re
import shlex
from typing import Any

from .contract import RefusedError

SINCE_SIGNALS = 40
"""The first API (v0.0.40, SLURM 23.11) by which the batch script alone can be signalled."""

TEXT = {
    "account": "account",
    "chdir": "current_working_directory",
    "comment": "comment",
    "constraint": "constraints",
    "error": "standard_error",
    "gres": "tres_per_node",
    "job-name": "name",
    "licenses": "licenses",
    "output": "standard_output",
    "partition": "partition",
    "qos": "qos",
    "reservation": "reservation",
    "wckey": "wckey",
}
NUMBERS = {"cpus-per-task": "cpus_per_task", "nice": "nice", "ntasks": "tasks", "ntasks-per-node": "tasks_per_node"}
LISTS = {"exclude": "excluded_nodes", "nodelist": "required_nodes"}
FLAGS = {"hold": ("hold", True), "no-requeue": ("requeue", False), "requeue": ("requeue", True)}
SHORT = {
    "A": "account",
    "C": "constraint",
    "D": "chdir",
    "H": "hold",
    "J": "job-name",
    "N": "nodes",
    "c": "cpus-per-task",
}
SHORT |= {"e": "error", "n": "ntasks", "o": "output", "p": "partition", "q": "qos", "t": "time", "w": "nodelist"}
SHORT |= {"x": "exclude"}


def options(script: str) -> dict[str, str]:
    """Give the options in a script's `#SBATCH` lines, up to its first command. Raises `RefusedError`."""
    found: dict[str, str] = {}
    for line in script.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        if re.match(r"#SBATCH\s", line):
            found |= of_line(line)
    return found


def of_line(line: str) -> dict[str, str]:
    """Give the options of one line."""
    try:
        parts = shlex.split(line.removeprefix("#SBATCH"), comments=True)
    except ValueError as error:
        raise RefusedError(f"this line cannot be read ({error}): {line}") from error
    found: dict[str, str] = {}
    name = ""
    for part in parts:
        if part.startswith("--"):
            name, _, value = part[2:].partition("=")
            found[name] = value
        elif re.match(r"-[A-Za-z]", part):
            name = SHORT.get(part[1], part[1])
            found[name] = part[2:]
        elif name and not found[name]:
            found[name] = part
        else:
            raise RefusedError(f"this line cannot be read at {part!r}: {line}")
    return found


def fields(script: str, api: int) -> dict[str, Any]:
    """Give the fields of a job that its script's lines ask for, in this API (38: v0.0.38). Raises `RefusedError`."""
    found: dict[str, Any] = {}
    for name, value in options(script).items():
        found |= field(name, value, api)
    return found


def field(name: str, value: str, api: int) -> dict[str, Any]:
    """Give the field of one option."""
    if name in TEXT:
        return {"gres" if name == "gres" and api < 39 else TEXT[name]: value}
    if name in NUMBERS and re.fullmatch(r"-?\d+", value):
        return {NUMBERS[name]: int(value)}
    if name in LISTS and api >= 39:  # v0.0.38 knows `excluded_nodes`, and answers that it is disabled
        return {LISTS[name]: value.split(",")}
    if name in FLAGS and (api >= 39 or name != "no-requeue"):  # v0.0.38 takes `requeue: false` and requeues
        return dict([FLAGS[name]])
    if special := SPECIAL.get(name):
        if (made := special(value, api)) is not None:
            return made
        raise RefusedError(f"Invalid --{name} specification for slurmrestd: {value}")
    raise RefusedError(f'slurmrestd v0.0.{api} cannot be told --{name}: take it out, or use back_end = "commands"')


def number(value: int, api: int) -> object:
    """Give a number that may be unset, as this API has it."""
    return value if api < 39 else {"set": True, "infinite": False, "number": value}


def nodes(value: str, api: int) -> dict[str, Any] | None:
    """Give the fields of `--nodes=2` or `2-4`."""
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", value)
    if not found:
        return None
    least, most = int(found[1]), int(found[2] or found[1])
    return {"nodes": [least, most]} if api < 39 else {"minimum_nodes": least, "maximum_nodes": most}


def minutes(value: str, api: int) -> dict[str, Any] | None:
    """Give the fields of `--time`: minutes, min:s, h:min:s, days-h, days-h:min, days-h:min:s; rounded up."""
    days, dash, rest = value.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdecimal() for part in parts) or not (days.isdecimal() or not dash) or len(parts) > 3:
        return None
    units = (3600, 60, 1) if dash or len(parts) == 3 else (60, 1)
    seconds = int(days or 0) * 86400 + sum(int(part) * unit for part, unit in zip(parts, units, strict=False))
    return {"time_limit": number(-(-seconds // 60), api)}


def memory(value: str, api: int) -> dict[str, Any] | None:
    """Give the fields of `--mem`: MiB, or with a unit."""
    found = re.fullmatch(r"(\d+)([KMGT]?)B?", value, re.IGNORECASE)
    if not found:
        return None
    kib = int(found[1]) * {"K": 1, "": 2**10, "M": 2**10, "G": 2**20, "T": 2**30}[found[2].upper()]
    return {"memory_per_node": number(-(-kib // 2**10), api)}


def signal(value: str, api: int) -> dict[str, Any] | None:
    """Give the fields of `--signal=B:USR1@120`. Before v0.0.40 there are none."""
    found = re.fullmatch(r"(B:)?([A-Z0-9]+)(?:@(\d+))?", value)
    if not found or api < SINCE_SIGNALS:
        return None
    flags = ["BATCH_JOB"] if found[1] else []
    delay = number(int(found[3] or 60), api)
    return {"kill_warning_flags": flags, "kill_warning_signal": found[2], "kill_warning_delay": delay}


def open_mode(value: str, api: int) -> dict[str, Any] | None:
    """Give the fields of `--open-mode`: one word, and a list of flags since v0.0.39."""
    if value not in ("append", "truncate"):
        return None
    return {"open_mode": value if api < 39 else [value.upper()]}


def exclusive(value: str, api: int) -> dict[str, Any] | None:
    """Give the fields of `--exclusive`."""
    if value:
        return None
    return {"exclusive": "exclusive"} if api < 39 else {"shared": ["none"]}


SPECIAL = {
    "exclusive": exclusive,
    "mem": memory,
    "nodes": nodes,
    "open-mode": open_mode,
    "signal": signal,
    "time": minutes,
}
