"""A house of real processes: each with its monitor, and a line to each server that can be cut or stalled."""

import contextlib
import functools
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

import headframe

from .proxy import TcpProxy
from .rabbit_server import RabbitServer
from .server_tables import server_tables
from .servers import PostgresServer, Process, free_ports, wait_until

CONFIG = """
[web]
port = {web}
[access]
reading = "open"
[site.mine]
path = "mine"
kind = "source"
[site.center]
path = "center"
[inbox.daq]
site = "mine"
path = "inbox"
pattern = 'run(?P<run>\\d+)_(?P<sequence>\\d+)\\.raw'
kind = "science"
stable_s = 1
scan_s = 1
[run_type.science]
[worker]
work_site = "center"
count = 1
[command.linger]
argv = ["sh", "-c", "sleep {linger_s}"]
[[pipeline.default.step]]
name = "reconstruct"
to = "reconstructed"
use = "command:linger"
makes = "nothing"
lease_s = 60
[launcher]
url = "http://127.0.0.1:{web}"
back_end = "local"
logs = "logs"
interval_s = 1
token_file = "launcher.token"
[pilot.reco]
steps = ["reconstruct"]
walltime = "0:10:00"
max = 1
"""
TOLERATED_S = 10.0
"""What is asked of a process that is told to leave."""
INSTALLED = {"PYTHONDONTWRITEBYTECODE": ""}
"""Processes find their byte code, as installed ones do; without it a start is for a good part compiling."""


@functools.cache
def compiled() -> None:
    """Have the byte code of this checkout written; its folders are links, which `compileall` does not follow."""
    package = Path(headframe.__file__).parent
    folders = [str(each) for each in (package, *package.iterdir()) if each.is_dir()]
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", *folders], env={**os.environ, **INSTALLED}, check=True, timeout=300
    )


class Resident:
    """One process, asked at its monitor's port."""

    def __init__(self, name: str, process: Process, port: int) -> None:
        self.name, self.process, self.port = name, process, port
        self.began = time.monotonic()

    def ask(self, path: str) -> tuple[int, Any]:
        """Ask its end point; 0 while nobody answers."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            client.request("GET", path)
            answer = client.getresponse()
            return answer.status, json.loads(answer.read())
        except OSError:
            return 0, {}
        finally:
            client.close()

    def ready(self) -> bool:
        """Say whether it has all that it needs."""
        assert self.process.running()
        return self.ask("/readyz")[0] == 200

    def await_ready(self, within_s: float = 60) -> tuple[float, float]:
        """Wait until it is ready; give the seconds since it was started, and the CPU seconds that took."""
        wait_until(self.ready, within_s, f"{self.name} ready: {self.ask('/readyz')}\n{self.said()}")
        took, used = time.monotonic() - self.began, psutil.Process(self.process.pid).cpu_times()
        return took, used.user + used.system

    def leave(self, within_s: float = 60) -> float:
        """Tell it to leave; give the seconds that it took. It has to end with 0."""
        began = time.monotonic()
        self.process.popen.send_signal(signal.SIGTERM)
        code = self.process.popen.wait(within_s)
        took = time.monotonic() - began
        assert code == 0, f"{self.name} ended with {code}:\n{self.said()}"
        return took

    def said(self) -> str:
        """Give what it has logged."""
        return self.process.log.read_text(errors="replace")

    def lines(self) -> list[dict[str, Any]]:
        """Give its log's lines. Raises `ValueError` where one is no JSON, such as a stack trace's."""
        return [json.loads(line) for line in self.said().splitlines()]


class House:
    """An instance with its servers behind proxies; `start` adds a process."""

    def __init__(
        self, folder: Path, instance: str, database: str, postgres: PostgresServer, rabbit: RabbitServer
    ) -> None:
        compiled()
        self.folder, self.instance, self.postgres, self.rabbit = folder, instance, postgres, rabbit
        self.to_database, self.to_broker = TcpProxy(postgres.port), TcpProxy(rabbit.port)
        (self.web_port,) = free_ports(1)
        self.inbox = folder / "mine/inbox"
        for made in (self.inbox, folder / "center", folder / "logs"):
            made.mkdir(parents=True)
        self.password = postgres.password
        (folder / "database.password").write_text(postgres.password)
        self.direct = database.replace(f":{postgres.password}@", "@")
        near = self.direct.replace(f":{postgres.port}/", f":{self.to_database.port}/")
        tables = server_tables(folder, instance, near, rabbit)
        tables = tables.replace("[broker]", 'password_file = "database.password"\n[broker]')
        tables = tables.replace(f":{rabbit.port}/", f":{self.to_broker.port}/")
        self.config = folder / "headframe.toml"
        self.config.write_text(tables + CONFIG.format(web=self.web_port, linger_s=600))
        self.residents: list[Resident] = []

    def command(self, *words: str) -> str:
        """Run a command to its end, past the proxies."""
        env = {**os.environ, **INSTALLED, "HEADFRAME_DATABASE__URL": self.direct}
        line = [sys.executable, "-m", "headframe", "--config", str(self.config), *words]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *words: str, settings: Mapping[str, str] | None = None) -> Resident:
        """Start a process: its role, and what else is on its command line."""
        (port,) = free_ports(1)
        told = {"HEADFRAME_MONITOR__PORT": str(port), "HEADFRAME_LOG__FORMAT": "json"}
        env = {**os.environ, **INSTALLED, **told, **(settings or {})}
        line = [sys.executable, "-m", "headframe", "--config", str(self.config), *words]
        log = self.folder / f"{words[0]}-{port}.log"
        made = Resident(words[0], Process(line, env, log, self.folder), port if words[0] != "web" else self.web_port)
        self.residents.append(made)
        return made

    def start_all(self) -> list[Resident]:
        """Start one of each that speaks to both servers, and a worker."""
        return [self.start(role) for role in ("conductor", "sweeper", "watch", "worker", "web")]

    def start_pilot(self) -> Resident:
        """Start a pilot, as a job script does."""
        return self.start("pilot", "--name", "reco", "--token", "hf-1")

    def make_token(self) -> None:
        """Give the launcher its token."""
        made = self.command("token", "make", "manners", "--role", "launcher")
        token = next(word for word in made.split() if len(word) > 30)
        (self.folder / "launcher.token").write_text(token)
        (self.folder / "launcher.token").chmod(0o600)

    def close(self) -> None:
        """End all."""
        for resident in self.residents:
            resident.process.end(signal.SIGKILL)
        for proxy in (self.to_database, self.to_broker):
            proxy.close()


@contextmanager
def frozen(server: PostgresServer | RabbitServer | Resident) -> Iterator[None]:
    """Have a server stand still, with all its processes: connections to it are taken, and never answered."""
    assert server.process is not None
    top = psutil.Process(server.process.pid)
    every = [top, *top.children(recursive=True)]
    for each in every:
        each.suspend()
    try:
        yield
    finally:
        for each in every:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()


def leave_together(residents: list[Resident]) -> dict[str, float]:
    """Tell all to leave at once; give how long each took."""
    took: dict[str, float] = {}

    def leave(resident: Resident) -> None:
        took[resident.name] = resident.leave()

    threads = [threading.Thread(target=leave, args=(each,)) for each in residents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(took) == {each.name for each in residents}, "one did not end with 0"
    return took


def no_stack_traces(residents: list[Resident]) -> None:
    for each in residents:
        assert "Traceback" not in each.said(), each.said()
