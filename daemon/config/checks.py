"""What has to fit together in a configuration: references, patterns, folders, entry points."""

import re
import string
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec

from ...statemachine.pipeline import PipelineError
from ...statemachine.roles import DATABASE_ROLES
from .access_checks import check_access
from .alerting_checks import check_alerts
from .errors import Mistakes
from .launching_checks import check_launching, check_memory, with_paths
from .model import Config, Inbox
from .tracing import check_tracing
from .types import NAME, absolute, program

ROLE_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
"""Names of roles stand in statements that take no parameters (`statemachine.grants`)."""
SHIPPED = {
    "headframe.steps": {"salt", "place", "reconstruct", "catalog", "noop"},
    "headframe.rundb": {"manifest", "csv", "sql"},
}
"""Entry points that come with the package: known without the 25 ms that reading package metadata takes."""


def check(config: Config, mistakes: Mistakes) -> Config:
    """Note everything that does not fit together; give the configuration with option paths made absolute."""
    _timezone(config, mistakes)
    _database(config, mistakes)
    _broker(config, mistakes)
    check_access(config.access, mistakes)
    check_alerts(config.alerts, mistakes)
    check_tracing(config.tracing, mistakes)
    check_launching(config.launcher, config.pilots, mistakes)
    check_memory(config.pilots, _steps(config), mistakes)
    _inboxes(config, mistakes)
    _references(config, mistakes)
    _work_site(config, mistakes)
    _bulk(config, mistakes)
    _entry_points(config, mistakes)
    _images(config, mistakes)
    _pipelines(config, mistakes)
    _folders(config, mistakes)
    return _with_paths(config, mistakes)


def _timezone(config: Config, mistakes: Mistakes) -> None:
    if config.timezone == "UTC":
        return
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(config.timezone)
    except (KeyError, ValueError, OSError):
        mistakes.add("timezone", f'"{config.timezone}" is no time zone; expected a name such as Europe/Rome or UTC')


def _database(config: Config, mistakes: Mistakes) -> None:
    database = config.database
    if database.url and database.embedded:
        mistakes.add("database.embedded", "is set beside database.url; only one of them is possible")
    elif not database.url and not database.embedded and not config.launcher.url:
        mistakes.add("database.url", "is missing; set it (postgresql://host/name) or database.embedded (a folder)")
    elif database.url and not database.url.startswith(("postgresql://", "postgresql+psycopg2://")):
        mistakes.add("database.url", f'"{_scheme(database.url)}" is not possible; expected postgresql://host/name')
    for role in sorted(set(database.roles) - set(DATABASE_ROLES)):
        mistakes.add(f"database.roles.{role}", f"is no role of the database; there are {', '.join(DATABASE_ROLES)}")
    for role, name in database.roles.items():
        if name and not ROLE_NAME.fullmatch(name):
            allowed = "expected letters, digits, _ and -, at most 63 of them"
            mistakes.add(f"database.roles.{role}", f'"{name}" is not possible as the name of a role; {allowed}')


def _broker(config: Config, mistakes: Mistakes) -> None:
    broker = config.broker
    if not broker.url.startswith(("memory:", "amqp://", "amqps://")):
        mistakes.add("broker.url", f'"{_scheme(broker.url)}" is not possible; expected memory: or amqp(s)://host/vhost')
    for name in ("cafile", "cert", "key"):
        secure = broker.url.startswith("amqps:") or (name == "cafile" and broker.management.startswith("https:"))
        if getattr(broker, name) and not secure:
            mistakes.add(f"broker.{name}", "is only for amqps:// and broker.url is none")
    if bool(broker.cert) != bool(broker.key):
        there, missing = ("cert", "key") if broker.cert else ("key", "cert")
        mistakes.add(f"broker.{missing}", f"is missing; broker.{there} is of no use without it")
    if "@" in broker.url.partition("://")[2].partition("/")[0]:
        mistakes.add("broker.url", "has credentials in it; set broker.user and broker.password_file instead")
    _management(broker.management, mistakes)


def _management(url: str, mistakes: Mistakes) -> None:
    if not url:
        return
    if not url.startswith(("http://", "https://")):
        mistakes.add("broker.management", f'"{_scheme(url)}" is not possible; expected http(s)://host:15672')
    elif "@" in url:
        mistakes.add("broker.management", "has credentials in it; set broker.management_user and its password file")


