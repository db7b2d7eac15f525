"""A whole system whose processes are of one release or of the other, each by itself, on real servers."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from sqlalchemy import create_engine, text

from ..integration.rabbit_server import RabbitServer
from ..integration.server_tables import server_tables
from ..integration.servers import Process, free_ports, wait_until
from .release import Release

STATES = ("first", "second", "third")
CONFIG = """
[site.mine]
path = "mine"
kind = "source"
[site.center]
path = "center"
[inbox.daq]
site = "mine"
path = "inbox"
pattern = 'run(?P<run>\\d+)_(?P<sequence>\\d+)\\.raw'
manifest = 'run(?P<run>\\d+)\\.json'
stable_s = 0.5
scan_s = 1
[rundb.manifests]
use = "manifest"
poll_s = 0.5
[run_type.science]
[worker]
work_site = "center"
heartbeat_s = 1
grace_s = 5
[conductor]
refill_s = 1
[sweeper]
interval_s = 1
lost_hint_s = 5
"""
STEP = """
[[pipeline.default.step]]
name = "{name}"
use = "{use}"
to = "{to}"
makes = "nothing"
parcel = 5
lease_s = 10
backoff_s = 0.5
"""


def step(to: str, use: str = "noop") -> str:
    """Give the table of the step that leads to a state."""
    return STEP.format(name=f"to-{to}", use=use, to=to)


DIES = [("conductor", "0.1.0"), ("up", "0.1.0")]
NOTHING = "".join(map(step, STATES))
"""Steps that do nothing, for tests of the machine itself."""
OPEN = "select count(*) filter (where phase <> 'done') as open, count(*) as items from item where scope = 'file'"
RUNS_OPEN = "select count(*) from item where scope = 'run' and phase <> 'done'"
TWICE = """
select count(*) from (select from history where trigger in ('succeed', 'skipped')
  group by item_id, epoch having count(*) > 1) as doubled
"""

STANDS = (
    "select scope, state, phase, count(*) from item group by 1, 2, 3 order by 1, 2, 3",
    "select lane, now() - applied_at, reign, now() - reign_since from watermark order by 1",
    "select role, version, owner, now() - seen_at from process order by 1, 2",
    "select what, name, now() - since from pause",
    "select pid, application_name, state, wait_event_type, wait_event, now() - xact_start, pg_blocking_pids(pid), "
    "left(query, 120) from pg_stat_activity where datname = current_database() and state <> 'idle'",
)


class Member(NamedTuple):
    """One running process; `port` is that of a web."""

    role: str
    release: Release
    process: Process
    port: int = 0

    @property
    def url(self) -> str:
        """Give the address of a web."""
        return f"http://127.0.0.1:{self.port}"

    def healthy(self) -> bool:
        """Say whether a web answers that it is well."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def connected(self, port: int) -> bool:
        """Say whether it has a connection to a server of this machine. Raises where it has ended."""
        self.process.running()
        found = psutil.Process(self.process.pid).net_connections("tcp")
        return any(each.raddr and each.raddr.port == port for each in found if each.status == psutil.CONN_ESTABLISHED)

    def leave(self) -> None:
        """Ask it to end, and wait. Raises where it does not end in good order."""
        self.process.end(signal.SIGTERM, within_s=60)
        assert self.process.popen.returncode == 0, f"{self.role} ended badly\n{self.process.log.read_text()[-3000:]}"


