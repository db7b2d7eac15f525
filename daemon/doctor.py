"""`headframe doctor`: is all that it needs here, reachable, of the right version, one finding a line."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from sqlalchemy import Engine, text

from ..statemachine.compatibility import fit
from ..statemachine.database import DatabaseUnavailableError, explained
from . import wiring
from .broker_doctor import broker_findings
from .config import Config, ConfigError, load
from .finding import Finding
from .plugins import plugin_findings
from .tracing import wired as tracing

OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRES = 150000
SPACE = 5 * 1000**3
DRIFT_S = 2.0


def examine(config_file: Path | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Look at everything; what cannot be looked at without the configuration is left out where it is wrong."""
    yield from _python()
    try:
        config = load(config_file, environ)
    except ConfigError as error:
        todo = "mend the configuration; headframe config check repeats only this"
        yield from (Finding("fail", "configuration", mistake, todo) for mistake in error.mistakes)
        return
    yield Finding("ok", "configuration", f"{config.source}")
    yield from plugin_findings(config)
    yield from _database(config)
    yield from broker_findings(config)
    yield from _tracing(config)
    yield from _sites(config)
    yield from _inboxes(config)
    yield _inotify(config)


def _python() -> Iterator[Finding]:
    found = ".".join(str(part) for part in sys.version_info[:3])
    wanted = ".".join(str(part) for part in OLDEST_PYTHON)
    good = sys.version_info[:2] >= OLDEST_PYTHON
    yield Finding("ok" if good else "fail", "python", found, f"Python {wanted} or later is needed")
    absent = [name for name in _required() if not _installed(name)]
    todo = f"pip install {' '.join(absent)}"
    sentence = f"missing: {', '.join(absent)}" if absent else f"all that headframe {_version()} needs is installed"
    yield Finding("fail" if absent else "ok", "packages", sentence, todo)


def _version() -> str:
    try:
        return metadata.version("headframe")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _required() -> list[str]:
    try:
        wanted = metadata.requires("headframe") or []
    except metadata.PackageNotFoundError:
        return ["headframe"]
    plain = [each for each in wanted if "extra ==" not in each]
    return ["".join(c if c.isalnum() or c in "-_." else " " for c in each).split()[0] for each in plain]


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _database(config: Config) -> Iterator[Finding]:
    try:
        engine = wiring.engine(config, "doctor", pool=1)
        with explained():
            yield from _server(engine)
            yield from _schema(engine)
    except DatabaseUnavailableError as error:
        embedded = config.database.embedded is not None
        todo = "headframe up starts the embedded one" if embedded else "start PostgreSQL, or mend database.url"
        yield Finding("fail", "database", str(error), todo, unreachable=True)
    except (ConfigError, ValueError) as error:
        yield Finding("fail", "database", str(error), "mend the configuration")


def _server(engine: Engine) -> Iterator[Finding]:
    with engine.connect() as conn:
        version = int(conn.execute(text("show server_version_num")).scalar_one())
        name = conn.execute(text("show server_version")).scalar_one()
        before = datetime.now(UTC)
        there = conn.execute(text("select clock_timestamp()")).scalar_one()
        after = datetime.now(UTC)
        fsync = conn.execute(text("show fsync")).scalar_one()
    good = version >= OLDEST_POSTGRES
    yield Finding("ok" if good else "fail", "database", f"PostgreSQL {name}", "PostgreSQL 15 or later is needed")
    drift = max(0.0, (before - there).total_seconds(), (there - after).total_seconds())
    yield Finding(
        "warn" if drift > DRIFT_S else "ok",
        "clock",
        f"{drift:.1f} s from the database's" if drift > DRIFT_S else "agrees with the database's",
        "leases go by the database's clock, but times in logs will mislead: run NTP",
    )
    if fsync == "off":
        yield Finding("warn", "fsync", "is off at the database", "a power cut may lose it: set fsync = on")