def _scheme(url: str) -> str:
    # Never the rest of it: a URL may carry a password.
    return f"{url.split(':', maxsplit=1)[0][:20]}:"


def _inboxes(config: Config, mistakes: Mistakes) -> None:
    for name, inbox in config.inboxes.items():
        key = f"inbox.{name}"
        path = PurePosixPath(inbox.path)
        if path.is_absolute() or ".." in path.parts:
            mistakes.add(f"{key}.path", f'"{inbox.path}" leads out of the site; expected a path below it')
        _pattern(inbox, key, mistakes)
        if inbox.arrival == "manifest" and not inbox.manifest:
            mistakes.add(f"{key}.manifest", 'is missing; arrival = "manifest" needs the pattern of the manifests')
        if inbox.manifest:
            _regex(inbox.manifest, f"{key}.manifest", mistakes)
        _semaphore(inbox.semaphore, f"{key}.semaphore", mistakes)


def _pattern(inbox: Inbox, key: str, mistakes: Mistakes) -> None:
    groups = _regex(inbox.pattern, f"{key}.pattern", mistakes) if inbox.pattern else None
    if groups is None:
        return
    # A manifest can tell run and sequence, so that any name will do.
    missing = [] if inbox.arrival == "manifest" else [g for g in ("run", "sequence") if g not in groups]
    if missing:
        wanted = " and ".join(f"(?P<{group}>\\d+)" for group in missing)
        mistakes.add(f"{key}.pattern", f"has no named group {wanted}")
    for group in groups:
        if group not in ("run", "sequence", "kind"):
            allowed = ("run", "sequence", "kind")
            mistakes.add_unknown(f"{key}.pattern", f'has an unknown group "{group}"', group, allowed)


def _regex(pattern: str, key: str, mistakes: Mistakes) -> Iterable[str] | None:
    try:
        return re.compile(pattern).groupindex
    except (re.error, RecursionError, OverflowError) as error:
        mistakes.add(key, f"is no regular expression: {error}")
        return None


def _semaphore(template: str, key: str, mistakes: Mistakes) -> None:
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    except ValueError:
        fields = []
    if fields not in (["name"], ["stem"]) or "/" in template or template == "{name}":
        mistakes.add(key, f'"{template}" is not possible; expected a name with {{name}} or {{stem}} in it')


def _references(config: Config, mistakes: Mistakes) -> None:
    known: dict[str, Iterable[str]] = {
        "site": config.sites,
        "pipeline": config.pipeline,
        "command": config.commands,
        "run type": config.run_types,
        "step": {step.name for pipeline in config.pipeline.values() for step in pipeline.steps},
    }
    for key, what, name in _mentions(config):
        if name and name not in known[what]:
            mistakes.add_unknown(key, f'there is no {what} "{name}"', name, known[what])


def _mentions(config: Config) -> Iterator[tuple[str, str, str | None]]:
    for name, inbox in config.inboxes.items():
        yield f"inbox.{name}.site", "site", inbox.site
        yield f"inbox.{name}.kind", "run type", inbox.kind
    for kind, run_type in config.run_types.items():
        yield f"run_type.{kind}.pipeline", "pipeline", run_type.pipeline
        for site in run_type.placed_when:
            yield f"run_type.{kind}.placed_when", "site", site
    for key, step in _steps(config):
        yield f"{key}.site", "site", step.site
        if step.use.startswith("command:"):
            yield f"{key}.use", "command", step.use.removeprefix("command:")
    yield "worker.work_site", "site", config.worker.work_site
    for name in config.worker.steps if config.worker.steps != "all" else ():
        yield "worker.steps", "step", name
    for name, pilot in config.pilots.items():
        for step in pilot.steps:
            yield f"pilot.{name}.steps", "step", step
    for name in config.private:
        yield f"private.{name}", "step", name


def _steps(config: Config) -> Iterator[tuple[str, Any]]:
    for name, pipeline in config.pipeline.items():
        for place, step in enumerate(pipeline.steps):
            yield f"pipeline.{name}.step[{place}]", step