class System:
    """The processes of one instance."""

    def __init__(self, folder: Path, instance: str, database: str, rabbit: RabbitServer) -> None:
        self.folder, self.instance, self.rabbit = folder, instance, rabbit
        self.inbox = folder / "mine/inbox"
        for made in (self.inbox, folder / "center"):
            made.mkdir(parents=True)
        self._servers = server_tables(folder, instance, database, rabbit)
        self.configure()
        self.members: list[Member] = []
        self.written = Counter[int]()
        self._started = count()
        self.engine = create_engine(database.replace("postgresql://", "postgresql+psycopg2://"), pool_pre_ping=True)

    def configure(self, steps: str = NOTHING, release: Release | None = None) -> None:
        """Write the configuration with these steps, and what tables follow them; for one release alone, or for all."""
        self._config_of(release).write_text(self._servers + CONFIG + steps)

    def start(self, role: str, release: Release, *, port: int = 0, **environ: str) -> Member:
        """Start a process of a release; a web is there once it answers, at a port of its own or at this one."""
        port = port or free_ports(1)[0] if role == "web" else 0
        env = {**release.environment(), "HEADFRAME_WEB__PORT": str(port), **environ}
        log = self.folder / f"{role}-{release.version}-{next(self._started)}.log"
        process = Process(self._argv(release, role), env, log, self.folder)
        member = Member(role, release, process, port)
        self.members.append(member)
        if port:
            wait_until(lambda: process.running() and member.healthy(), 60, f"web {release.version} answers")
        return member

    def well(self, member: Member) -> None:
        """Wait until a process works with others: a web answers already, the others have come to the broker."""
        if not member.port:
            wait_until(lambda: member.connected(self.rabbit.port), 120, f"{member.role} {member.release.version} there")

    def supervise(self) -> None:
        """See that every process is there, as systemd would. Raises with the log of one that ended by itself.

        A conductor of 0.1.0, alone or in its `up`, may die as it starts (two of its threads meet a type at once): it is
        started again.
        """
        for place, member in enumerate(self.members):
            if member.process.popen.poll() == -signal.SIGSEGV and (member.role, member.release.version) in DIES:
                print(f"{member.role} {member.release.version} died as it started; another one is started")
                self.members.remove(member)
                self.well(self.start(member.role, member.release))
                self.members.insert(place, self.members.pop())
            self.members[place].process.running()

    def stop(self, member: Member) -> None:
        """End a process in good order."""
        self.members.remove(member)
        member.leave()

    def of(self, role: str) -> list[Member]:
        """Give the processes of a role."""
        return [member for member in self.members if member.role == role]

    def command(self, release: Release, *words: str) -> str:
        """Run a command of a release; give what it printed. It has to end well."""
        done = self.run(release, *words)
        assert done.returncode == 0, f"{words} of {release.version}: {done.stdout}{done.stderr}\n{self.last_words()}"
        return done.stdout

    def run(self, release: Release, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of a release, however it ends."""
        line, env = self._argv(release, *words), release.environment()
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=300, env=env, cwd=self.folder)

    def write(self, run: int, files: int) -> None:
        """Write files of a run, the next ones, each complete at once."""
        for _ in range(files):
            self.written[run] += 1
            self._put(f"run{run}_{self.written[run]}.raw", f"content {self.written[run]} of run {run}\n")

    def close_run(self, run: int) -> None:
        """Say that a run is closed, with all the files that were written of it."""
        facts = {"run": run, "type": "science", "closed": True, "expected": self.written[run]}
        self._put(f"run{run}.json", json.dumps(facts))

    def _put(self, name: str, content: str) -> None:
        hidden = self.inbox.parent / f"{name}.part"
        hidden.write_text(content)
        hidden.rename(self.inbox / name)

    def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        """Ask the database, as the test itself."""
        with self.engine.connect() as connection:
            connection.execute(text(f'set search_path = "{self.instance}"'))
            return connection.execute(text(statement), values).all()

    def at_work(self) -> bool:
        """Say whether files go through."""
        return bool(self.rows("select count(*) > 10 from item where scope = 'file' and phase = 'done'")[0][0])

    def at_rest(self) -> bool:
        """Say whether all that was written has come to its end, with its runs."""
        moving, items = self.rows(OPEN)[0]
        return not moving and items >= self.written.total() and not self.rows(RUNS_OPEN)[0][0]

    def rest(self, within_s: float) -> None:
        """Wait until everything is done; none was lost, none counted twice."""
        self.until(self.at_rest, within_s, "everything at rest")
        assert self.rows("select count(*) from item where scope = 'file'")[0][0] == self.written.total()
        assert self.rows(TWICE)[0][0] == 0, "an epoch was accepted twice"
        assert self.rows("select code, sentence from dead_letter") == []

    def wait(self, statement: str, within_s: float, what: str, **values: Any) -> None:
        """Wait until a statement is true. Raises with all that may say why it is not."""
        self.until(lambda: bool(self.rows(statement, **values)[0][0]), within_s, what)

    def until(self, true: Callable[[], bool], within_s: float, what: str) -> None:
        """Wait until it is so, with every process there meanwhile. Raises with all that may say why it is not."""

        def true_of_all() -> bool:
            self.supervise()
            return true()

        try:
            wait_until(true_of_all, within_s, what)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.stands()}\n{self.last_words()}") from error

    def stands(self) -> str:
        """Say where everything stands: who asks why nothing goes on begins here."""
        lines = [f"{member.role} {member.release.version} {member.process.popen.poll()}" for member in self.members]
        for statement in STANDS:
            lines += [" ".join(map(str, row)) for row in self.rows(statement)]
        queues = self.rabbit.control(
            "list_queues", "--no-table-headers", "name", "messages_ready", "messages", "consumers"
        )
        lines += [line for line in queues.splitlines() if line.startswith(f"{self.instance}.")]
        return "\n".join(lines)

    def last_words(self) -> str:
        """Give the ends of all logs."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)

    def close(self) -> None:
        """End everything."""
        for member in self.members:
            member.process.end(signal.SIGKILL)
        self.engine.dispose()

    def _config_of(self, release: Release | None) -> Path:
        return self.folder / ("headframe.toml" if release is None else f"headframe-{release.version}.toml")

    def _argv(self, release: Release, *words: str) -> list[str]:
        own, shared = self._config_of(release), self._config_of(None)
        config = own if own.exists() else shared
        return [sys.executable, "-m", "headframe", "--config", str(config), *words]
