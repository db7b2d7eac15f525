"""The files of launcher and pilots: the folder of logs, the configuration that pilots read, the token; and limits."""

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...config import Config, ConfigError, load
from ...finding import Finding

LOCAL = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108 (looked for, not written to)  # nosec B108
LIMITS = {
    "RLIMIT_CPU": "of CPU time",
    "RLIMIT_AS": "of address space",
    "RLIMIT_DATA": "of data",
    "RLIMIT_FSIZE": "of a file's size",
    "RLIMIT_RSS": "of memory",
}


def log_findings(config: Config) -> Iterator[Finding]:
    """Look whether pilots' output finds a place. Whether nodes see the same folder, a job inside shows."""
    folder, what = config.launcher.logs, "logs"
    if not folder.is_dir():
        todo = f"mkdir -p {folder} (on a file system that nodes see), or mend launcher.logs"
        sentence = f"{folder} is not there; without it SLURM ends a job at once, and says nothing"
        yield Finding("fail", what, sentence, todo)
        return
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield Finding("fail", what, f"{folder} cannot be written: {error.strerror}", "change its owner, group or mode")
        return
    if _is_local(config, folder):
        todo = "set launcher.logs to a shared file system; headframe slurm doctor --inside proves it"
        yield Finding("warn", what, f"{folder} is probably of this host alone: nodes have their own", todo)
        return
    free = shutil.disk_usage(folder).free
    yield Finding("ok", what, f"{folder} can be written, {free / 1000**3:,.1f} GB free")


def _is_local(config: Config, path: Path) -> bool:
    """Say whether nodes will hardly see it. Local processes see all that this host does."""
    if config.launcher.back_end == "local":
        return False
    return any(path.resolve().is_relative_to(place) for place in LOCAL)


def config_file(config: Config) -> Path:
    """Give the configuration that pilots read."""
    return config.launcher.config or config.source or config.folder / "headframe.toml"


def configuration_findings(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Look whether the configuration that pilots read is there, can be read, and fits this one."""
    path, what = config_file(config), "pilots' configuration"
    try:
        theirs = load(path, environ)
    except ConfigError as error:
        for mistake in error.mistakes:
            yield Finding("fail", what, f"{path}: {mistake}", "mend it, or launcher.config")
        return
    if theirs.broker.url == "memory:":
        todo = "set broker.url to a RabbitMQ that nodes reach"
        yield Finding("fail", what, f"{path}: broker.url is memory:, which no pilot can reach", todo)
    elif theirs.instance != config.instance:
        sentence = f"{path} is of instance {theirs.instance}, this one of {config.instance}"
        yield Finding("fail", what, sentence, "mend instance, or launcher.config")
    elif missing := [name for name in config.pilots if name not in theirs.pilots]:
        sentence = f"{path} has no [pilot.{missing[0]}]"
        yield Finding("fail", what, sentence, f"add it there: a pilot reads its steps and workers from {path.name}")
    elif _is_local(config, path):
        todo = "put it onto a shared file system, and name it in launcher.config"
        yield Finding("warn", what, f"{path} is probably of this host alone", todo)
    else:
        yield Finding("ok", what, str(path))
    yield from _overlay(environ)


def _overlay(environ: Mapping[str, str]) -> Iterator[Finding]:
    names = sorted(name for name in environ if name.startswith("HEADFRAME_") and "__" in name)
    if names:
        todo = "put them into the file that pilots read"
        sentence = f"{', '.join(names)} of this environment change the configuration here; pilots do not get them"
        yield Finding("warn", "environment", sentence, todo)


def limit_findings() -> Iterator[Finding]:
    """Look at this user's limits: SLURM hands them to its jobs (PropagateResourceLimits) unless a site says no."""
    held = []
    for key, unit in LIMITS.items():
        soft, _ = resource.getrlimit(getattr(resource, key))
        if soft != resource.RLIM_INFINITY:
            held.append(f"{soft:,} {unit}")
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if held:
        todo = "raise them (ulimit), or have --propagate=NONE in the pilot's options"
        yield Finding("warn", "limits", f"this shell holds processes to {'; '.join(held)}: jobs inherit it", todo)
    elif files < 1024:
        yield Finding("warn", "limits", f"{files} open files for a process are few", "ulimit -n 4096")
    else:
        yield Finding("ok", "limits", f"none on time and memory of a process here; {files:,} open files")


def token_findings(config: Config) -> Iterator[Finding]:
    """Look at the file of the token: there, and nobody else's to read."""
    file, what = config.launcher.token_file, "token"
    if file is None:
        todo = "headframe token make ... --role launcher, keep it in a file, and name that in launcher.token_file"
        yield Finding("fail", what, "launcher.token_file is not set: the service takes no launcher without one", todo)
        return
    try:
        mode, readable = file.stat().st_mode & 0o777, os.access(file, os.R_OK)
    except OSError as error:
        yield Finding("fail", what, f"{file} cannot be read: {error.strerror}", "mend launcher.token_file")
        return
    if not readable:
        yield Finding("fail", what, f"{file} cannot be read by this user", "change its owner or mode")
    elif mode & 0o077:
        yield Finding("warn", what, f"{file} has mode {mode:o}: others may read the token", f"chmod 600 {file}")
    else:
        yield Finding("ok", what, f"{file}, for its owner alone")
