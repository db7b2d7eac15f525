"""From the configuration to the parts: the one place that knows both.

What speaks to the database is imported where it is used: a worker never does, and a pilot has little time to start.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from ..consumers.broker import Broker, BrokerRefusedError, BrokerUnavailableError, Names, Topology
from ..consumers.broker.connect import Tls, connect, vhost_of
from ..consumers.broker.management import Management
from ..consumers.worker.settings import SETTLE, CommandSpec, WorkerSettings
from ..statemachine.lanes import LANES
from ..statemachine.records import ArrivedFile
from .config import Config, ConfigError, read_secret

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ..statemachine.pipeline import Pipeline
    from ..statemachine.store.campaigns import Book
    from ..statemachine.store.sites import SiteRow
    from ..web.settings import Settings
    from .monitor.loop import Loop

log = structlog.get_logger("headframe.wiring")
DAEMON_S, COMMAND_S = 15.0, 5.0
"""How long a daemon and a command wait for each answer of the broker: somebody watches the command."""
AGAIN_S, LOOK_S = 1.0, 0.1
ANSWER_S = 60.0
"""How long a daemon waits for an answer of PostgreSQL; commands wait for as long as it takes."""
DAEMONS = {"conductor", "sweeper", "watch", "web"}


def engine(config: Config, role: str, pool: int | None = None) -> Engine:
    """Make the engine for one process. Nothing is connected yet."""
    from ..statemachine import database
    from . import embedded

    settings = config.database
    password = read_secret(settings.password_file, "database.password_file") if settings.password_file else None
    size = pool or settings.pool
    answer_s = ANSWER_S if role in DAEMONS else None
    return database.connect(
        embedded.url(config), config.instance, pool=size, password=password, role=role, answer_s=answer_s
    )


def broker(config: Config, role: str, stop: threading.Event) -> Broker:
    """Connect to the broker and declare what this instance needs there; wait for it while it is away.

    Raises `BrokerRefusedError` where it says no, and `BrokerUnavailableError` if `stop` comes first. What it waits for
    is said by the connection itself, once and then rarely.
    """
    made, there = connected(config, role, DAEMON_S), threading.Event()
    threading.Thread(target=_close_if_stopped, args=(made, there, stop), name="broker", daemon=True).start()
    while True:
        try:
            made.declare(topology(config))
            there.set()
            return made
        except BrokerUnavailableError as error:
            if isinstance(error, BrokerRefusedError) or stop.wait(AGAIN_S):
                there.set()
                made.close()
                raise
            log.debug("waiting for the broker", cause=str(error))


def _close_if_stopped(made: Broker, there: threading.Event, stop: threading.Event) -> None:
    """Let nobody wait to the end for a broker's answer who has been told to stop."""
    while not there.wait(LOOK_S):
        if stop.is_set():
            made.close()
            return


def topology(config: Config) -> Topology:
    """Give all exchanges and queues of this instance, but for the workers' own control queues."""
    return names(config).topology((*step_names(config), SETTLE))


def connected(config: Config, role: str, timeout_s: float = COMMAND_S) -> Broker:
    """Connect to the broker, and declare nothing."""
    settings = config.broker
    tls = Tls(
        cafile=str(settings.cafile) if settings.cafile else None,
        certfile=str(settings.cert) if settings.cert else None,
        keyfile=str(settings.key) if settings.key else None,
    )
    password = read_secret(settings.password_file, "broker.password_file") if settings.password_file else None
    url = f"memory:{config.instance}" if settings.url == "memory:" else settings.url
    return connect(url, user=settings.user or None, password=password, tls=tls, name=role, timeout_s=timeout_s)


def management(config: Config) -> Management | None:
    """Give RabbitMQ's management API, where one is configured; by its own credentials, else by the broker's."""
    settings = config.broker
    if not settings.management:
        return None
    file, key = settings.management_password_file, "broker.management_password_file"
    if file is None:
        file, key = settings.password_file, "broker.password_file"
    return Management(
        settings.management,
        vhost=vhost_of(settings.url),
        user=settings.management_user or settings.user,
        password=read_secret(file, key) if file else "",
        cafile=str(settings.cafile) if settings.cafile else None,
    )


def names(config: Config) -> Names:
    """Give the names of this instance's queues."""
    return Names(config.instance)


def step_names(config: Config) -> tuple[str, ...]:
    """Give the names of all steps of all pipelines."""
    return tuple(dict.fromkeys(step.name for pipeline in config.pipelines().values() for step in pipeline.steps))


