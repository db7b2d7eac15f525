"""A centre to be broken: PostgreSQL, RabbitMQ, two conductors, sweepers and watchers, workers, a web server."""

import contextlib
import json
import subprocess
import threading
import urllib.error
import urllib.parse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from ..integration.proxy import TcpProxy
from ..integration.rabbit_server import RabbitServer
from ..integration.server_tables import server_tables
from ..integration.servers import PostgresServer, wait_until
from .member import Member, argv, environment

LOOK_S = 0.1
CONFIG = """
management = "{management}"
delivery_limit = {delivery_limit}
[web]
port = {web_port}
[site.mine]
path = "mine"
kind = "source"
[site.center]
path = "center"
[inbox.daq]
site = "mine"
path = "inbox"
pattern = '(.*/)?run(?P<run>\\d+)_(?P<sequence>\\d+)\\.raw'
manifest = 'run(?P<run>\\d+)\\.json'
stable_s = 1
scan_s = {scan_s}
resend_s = 3
[rundb.manifests]
use = "manifest"
poll_s = 1
[run_type.science]
placed_when = ["center"]
{steps}
[worker]
work_site = "center"
heartbeat_s = {heartbeat_s}
grace_s = 5
[conductor]
refill_s = {refill_s}
[sweeper]
interval_s = {interval_s}
lost_hint_s = {lost_hint_s}
"""
DEFAULTS: dict[str, Any] = {
    "web_port": 0,
    "scan_s": 2,
    "heartbeat_s": 1,
    "refill_s": 1,
    "interval_s": 1,
    "lost_hint_s": 5,
    "delivery_limit": 10,
}


def step(name: str, to: str, **keys: Any) -> str:
    """Give the configuration of one step."""
    said = {"name": name, "to": to, "lease_s": 4, "retries": 20, "backoff_s": 0.5, "backoff_max_s": 5, **keys}
    lines = [f"{key} = {_toml(value)}" for key, value in said.items()]
    return "\n".join(["[[pipeline.default.step]]", *lines])


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


