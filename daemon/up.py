"""`headframe up`: PostgreSQL, conductor, sweeper, watcher, web and workers in one process tree on one machine."""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ..statemachine import database
from ..statemachine.store import sweep
from ..web.app import create_app
from ..web.serve import Listener
from . import access, embedded, processes, wiring
from .conductor import trail
from .config import Config, ConfigError
from .fitting import await_server, bring_up
from .monitor.monitor import Monitor

log = structlog.get_logger("headframe.up")
JOIN_S = 2.0
"""So long after the workers' grace all parts together may take to end."""
RELEASE_S = 10.0
"""How long a session that was ended may take to let its lock go."""

_TRY = "select pg_try_advisory_lock(hashtext(current_schema() || '.up'))"
_MINE = "select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()"
_END = "select pg_terminate_backend(pid) from pg_stat_activity where pid = :pid and backend_start = :backend_start"


class Up:
    """The running tree. `engine` and `address` are there once it has started."""

    def __init__(self, config: Config, stop: threading.Event) -> None:
        self.config, self.stop = config, stop
        self.threads: list[threading.Thread] = []
        self._engine: Engine | None = None
        self.guard: Connection | None = None
        self._session: dict[str, Any] = {}
        self.address = ""
        self.failure: BaseException | None = None
        self.monitor = Monitor("up", config.monitor.hang_s)

    def start(self) -> None:
        """Bring everything up, in the order in which the parts need each other, or nothing where `stop` comes first."""
        self.monitor.open(self.config)
        make_folders(self.config)
        self._engine = wiring.engine(self.config, "up", pool=8)
        if not await_server(self.engine, self.stop):
            return
        bring_up(self.engine, self.config.instance)
        self._take_back()
        self._web()
        self._thread("postgres", self._keep_postgres)
        self._thread("conductor", lambda: processes.run_conductor(self.config, self.stop, monitor=self.monitor))
        self._thread("sweeper", lambda: processes.run_sweeper(self.config, self.stop, monitor=self.monitor))
        for number in range(self.config.worker.count):
            self._worker(number)
        if self.config.inboxes:
            self._thread("watcher", lambda: processes.run_watch(self.config, self.stop, monitor=self.monitor))
        self.monitor.started()

    @property
    def engine(self) -> Engine:
        """The tree's database. Raises `DatabaseUnavailableError` before it has started."""
        if self._engine is None:
            raise database.DatabaseUnavailableError("not started yet")
        return self._engine

    def finish(self) -> None:
        """Let every part end. An embedded PostgreSQL stops with the last process that uses it."""
        self.stop.set()
        end = time.monotonic() + self.config.worker.grace_s + JOIN_S
        for thread in self.threads:
            thread.join(timeout=max(0.0, end - time.monotonic()))
        if self.guard is not None:
            self.guard.close()
        if self._engine is not None:
            self._engine.dispose()
        embedded.release(self.config)
        self.monitor.close()

    def _take_back(self) -> None:
        """All workers of this tree died with it; what they had goes back at once instead of after its lease."""
        if self.config.broker.url != "memory:":
            return
        self._hold()
        with self.engine.begin() as connection:
            taken = sweep.restart_local(connection)
        trail.taken_back(taken)
        if taken:
            log.info("took back what the last process tree left undone", items=len(taken))

    def _hold(self) -> None:
        """Hold the instance's lock in the database. Raises `ConfigError` where another tree has it."""
        guard = self.engine.connect()
        try:
            if not guard.execute(text(_TRY)).scalar_one():
                raise ConfigError(
                    [f"instance {self.config.instance} is up already, on another host, in the same database"]
                )
            self._session = dict(guard.execute(text(_MINE)).one()._mapping)
            guard.commit()
        except BaseException:
            guard.close()
            raise
        self.guard = guard

    def _keep_postgres(self) -> None:
        """Start an embedded PostgreSQL again if it dies; all parts wait for it and go on."""
        while not self.stop.wait(1.0):
            if embedded.revive(self.config):
                log.error("PostgreSQL had died and was started again")
            if self.guard is not None:
                self._keep_hold(self.guard)

    def _keep_hold(self, guard: Connection) -> None:
        """Take the instance's lock again once its connection is lost: PostgreSQL let it go with that."""
        try:
            guard.execute(text("select 1"))
            guard.commit()
        except DBAPIError as error:
            if not database.is_unreachable(error):
                raise
            log.warning("the instance's lock is lost; it is taken again", cause=database.first_line(error))
            with contextlib.suppress(DBAPIError):
                guard.close()
            self._hold_again()

    def _hold_again(self) -> None:
        """Take the lock again. A session that only we have lost is ended first, or it would keep the lock."""
        end = time.monotonic() + RELEASE_S
        while not self.stop.is_set():
            embedded.revive(self.config)
            try:
                with self.engine.connect() as connection:
                    connection.execute(text(_END), self._session)
                self._hold()
                return
            except ConfigError:
                if time.monotonic() > end:
                    raise
            except DBAPIError as error:
                if not database.is_passing(error):
                    raise
                end = time.monotonic() + RELEASE_S
            self.stop.wait(0.2)

    def _web(self) -> None:
        app = create_app(wiring.engine(self.config, "web", pool=8), wiring.web_settings(self.config))
        listener = Listener(app, self.config.web.host, self.config.web.port)
        self.address = f"http://{listener.host}:{listener.port}/"
        self._thread("web", lambda: listener.run(self.stop))

    def _worker(self, number: int) -> None:
        name, lanes = f"local-{number}", self.config.worker.lanes(number)
        self._thread(
            name,
            lambda: processes.run_worker(self.config, self.stop, name=name, lanes=lanes, monitor=self.monitor),
        )

    def _thread(self, name: str, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(name, run), name=name, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _guarded(self, name: str, run: Callable[[], None]) -> None:
        """A part that dies takes the tree down, so that whoever supervises it starts it again, whole."""
        try:
            run()
        except BaseException as error:
            log.critical("a part died; everything stops", part=name, cause=str(error), exc_info=error)
            self.failure = error
            self.stop.set()


@contextmanager
def running(config: Config, stop: threading.Event) -> Iterator[Up]:
    """Run the whole tree; one at a time an instance folder. Raises `ConfigError` where another has it."""
    with only_one(config):
        up = Up(config, stop)
        try:
            up.start()
            yield up
        finally:
            up.finish()
        if up.failure is not None:
            raise up.failure


def run(config: Config) -> None:
    """Run until SIGTERM or Ctrl-C."""
    stop = processes.standalone(config)
    with running(config, stop) as up:
        if stop.is_set():
            return
        if access.nobody_may_act(up.engine, config):
            log.info("nobody can act on the pages yet; headframe user add NAME --role operator makes somebody")
        log.info("up", address=up.address, workers=config.worker.count, config=str(config.source or "(none)"))
        if config.log.level in ("warning", "error"):
            print(f"headframe is up; its page is {up.address}", flush=True)
        stop.wait()


def make_folders(config: Config) -> None:
    """Make the folders of sites and inboxes that are missing, with their sites' modes and groups."""
    from ..consumers.steps.files import make_folder, make_root

    for name in config.sites:
        make_root(config.site(name))
    for inbox in config.inboxes.values():
        site = config.site(inbox.site)
        if not site.open_path(inbox.path).exists():
            make_folder(site, inbox.path)


@contextmanager
def only_one(config: Config) -> Iterator[None]:
    """Hold the lock of this instance's folder: its one process tree may take over what an earlier one left."""
    folder = config.database.embedded or config.folder
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{config.instance}.lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise ConfigError(
                [f"instance {config.instance} is up already (process {lock.read().strip() or 'unknown'}), in {folder}"]
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
