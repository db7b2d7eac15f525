"""How much memory and processor each process takes under load: what k8s/ asks for stands on this.

    PYTHONPATH=src .venv/bin/python -m tests.benchmarks.sizes --files 3000 --runs 30

Starts a private PostgreSQL and RabbitMQ and each process as a centre would, lets files arrive, go through two steps
that do nothing, and pages be asked for meanwhile. Prints for each process what it took at its most, children included.
Memory is what lies in it (RSS), as if each was alone in its container; for servers of many processes the proportional
set (PSS), which counts what they share once. A second of processor is one however busy the machine was.
"""

import argparse
import contextlib
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib import request

import psutil
from sqlalchemy import Engine, create_engine, text

from ..integration.rabbit_server import RabbitServer
from ..integration.server_tables import server_tables
from ..integration.servers import PostgresServer, Process, free_ports, temporary, wait_until

EVERY_S = 0.25
PAGES = ("/", "/status", "/api/v1/runs", "/metrics")
SERVERS = ("postgres", "rabbitmq")
PARTS = {
    "conductor-live": ("conductor", "--lanes", "live"),
    "conductor-bulk": ("conductor", "--lanes", "bulk"),
    "sweeper": ("sweeper",),
    "watcher": ("watch",),
    "web": ("web",),
    "worker": ("worker",),
}
CONFIG = """
[web]
port = {port}
[site.mine]
path = "mine"
kind = "source"
[site.center]
path = "center"
[inbox.daq]
site = "mine"
path = "inbox"
pattern = 'run(?P<run>\\d+)_(?P<sequence>\\d+)\\.raw'
kind = "noop"
stable_s = 0.5
scan_s = 2
watch = false
[run_type.noop]
pipeline = "noop"
[[pipeline.noop.step]]
name = "one"
to = "first"
use = "noop"
makes = "nothing"
parcel = 20
[[pipeline.noop.step]]
name = "two"
to = "second"
use = "noop"
makes = "nothing"
parcel = 20
[worker]
work_site = "center"
[log]
level = "warning"
"""


@dataclass
class Taken:
    """What one process took: bytes of memory while idle and at its most, seconds of processor while it worked."""

    name: str
    process: psutil.Process
    idle: int = 0
    most: int = 0
    seconds: dict[int, float] = field(default_factory=dict)
    before_s: float = 0.0

    def look(self) -> int:
        """Look at it and its children; give the memory that they have now."""
        memory = 0
        for each in (self.process, *self.process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                memory += memory_of(each, shares=self.name in SERVERS)
                times = each.cpu_times()
                self.seconds[each.pid] = times.user + times.system
        self.most = max(self.most, memory)
        return memory

    @property
    def cpu_s(self) -> float:
        """Give the seconds of processor since the load began."""
        return sum(self.seconds.values()) - self.before_s


def memory_of(process: psutil.Process, *, shares: bool) -> int:
    """Give the memory of one process: its part of what is shared, where it shares much; else all."""
    return int(process.memory_full_info().pss if shares else process.memory_info().rss)


@contextlib.contextmanager
def servers() -> Iterator[tuple[PostgresServer, RabbitServer]]:
    """Start both servers, and end them."""
    with contextlib.ExitStack() as stack:
        started = [PostgresServer(), RabbitServer()]
        for each in started:
            stack.callback(each.remove)
            each.start()
        yield started[0], started[1]  # type: ignore[misc]


@contextlib.contextmanager
def parts(config: Path) -> Iterator[list[Taken]]:
    """Start each process, and end them in good order."""
    command, running = [sys.executable, "-m", "headframe", "--config", str(config)], []
    try:
        for name, words in PARTS.items():
            process = Process([*command, *words], dict(os.environ), config.parent / f"{name}.log", config.parent)
            running.append((name, process))
        yield [Taken(name, psutil.Process(process.pid)) for name, process in running]
    finally:
        for _, process in running:
            process.end(signal.SIGTERM)


def measure(files: int, runs: int, folder: Path) -> tuple[list[Taken], float]:
    """Run the load; give what each process took, and for how many seconds it went on."""
    with servers() as (postgres, rabbit):
        (port,) = free_ports(1)
        config = configured(folder, postgres, rabbit, port)
        command = [sys.executable, "-m", "headframe", "--config", str(config), "db", "upgrade"]
        upgrade = Process(command, dict(os.environ), folder / "upgrade.log", folder)
        assert upgrade.popen.wait(120) == 0, (folder / "upgrade.log").read_text()
        engine = create_engine(postgres.url.replace("postgresql://", "postgresql+psycopg2://"))
        with parts(config) as taken, pages(port):
            time.sleep(10)  # what they take while nothing happens
            for each in (*taken, *of_servers(postgres, rabbit, taken)):
                each.idle = each.look()
                each.before_s = sum(each.seconds.values())
            began = time.monotonic()
            arrive(folder / "mine" / "inbox", files, runs)
            watch(taken, engine, files)
            return taken, time.monotonic() - began


def of_servers(postgres: PostgresServer, rabbit: RabbitServer, taken: list[Taken]) -> list[Taken]:
    """Watch the servers as well."""
    for name, server in zip(SERVERS, (postgres, rabbit), strict=True):
        assert server.process
        taken.append(Taken(name, psutil.Process(server.process.pid)))
    return taken[-2:]


def configured(folder: Path, postgres: PostgresServer, rabbit: RabbitServer, port: int) -> Path:
    """Write the configuration and make the sites."""
    path = folder / "headframe.toml"
    instance = f"s{secrets.token_hex(3)}"
    path.write_text(server_tables(folder, instance, postgres.url, rabbit) + CONFIG.format(port=port))
    (folder / "mine" / "inbox").mkdir(parents=True)
    (folder / "center").mkdir()
    return path


def arrive(inbox: Path, files: int, runs: int) -> None:
    """Write all files at once: as much as can come together."""
    for number in range(files):
        (inbox / f"run{number % runs:04}_{number // runs:05}.raw").write_bytes(os.urandom(64))


def watch(taken: list[Taken], engine: Engine, files: int) -> None:
    """Look at all processes until every file is done."""
    with engine.connect() as connection:
        schema = connection.execute(text("select nspname from pg_namespace where nspname ~ '^s[0-9a-f]{6}$'")).scalar()
    question = text(f'select count(*) from "{schema}".item where phase = :done and scope = :file')
    asked = {"done": "done", "file": "file"}

    def done() -> bool:
        for each in taken:
            each.look()
        time.sleep(EVERY_S)
        with engine.connect() as connection:
            return connection.execute(question, asked).scalar_one() >= files

    wait_until(done, 900, f"{files} files done")


@contextlib.contextmanager
def pages(port: int) -> Iterator[None]:
    """Have somebody ask for pages, each twice a second."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.5):
            for path in PAGES:
                with contextlib.suppress(OSError), request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
                    answer.read()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--runs", type=int, default=30)
    asked = parser.parse_args()
    taken, seconds = measure(asked.files, asked.runs, temporary("sizes"))
    print(f"{asked.files} files of {asked.runs} runs, two steps each, in {seconds:.0f} s")
    print(f"{'process':16}{'idle MiB':>10}{'peak MiB':>10}{'CPU s':>10}{'CPU s a 1,000 files':>22}")
    for each in taken:
        cpu = each.cpu_s
        print(f"{each.name:16}{each.idle >> 20:>10}{each.most >> 20:>10}{cpu:>10.1f}{cpu / asked.files * 1000:>22.2f}")


if __name__ == "__main__":
    main()
