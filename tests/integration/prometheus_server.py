"""A private Prometheus, a private Alertmanager, and whom the second tells: on loopback, in folders of their own."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from .servers import Process, ServerMissing, free_ports, temporary, wait_until

WORDS = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def find(*names: str) -> str:
    """Give the first of these programs that is here. Raises `ServerMissing`."""
    for name in names:
        if found := shutil.which(name):
            return found
    packages = "prometheus prometheus-alertmanager"
    raise ServerMissing(f"no {names[0]} here: `apt-get install --no-install-recommends {packages}`")


def tool(program: str, *words: str, folder: Path | None = None) -> str:
    """Run promtool or amtool; give what it printed. Raises `AssertionError` with that where it was not content."""
    command = [find(program), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=120)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


class Watched(NamedTuple):
    """An alert as Prometheus knows it."""

    name: str
    state: str
    labels: dict[str, str]


class _Server:
    """A program with an HTTP interface, in a folder of its own."""

    ready = "/-/ready"

    def __init__(self, name: str) -> None:
        self.folder = temporary(name)
        (self.port,) = free_ports(1)
        self.process: Process | None = None

    @property
    def url(self) -> str:
        """Give the address."""
        return f"http://127.0.0.1:{self.port}"

    def begin(self, command: Sequence[str]) -> None:
        """Start; return when it answers."""
        self.process = Process(command, WORDS, self.folder / "log", self.folder)
        process = self.process
        wait_until(lambda: process.running() and self._answers(), 120, f"{command[0]} up in {self.folder}")

    def get(self, path: str, **asked: str) -> Any:
        """Ask its API."""
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(asked)}", timeout=30) as answer:
            return json.loads(answer.read())

    def remove(self) -> None:
        """End it and delete the folder."""
        if self.process:
            self.process.end(signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}{self.ready}", timeout=5) as answer:
            return bool(answer.status == 200)
        return False


class PrometheusServer(_Server):
    """Prometheus. `configuration` stands in its folder, beside the files of rules that it names."""

    def __init__(self) -> None:
        self.program = find("prometheus")
        super().__init__("prom")

    def start(self, configuration: str) -> None:
        """Start with this configuration."""
        (self.folder / "prometheus.yml").write_text(configuration)
        options = ["--storage.tsdb.path=data", "--storage.tsdb.retention.time=2h", "--log.level=warn"]
        listen = f"--web.listen-address=127.0.0.1:{self.port}"
        self.begin([self.program, "--config.file=prometheus.yml", listen, *options])

    def value(self, expression: str) -> float | None:
        """Give the one value of an expression now; none where it has none."""
        found = self.get("/api/v1/query", query=expression)["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def rules(self) -> list[dict[str, Any]]:
        """Give the rules, with how each did when it was evaluated last."""
        groups = self.get("/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def alerts(self) -> list[Watched]:
        """Give the alerts that are pending or firing."""
        found = self.get("/api/v1/alerts")["data"]["alerts"]
        return [Watched(each["labels"]["alertname"], each["state"], each["labels"]) for each in found]

    def targets(self) -> dict[str, str]:
        """Give whom it scrapes, and how that goes: up, down or unknown."""
        found = self.get("/api/v1/targets")["data"]["activeTargets"]
        return {each["labels"]["instance"]: each["health"] for each in found}


class AlertmanagerServer(_Server):
    """Alertmanager, alone: it looks for no others of its kind."""

    def __init__(self) -> None:
        self.program = find("prometheus-alertmanager", "alertmanager")
        super().__init__("am")

    def start(self, configuration: str) -> None:
        """Start with this configuration."""
        (self.folder / "alertmanager.yml").write_text(configuration)
        listen = [f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="]
        options = ["--storage.path=data", "--log.level=warn"]
        self.begin([self.program, "--config.file=alertmanager.yml", *listen, *options])


class Receiver:
    """A web hook: it takes what an Alertmanager tells, and remembers it."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.told.append({**body, "authorization": self.headers.get("Authorization", "")})
                self.send_response(200)
                self.end_headers()

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        """Give the address to tell."""
        return f"http://127.0.0.1:{self.server.server_port}/told"

    def statuses(self) -> dict[str, str]:
        """Give what was said last of each alert, by its code: `firing` or `resolved`."""
        return {each["labels"]["code"]: each["status"] for each in self._alerts()}

    def last(self, code: str) -> str:
        """Give what was said last of a code; empty where nothing was."""
        return self.statuses().get(code, "")

    def alert(self, code: str) -> dict[str, Any]:
        """Give the alert with this code as it was told last."""
        return [each for each in self._alerts() if each["labels"]["code"] == code][-1]

    def _alerts(self) -> list[dict[str, Any]]:
        return [alert for message in list(self.told) for alert in message["alerts"]]

    def remove(self) -> None:
        """End."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
