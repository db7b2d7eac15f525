"""Sites as a node sees them: there, readable, writable with their modes, and the same places as on the login node."""

import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ....consumers.steps.api import Site, StepError
from ....consumers.steps.files import make_folder, own
from ...config import Config
from ...finding import Finding
from . import exchange

SLOW_S = 10.0
DRIFT_S = 2.0
LOOK_S = 0.2


def meeting_findings(config: Config, folder: Path, ask: exchange.Ask | None) -> Iterator[Finding]:
    """Leave a mark in each place that both see, and wait for the answer to it: that proves both directions."""
    if ask is None:
        return
    places = {exchange.HERE: folder}
    places |= {name: Path(config.site(name).root) for name in ask.places if name in config.sites}
    pending: dict[str, float] = {}
    back: dict[str, tuple[float, exchange.Ping]] = {}
    for name, root in places.items():
        try:
            exchange.write(exchange.mark(root, ask.token, "node"), exchange.ping())
            pending[name] = time.monotonic()
        except OSError as error:
            yield _unmarked(name, root, error)
    until = time.monotonic() + ask.meeting_s
    while pending.keys() - back.keys() and time.monotonic() < until:
        for name in sorted(pending.keys() - back.keys()):
            seen = exchange.read(exchange.mark(places[name], ask.token, "login"), exchange.Ping)
            if seen is not None:
                back[name] = (time.monotonic() - pending[name], seen)
        time.sleep(LOOK_S)
    for name in pending:
        yield _met(name, places[name], back.get(name), ask.meeting_s)
    if exchange.HERE in back:
        yield _clock(*back[exchange.HERE])


def _unmarked(name: str, root: Path, error: OSError) -> Finding:
    sentence = f"no mark can be left in {root}: {error.strerror}"
    return Finding("fail", _called(name), sentence, "change its owner, group or mode, or site.<name>.paths")


def _called(name: str) -> str:
    return "logs" if name == exchange.HERE else f"site {name}"


def _met(name: str, root: Path, back: tuple[float, exchange.Ping] | None, waited: float) -> Finding:
    what = _called(name)
    if back is None:
        todo = "set the path that holds for this class of host, site.<name>.paths, or mount the same file system"
        sentence = f"{root} is not the place that the login node calls so: its mark was not seen in {waited:.0f} s"
        return Finding("fail", what, sentence, todo)
    took = back[0]
    sentence = f"{root}: a mark went to the login node and back in {took:.1f} s"
    if took > SLOW_S:
        todo = "expect so much later sight of files; on NFS mount with a shorter acdirmax or lookupcache=positive"
        return Finding("warn", what, f"{sentence}: attributes are kept long here", todo)
    return Finding("ok", what, sentence)


def _clock(took: float, seen: exchange.Ping) -> Finding:
    """Compare clocks: the login node's time lies somewhere within the time that the mark was away."""
    now = datetime.now(UTC).timestamp()
    there = seen.at.timestamp()
    drift = max(0.0, there - now, (now - took) - there)
    if drift > DRIFT_S:
        return Finding("warn", "clock", f"{drift:.1f} s from the login node's", "times in logs mislead: ask for NTP")
    return Finding("ok", "clock", "agrees with the login node's")


def site_findings(config: Config, ask: exchange.Ask | None) -> Iterator[Finding]:
    """Look at each site as steps will use it."""
    for name, written in config.sites.items():
        site, what = config.site(name), f"site {name}"
        root = Path(site.root)
        if not root.is_dir():
            todo = f"set site.{name}.paths for this class of host ({config.host_class}), or mount it"
            yield Finding("fail", what, f"{root} is not there", todo)
        elif written.kind == "source":
            yield _readable(what, root, ask.names.get(name, ()) if ask else ())
        else:
            yield _writable(what, site)
    for name in config.inboxes:
        yield _inbox(f"inbox {name}", config.inbox_root(name))


def _inbox(what: str, folder: Path) -> Finding:
    """Steps read raw files there and write nothing, so it may be mounted read-only."""
    if not folder.is_dir():
        return Finding("fail", what, f"{folder} is not there", "mount it, or mend site.<name>.paths")
    if not os.access(folder, os.R_OK | os.X_OK):
        return Finding("fail", what, f"{folder} cannot be read by this user", "change its owner, group or mode")
    return Finding("ok", what, f"{folder} can be read{'' if os.access(folder, os.W_OK) else ', not written'}")


def _readable(what: str, root: Path, names: tuple[str, ...]) -> Finding:
    if not os.access(root, os.R_OK | os.X_OK):
        return Finding("fail", what, f"{root} cannot be read by this user", "change its owner, group or mode")
    absent = [name for name in names if not (root / name).exists()]
    if names and len(absent) == len(names):
        todo = "set the path that holds for this class of host, site.<name>.paths"
        sentence = f"{root} has none of what the login node sees there, such as {names[0]}"
        return Finding("fail", what, sentence, todo)
    return Finding("ok", what, f"{root} can be read{', and has what the login node sees there' if names else ''}")


def _writable(what: str, site: Site) -> Finding:
    """Write as a step does: a folder and a file with the site's modes and group, renamed, looked at, removed."""
    folder = Path(site.root) / f".headframe-doctor-{os.getpid()}-{time.time_ns()}"
    try:
        make_folder(site, folder.name)
        trial = folder / "trial"
        trial.write_bytes(b"headframe")
        own(trial, site, site.file_mode)
        trial.rename(folder / "renamed")
        wrong = _wrong_modes(site, folder, folder / "renamed")
    except StepError as error:
        return Finding("fail", what, str(error), f"mend site.{site.name}.group or .path")
    except OSError as error:
        sentence = f"{site.root} cannot be written as the site wants: {error.strerror or error}"
        return Finding("fail", what, sentence, "change its owner, group or mode; the quota may be used up too")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if wrong:
        return Finding("warn", what, f"{site.root}: {wrong}", "files of different users will not mix: mend the root")
    free = shutil.disk_usage(site.root).free
    return Finding("ok", what, f"{site.root} takes files with its modes, {free / 1000**3:,.1f} GB free")


def _wrong_modes(site: Site, folder: Path, file: Path) -> str:
    for path, wanted in ((folder, site.dir_mode), (file, site.file_mode)):
        mode = path.stat().st_mode & 0o7777
        if mode != wanted:
            return f"a new {'folder' if path is folder else 'file'} gets mode {mode:o} instead of {wanted:o}"
    if site.dir_mode & 0o2000 and file.stat().st_gid != folder.stat().st_gid:
        return "setgid has no effect: a new file does not get its folder's group"
    return ""