def _work_site(config: Config, mistakes: Mistakes) -> None:
    """A step that names no site writes at the worker's; with neither, its attempts have no place, not even for a log.

    Without run types every run is held: a host that only watches needs no such site.
    """
    used = {run_type.pipeline for run_type in config.run_types.values()}
    prefixes = tuple(f"pipeline.{name}.step[" for name in used)
    homeless = [key for key, step in _steps(config) if key.startswith(prefixes) and not step.site]
    if homeless and not config.worker.work_site:
        what = f"is missing, and {homeless[0]} has no site of its own to write at"
        mistakes.add_unknown("worker.work_site", what, "", config.sites)


def _bulk(config: Config, mistakes: Mistakes) -> None:
    worker = config.worker
    if worker.bulk is not None and worker.bulk > worker.count:
        mistakes.add("worker.bulk", f"{worker.bulk} is not possible; worker.count is {worker.count}, expected no more")


def _entry_points(config: Config, mistakes: Mistakes) -> None:
    uses = [(f"{key}.use", "headframe.steps", step.use or step.name) for key, step in _steps(config)]
    uses += [(f"rundb.{name}.use", "headframe.rundb", source.use) for name, source in config.rundb.items()]
    for key, group, name in uses:
        if name and not name.startswith("command:") and name not in SHIPPED[group]:
            installed = _installed(group)
            if name not in installed:
                mistakes.add_unknown(key, f'no entry point "{name}" in {group} is installed', name, installed)


def _installed(group: str) -> set[str]:
    from importlib.metadata import entry_points

    return {point.name for point in entry_points(group=group)} | SHIPPED[group]


def _images(config: Config, mistakes: Mistakes) -> None:
    for name, command in config.commands.items():
        if command.image is not None and not command.image.startswith(("apptainer:", "shifter:")):
            what = f'"{command.image}" does not say what runs it; expected apptainer:IMAGE or shifter:IMAGE'
            mistakes.add(f"command.{name}.image", what)


def _pipelines(config: Config, mistakes: Mistakes) -> None:
    for name, pipeline in config.pipeline.items():
        for word, what in ((pipeline.initial, "initial"), *((s.name, "step") for s in pipeline.steps)):
            if word and not re.fullmatch(NAME, word):
                mistakes.add(f"pipeline.{name}.{what}", f'"{word}" is no name; expected {NAME}')
        try:
            config.build_pipeline(name)
        except PipelineError as error:
            mistakes.add(f"pipeline.{name}", str(error))


def _folders(config: Config, mistakes: Mistakes) -> None:
    """Refuse an inbox in which products would arrive as raw files."""
    written = {config.worker.work_site, *(step.site for _, step in _steps(config))}
    written |= {site for run_type in config.run_types.values() for site in run_type.placed_when}
    for name, inbox in config.inboxes.items():
        if inbox.site not in config.sites:
            continue
        root = config.inbox_root(name)
        for site in sorted(written & config.sites.keys()):
            if config.site(site).open_path("").is_relative_to(root):
                where = f"inbox.{name}.path"
                mistakes.add(
                    where,
                    f'"{inbox.path}" holds all of site {site}, where steps write; choose a folder of its own',
                )


def _with_paths(config: Config, mistakes: Mistakes) -> Config:
    private = {name: _absolute(config, mistakes, f"private.{name}", v) for name, v in config.private.items()}
    rundb = {
        name: msgspec.structs.replace(
            source, options=_absolute(config, mistakes, f"rundb.{name}.options", source.options)
        )
        for name, source in config.rundb.items()
    }
    commands = {
        name: msgspec.structs.replace(command, argv=tuple(program(config.folder, word) for word in command.argv))
        for name, command in config.commands.items()
    }
    worker = msgspec.structs.replace(config.worker, logs=config.folder / config.worker.logs)
    return msgspec.structs.replace(
        config,
        private=private,
        rundb=rundb,
        worker=worker,
        commands=commands,
        launcher=with_paths(config.launcher, config.folder),
    )


def _absolute(config: Config, mistakes: Mistakes, key: str, options: dict[str, Any]) -> dict[str, Any]:
    """Make the paths among free options absolute: those named `file`, `folder`, `*_file` and `*_folder`."""
    found = dict(options)
    for name, value in options.items():
        if name in ("file", "folder") or name.endswith(("_file", "_folder")):
            try:
                found[name] = str(absolute(config.folder, value))
            except ValueError as error:
                mistakes.add(f"{key}.{name}", str(error))
    return found