class Centre:
    """The processes of one instance and the servers under them. `orders` is where the wraps look."""

    def __init__(
        self, folder: Path, instance: str, postgres: PostgresServer, database: str, rabbit: RabbitServer, **changes: Any
    ) -> None:
        self.folder, self.instance, self.postgres, self.rabbit = folder, instance, postgres, rabbit
        self.orders, self.inbox = folder / "orders", folder / "mine/inbox"
        self.config = folder / "headframe.toml"
        self.database = database
        for made in (self.orders, self.inbox, folder / "center"):
            made.mkdir(parents=True)
        more = {"management": f"http://127.0.0.1:{rabbit.api_port}", **DEFAULTS, **changes}
        self.config.write_text(server_tables(folder, instance, database, rabbit) + CONFIG.format(**more))
        self.members: list[Member] = []
        self.ended = Counter[str]()
        self.written = set[str]()
        self.verify_s = 0.0
        self.engine = create_engine(database.replace("postgresql://", "postgresql+psycopg2://"), pool_pre_ping=True)
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def add(self, name: str, settings: Mapping[str, str] | None = None, *, proxied: bool = False) -> Member:
        """Start a process: `<role>-<number>`, `proxied` with a breakable line to each server."""
        ways, proxies = dict(settings or {}), dict[str, TcpProxy]()
        if proxied:
            proxies = {"broker": TcpProxy(self.rabbit.port), "database": TcpProxy(self.postgres.port)}
            here, there = f":{self.rabbit.port}/", f":{proxies['broker'].port}/"
            ways["HEADFRAME_BROKER__URL"] = self.rabbit.url.replace(here, there)
            here, there = f":{self.postgres.port}/", f":{proxies['database'].port}/"
            ways["HEADFRAME_DATABASE__URL"] = self.database.replace(here, there)
        member = Member(name, self.config, self.orders, proxies, ways)
        self.members.append(member)
        member.start()
        return member

    def member(self, name: str) -> Member:
        """Give a process by its name."""
        (found,) = (each for each in self.members if each.name == name)
        return found

    def keep(self) -> None:
        """From now on start again whoever dies, as systemd or Kubernetes would."""
        self._keeper.start()

    def _keep(self) -> None:
        while not self._over.wait(LOOK_S):
            for member in self.members:
                if member.wanted and not member.lives():
                    self._note_end(member)
                    member.start()

    def _note_end(self, member: Member) -> None:
        assert member.process is not None
        if member.process.popen.returncode != -9:
            self.ended[f"{member.role} ended with {member.process.popen.returncode}"] += 1

    def command(self, *words: str, timeout_s: float = 300) -> "subprocess.CompletedProcess[str]":
        """Run a command of the operator's."""
        line, env = argv(self.config, *words), environment(self.orders)
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=timeout_s, env=env)

    def upgrade(self) -> None:
        """Make the schema."""
        done = self.command("db", "upgrade")
        assert done.returncode == 0, done.stderr

    def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        """Ask the database, as the test itself."""
        with self.engine.connect() as connection:
            connection.execute(text(f'set search_path = "{self.instance}"'))
            return connection.execute(text(statement), values).all()

    def value(self, statement: str, **values: Any) -> Any:
        """Ask the database for one value."""
        return self.rows(statement, **values)[0][0]

    def write(self, run: int, sequence: int) -> None:
        """Write a raw file, complete at once."""
        folder = self.inbox / f"{run:04d}"
        folder.mkdir(exist_ok=True)
        hidden = self.inbox.parent / f"{run}_{sequence}.part"
        hidden.write_text(f"content {sequence} of run {run}\n")
        self.written.add(f"run{run}_{sequence}.raw")
        hidden.rename(folder / f"run{run}_{sequence}.raw")

    def open_run(self, run: int) -> None:
        """Write a run's first manifest: it goes on."""
        self._announce(run, closed=False)

    def close_run(self, run: int, files: int) -> None:
        """Write a run's last manifest: closed, with so many files."""
        self._announce(run, closed=True, expected=files)

    def _announce(self, run: int, **facts: object) -> None:
        hidden = self.inbox.parent / f"{run}.json.part"
        hidden.write_text(json.dumps({"run": run, "type": "science", **facts}))
        hidden.rename(self.inbox / f"run{run}.json")

    def order(self, point: str, *, freeze: bool = False) -> None:
        """Order the next process that passes a crash point to be killed there, or frozen."""
        fresh = self.orders / f"new {point}"
        fresh.write_text("freeze" if freeze else "")
        fresh.rename(self.orders / f"at {point}")

    def frozen_at_point(self) -> Member:
        """Give the process that was frozen last at a crash point. Raises `ValueError` where it is gone."""
        pid = int((self.orders / "frozen").read_text().split()[-1])
        (found,) = (each for each in self.members if each.process is not None and each.process.pid == pid)
        return found

    def hit(self, point: str, within_s: float = 30) -> bool:
        """Wait until it was; take the order back where it was not."""
        order = self.orders / f"at {point}"
        try:
            wait_until(lambda: not order.exists(), within_s, point)
        except TimeoutError:
            order.unlink(missing_ok=True)
            return False
        return True

    def purge(self) -> None:
        """Empty every queue of the instance. The broker may be away: then there is nothing in it to be had either."""
        for name in self.rabbit.queues(f"{self.instance}."):
            with contextlib.suppress(urllib.error.HTTPError):
                self.rabbit.api("DELETE", f"/queues/%2F/{urllib.parse.quote(name, safe='')}/contents")

    def queued(self) -> int:
        """Count the messages that wait in the queues of the instance."""
        lines = self.rabbit.control("list_queues", "--no-table-headers", "name", "messages_ready").splitlines()
        counts = dict(line.split("\t") for line in lines)
        return sum(int(n) for name, n in counts.items() if name.startswith(f"{self.instance}."))

    def garble(self, rates: Mapping[str, float] | None) -> None:
        """Have messages doubled, delayed or lost at these rates from now on; or have them left alone."""
        path = self.orders / "rates.json"
        if rates is None:
            path.unlink(missing_ok=True)
            return
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(rates))
        fresh.rename(path)

    def note(self, fault: str) -> None:
        """Count a fault."""
        with (self.orders / "faults").open("a") as book:
            book.write(f"{fault}\n")

    def noted(self, book: str = "faults") -> Counter[str]:
        """Count what a book says."""
        path = self.orders / book
        return Counter(path.read_text().splitlines() if path.exists() else [])

    def last_words(self) -> str:
        """Give the ends of all logs."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)

    def close(self) -> None:
        """End everything."""
        self._over.set()
        if self._keeper.ident is not None:
            self._keeper.join()
        for member in self.members:
            member.close()
        self.engine.dispose()