def book(config: Config) -> Book:
    """Say which pipeline each run type follows. Raises `ConfigError` where there is no pipeline."""
    from ..statemachine.store.campaigns import Book

    pipelines: dict[str, Pipeline] = config.pipelines()
    if not pipelines:
        raise ConfigError(["pipeline: there is none; add [[pipeline.default.step]]"])
    default = pipelines.get("default") or next(iter(pipelines.values()))
    kinds = {kind: pipelines[run_type.pipeline] for kind, run_type in config.run_types.items()}
    return Book(pipelines=kinds, default=default, period=config.realtime_period)


def web_settings(config: Config) -> Settings:
    """Say what the pages and the API need to know of this instance."""
    from ..web.settings import Settings
    from . import access
    from .config.alerting import HANDBOOK

    return Settings(
        instance=config.instance,
        handbook="" if config.alerts.handbook == HANDBOOK else config.alerts.handbook,
        timezone=config.timezone,
        url=config.web.url,
        reading=config.access.reading,
        access=access.settings(config),
        book=book(config),
    )


def worker_settings(
    config: Config, steps: Sequence[str] = (), name: str = "", lanes: Sequence[str] = LANES
) -> WorkerSettings:
    """Say what a worker of this host may do, and with which sites, commands and keys.

    It takes work of the first of its steps first. Unless told otherwise that is the last one of a pipeline: what is
    nearest to its end gets there, or behind a backlog no file would be done before the last one has begun.
    """
    configured = step_names(config)[::-1] if config.worker.steps == "all" else config.worker.steps
    return WorkerSettings(
        steps=tuple(steps) or configured,
        lanes=tuple(lanes),
        sites={site: config.site(site) for site in config.sites},
        commands={
            name: CommandSpec(
                argv=command.argv,
                setup=str(command.setup) if command.setup else None,
                image=command.image,
                exit_codes=dict(command.exit_codes),
                environment=command.environment,
            )
            for name, command in config.commands.items()
        },
        private=private(config),
        heartbeat_s=config.worker.heartbeat_s,
        grace_s=config.worker.grace_s,
        preload=config.worker.preload,
        bulk_nice=config.worker.bulk_nice,
        name=name,
    )


def private(config: Config) -> dict[str, dict[str, object]]:
    """Give the steps' private options; a `<name>_file` is read and becomes `<name>`."""
    return {
        step: dict(_private(f"private.{step}", key, value, config) for key, value in options.items())
        for step, options in config.private.items()
    }


def site_rows(config: Config) -> tuple[SiteRow, ...]:
    """Give the configured sites as the database knows them."""
    from ..statemachine.store.sites import SiteRow

    return tuple(SiteRow(name=name, kind=site.kind, path=config.site(name).root) for name, site in config.sites.items())


def site_roots(config: Config) -> dict[str, str]:
    """Give the root of each site on this host."""
    return {name: config.site(name).root for name in config.sites}


def known_to(engine: Engine) -> Callable[[Sequence[ArrivedFile]], list[bool]]:
    """Give the watcher's question to the database: which of these have been dealt with?"""
    from ..statemachine.store.arrivals import known

    def ask(files: Sequence[ArrivedFile]) -> list[bool]:
        with engine.begin() as connection:
            return known(connection, files)

    return ask


def listen(engine: Engine, instance: str, wake: Callable[[], None], stop: threading.Event, loop: Loop) -> None:
    """Call `wake` whenever something commits a notice for the conductors, until `stop`; reconnects by itself."""
    from sqlalchemy.exc import DBAPIError

    from ..statemachine import database

    while not stop.is_set():
        try:
            _listen_once(engine, instance, wake, stop, loop)
        except DBAPIError as error:
            if not database.is_passing(error):
                raise
            loop.rest(stop, max(AGAIN_S, loop.missed(error)))
        except database.UNREACHABLE:  # what psycopg2 itself raises
            loop.rest(stop, AGAIN_S)


def _listen_once(engine: Engine, instance: str, wake: Callable[[], None], stop: threading.Event, loop: Loop) -> None:
    from sqlalchemy import text

    with engine.connect() as connection:
        connection.execute(text(f"listen headframe_{instance}"))
        connection.commit()
        raw: Any = connection.connection.dbapi_connection
        poller = select.poll()  # select takes no descriptor above 1023, which many viewers of one tree may hold
        poller.register(raw.fileno(), select.POLLIN)
        while not stop.is_set():
            loop.beat()
            if poller.poll(500):
                raw.poll()
                if raw.notifies:
                    raw.notifies.clear()
                    wake()


def _private(where: str, key: str, value: object, config: Config) -> tuple[str, object]:
    if not key.endswith("_file"):
        return key, value
    return key.removesuffix("_file"), read_secret(config.folder / str(value), f"{where}.{key}").strip()
