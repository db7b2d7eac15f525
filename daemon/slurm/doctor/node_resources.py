"""What the job got: cores, memory, time, and the environment."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ....statemachine.wording import plural
from ...config.launching import PilotConfig
from ...finding import Finding
from ..script import request
from .capacity import gib
from .exchange import Ask

NEEDED = ("HOME", "PATH", "USER")
CGROUPS = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup")


def resource_findings(pilot: PilotConfig, ask: Ask | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Compare what the job got with what was asked for."""
    asked = request(pilot)
    cores = len(os.sched_getaffinity(0))
    told = environ.get("SLURM_CPUS_ON_NODE", "")
    if cores < asked.cores:
        todo = f"lower workers or cores, or ask why: SLURM says {told or 'nothing'}"
        yield Finding("warn", "cores", f"{plural(cores, 'core')} may be used, {asked.cores} were asked for", todo)
    else:
        yield Finding("ok", "cores", f"{asked.cores} were asked for, {told or cores} are there")
    yield _memory(asked.memory, environ)
    yield _time(ask, environ)


def _memory(asked: int, environ: Mapping[str, str]) -> Finding:
    told = environ.get("SLURM_MEM_PER_NODE", "")
    granted = int(told) << 20 if told.isdigit() else 0
    held = _cgroup(Path("/proc/self/cgroup"))
    if asked and granted and granted < asked:
        return Finding("warn", "memory", f"{gib(granted)} were granted, {gib(asked)} asked for", "lower memory")
    if held and asked and held < asked:
        return Finding("warn", "memory", f"the job is held to {gib(held)}, {gib(asked)} were asked for", "lower memory")
    has = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if asked > has:
        return Finding("fail", "memory", f"{gib(asked)} were asked for, the node has {gib(has)}", "lower memory")
    limit = f"the job is held to {gib(held)}" if held else "nothing holds the job to it"
    return Finding("ok", "memory", f"{gib(asked) if asked else 'what the partition gives'} asked for; {limit}")


def _cgroup(path: Path) -> int:
    """Give the least limit of memory of the control groups that this process is in, in bytes; 0 for none."""
    limits = []
    for line in path.read_text().splitlines() if path.exists() else ():
        _, kinds, group = line.split(":", 2)
        root, name = (CGROUPS[0], "memory.limit_in_bytes") if "memory" in kinds else (CGROUPS[1], "memory.max")
        folder = Path(root + group)
        for each in (folder, *folder.parents):
            if each.is_relative_to(root) and (each / name).is_file():
                text = (each / name).read_text().strip()
                limits += [int(text)] if text.isdigit() and int(text) < 1 << 60 else []
    return min(limits, default=0)


def _time(ask: Ask | None, environ: Mapping[str, str]) -> Finding:
    ends = environ.get("SLURM_JOB_END_TIME", "")
    if not ends.isdigit():
        return Finding("ok", "walltime", "SLURM does not say here when the job ends; pilots reckon from their start")
    left = int(ends) - time.time()
    if ask is not None and left > ask.walltime_s + 60:
        return Finding("warn", "walltime", f"{left:.0f} s left, {ask.walltime_s} asked for", "is the clock right?")
    return Finding("ok", "walltime", f"{left:.0f} s left of {ask.walltime_s if ask else '?'} s asked for")


def environment_findings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Look for variables that are not here: steps commonly need them. Pilots get no others of the login node's."""
    absent = [name for name in NEEDED if not environ.get(name)]
    if absent:
        todo = "set them in pilot.<name>.script"
        yield Finding("warn", "environment", f"{', '.join(absent)} not set", todo)
    else:
        yield Finding("ok", "environment", f"{', '.join(NEEDED)} are set")
