"""Every process on its own, over real RabbitMQ and real PostgreSQL, two of each kind: as at a centre."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from .proxy import TcpProxy
from .rabbit_server import RabbitServer
from .server_tables import server_tables
from .servers import wait_until

FILES = 20
CONFIG = """
[web]
port = 0
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
placed_when = ["center"]
[[pipeline.default.step]]
name = "place"
to = "placed"
makes = "copy"
owned_by = "file"
parcel = 5
[[pipeline.default.step]]
name = "catalog"
to = "cataloged"
makes = "nothing"
parcel = 5
[worker]
work_site = "center"
"""


class Centre:
    """The processes of one instance."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str) -> None:
        with (self.config.parent / f"{words[0]}.log").open("ab") as log:
            self.running.append(subprocess.Popen(self._argv(*words), stdout=log, stderr=log))

    def log(self, name: str) -> str:
        return (self.config.parent / f"{name}.log").read_text()

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._argv(*words), capture_output=True, text=True, check=False, timeout=120)

    def stop(self) -> list[int]:
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        return [process.wait(timeout=90) for process in self.running]

    def logs(self) -> str:
        return "\n".join(path.read_text()[-2000:] for path in self.config.parent.glob("*.log"))

    def _argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "headframe", "--config", str(self.config), *words]


@pytest.fixture
def centre(tmp_path: Path, empty_database_url: str, rabbit: RabbitServer, rabbit_instance: str) -> Iterator[Centre]:
    config = tmp_path / "headframe.toml"
    config.write_text(server_tables(tmp_path, rabbit_instance, empty_database_url, rabbit) + CONFIG)
    (tmp_path / "mine/inbox").mkdir(parents=True)
    (tmp_path / "center").mkdir()
    made = Centre(config)
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
            process.wait()


def take_run_7(centre: Centre) -> None:
    inbox = centre.config.parent / "mine/inbox"
    for sequence in range(1, FILES + 1):
        (inbox / f"run7_{sequence}.raw").write_text(f"content {sequence}")
    (inbox / "run7.json").write_text(json.dumps({"run": 7, "type": "science", "closed": True, "expected": FILES}))


def test_two_of_each_process_catalog_a_run_once_and_leave_when_told(centre: Centre) -> None:
    upgraded = centre.command("db", "upgrade")
    assert upgraded.returncode == 0, upgraded.stderr
    for name in ("conductor", "sweeper", "watch", "worker"):
        centre.start(name)
        centre.start(name)
    take_run_7(centre)
    wait_until(lambda: centre.command("describe", "run", "7").returncode == 0, 90, "run 7 is known")
    done = centre.command("wait", "--for", "state=cataloged", "run", "7", "--timeout", "100s")
    assert done.returncode == 0, done.stdout + done.stderr + centre.logs()
    verified = centre.command("verify", "--deep")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    wait_until(lambda: "center" in centre.command("get", "runs", "7", "-o", "json").stdout, 60, "copies are counted")
    assert centre.stop() == [0] * 8, centre.logs()


def test_processes_that_start_before_their_servers_wait_for_them(
    centre: Centre, rabbit: RabbitServer, empty_database_url: str
) -> None:
    assert centre.command("db", "upgrade").returncode == 0
    port = make_url(empty_database_url).port or 5432
    servers = TcpProxy(rabbit.port), TcpProxy(port)
    for server in servers:
        server.refuse()
    text = centre.config.read_text()
    text = text.replace(f":{rabbit.port}", f":{servers[0].port}").replace(f":{port}", f":{servers[1].port}")
    centre.config.write_text(text)
    names = ("conductor", "sweeper", "watch", "worker")
    for name in names:
        centre.start(name)
    take_run_7(centre)
    for name in names:
        server = "broker" if name == "worker" else "database"
        said = f"waiting for the {server}"
        wait_until(lambda name=name, said=said: said in centre.log(name), 60, f"{name} says what it waits for")
    servers[1].admit()
    for name in names:
        said = "waiting for the broker"
        wait_until(lambda name=name, said=said: said in centre.log(name), 60, f"{name} waits for the broker")
    servers[0].admit()
    wait_until(lambda: centre.command("describe", "run", "7").returncode == 0, 90, "run 7 is known")
    done = centre.command("wait", "--for", "state=cataloged", "run", "7", "--timeout", "100s")
    assert done.returncode == 0, done.stdout + done.stderr + centre.logs()
    assert centre.stop() == [0] * 4, centre.logs()
    assert not any("Traceback" in centre.log(name) for name in names), centre.logs()
    for server in servers:
        server.close()