def _schema(engine: Engine) -> Iterator[Finding]:
    with engine.connect() as connection:
        found = fit(connection)
    yield Finding("ok" if found.fits else "fail", "schema", found.sentence)


def _tracing(config: Config) -> Iterator[Finding]:
    """Ask the collector; nothing where nothing is traced."""
    if not config.tracing.endpoint:
        return
    if lacking := tracing.absent(config):
        todo = f"needed only where a sweeper or headframe up runs: {tracing.INSTALL}"
        yield Finding("warn", "tracing", lacking, todo)
        return
    todo = "files go on without traces; mend tracing.endpoint, tracing.headers_file or tracing.cafile"
    try:
        cause = tracing.collector(config).take(())
    except ConfigError as error:
        cause = str(error)
    said = f"{config.tracing.endpoint}: {cause}" if cause else f"{config.tracing.endpoint} takes traces"
    yield Finding("warn" if cause else "ok", "tracing", said, todo)


def _sites(config: Config) -> Iterator[Finding]:
    for name, site in config.sites.items():
        root = Path(config.site(name).root)
        what = f"site {name}"
        if not root.is_dir():
            yield Finding("fail", what, f"{root} is not there", f"mkdir -p {root}, or mend site.{name}.path")
            continue
        wrong = _readable(root) if site.kind == "source" else _writable(root, config.site(name).group)
        if wrong:
            yield Finding("fail", what, f"{root}: {wrong}", "change its owner, group or mode")
            continue
        yield from _modes(what, root, config.site(name).dir_mode, source=site.kind == "source")
        free = shutil.disk_usage(root).free
        sentence = f"{root}, {free / 1000**3:,.1f} GB free"
        yield Finding("warn" if free < SPACE else "ok", what, sentence, f"less than {SPACE // 1000**3} GB: make room")


def _readable(folder: Path) -> str:
    return "" if os.access(folder, os.R_OK | os.X_OK) else "cannot be read by this user"


def _writable(folder: Path, group: str | None) -> str:
    """Try it, as only a try tells on NFS; the group too, where one is configured."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".headframe-doctor-") as probe:
            if group is not None:
                shutil.chown(probe.name, group=group)
    except LookupError:
        return f"there is no group {group} here"
    except PermissionError as error:
        return f"cannot be written by this user ({error.strerror})" + (f", or not as group {group}" if group else "")
    except OSError as error:
        return f"cannot be written: {error.strerror or error}"
    return ""


def _modes(what: str, root: Path, wanted: int, *, source: bool) -> Iterator[Finding]:
    """Folders below the root get the site's mode; a root with less keeps others of the group out."""
    mode = root.stat().st_mode & 0o7777
    lacking = wanted & ~mode
    if lacking and not source:
        todo = f"chmod {wanted:o} {root}, if several users share it"
        yield Finding("warn", what, f"{root} has mode {mode:o}, its folders get {wanted:o}", todo)


def _inboxes(config: Config) -> Iterator[Finding]:
    for name in config.inboxes:
        folder = config.inbox_root(name)
        what = f"inbox {name}"
        if not folder.is_dir():
            yield Finding("fail", what, f"{folder} is not there", f"mkdir -p {folder}, or mend inbox.{name}.path")
        elif wrong := _readable(folder):
            yield Finding("fail", what, f"{folder} {wrong}", "change its owner, group or mode")
        else:
            yield Finding("ok", what, str(folder))


def _inotify(config: Config) -> Finding:
    watched = any(inbox.watch for inbox in config.inboxes.values())
    limits = Path("/proc/sys/fs/inotify/max_user_watches")
    if not watched:
        return Finding("ok", "inotify", "not used; inboxes are scanned")
    try:
        n = int(limits.read_text())
    except (OSError, ValueError):
        return Finding("warn", "inotify", "not available: files are found by scanning only", "lower inbox.*.scan_s")
    todo = "sysctl fs.inotify.max_user_watches=524288; until then the scan finds what inotify misses"
    return Finding("ok" if n >= 8192 else "warn", "inotify", f"{n:,} folders can be watched", todo)
