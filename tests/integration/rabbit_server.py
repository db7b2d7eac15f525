"""A private RabbitMQ for tests, with a management API, TLS and an epmd of its own."""

import base64
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .servers import Process, ServerMissing, free_ports, listening, temporary_in_memory, wait_until


class RabbitServer:
    """A private RabbitMQ with its management API, started in a folder of its own."""

    user = "headframe"
    vhost = "/"
    host = "127.0.0.1"

    def __init__(self) -> None:
        found = shutil.which("rabbitmq-server", path="/usr/lib/rabbitmq/bin:/opt/rabbitmq/sbin:/usr/local/sbin")
        if not found or not shutil.which("erl"):
            raise ServerMissing("no RabbitMQ here: `apt-get install --no-install-recommends rabbitmq-server`")
        self.program = Path(found)
        self.folder = temporary_in_memory("mq")
        self.password = secrets.token_urlsafe(12)
        self.port, self.tls_port, self.api_port, self._dist_port, self._epmd_port = free_ports(5)
        self.process: Process | None = None
        self._epmd: Process | None = None
        self.cafile, self._certificate, self._key = (
            self.folder / "ca.pem",
            self.folder / "tls.pem",
            self.folder / "tls.key",
        )
        self.tls = self._make_certificate()
        self._write_configuration()

    @property
    def url(self) -> str:
        """Give the URL, without credentials."""
        return f"amqp://{self.host}:{self.port}/"

    @property
    def tls_url(self) -> str:
        """Give the URL of the TLS listener, which `cafile` vouches for; only where `tls` is true."""
        return f"amqps://localhost:{self.tls_port}/"

    def start(self) -> None:
        """Start epmd and the broker; return when it takes connections."""
        if self._epmd is None:
            epmd = shutil.which("epmd") or "epmd"
            command = [epmd, "-port", str(self._epmd_port), "-address", "127.0.0.1"]
            self._epmd = Process(command, self._env(), self.folder / "epmd.log", self.folder)
            wait_until(lambda: listening(self._epmd_port), 60, "epmd up")
        self.process = Process([str(self.program)], self._env(), self.folder / "log", self.folder)
        wait_until(lambda: self._started() and listening(self.port), 180, f"RabbitMQ up in {self.folder}")
        wait_until(lambda: self._started() and self._api_answers(), 180, "RabbitMQ's management API up")
        # Without a delivery limit, RabbitMQ 3.10 puts what is returned to a quorum queue at its end, not its front.
        policy = {"pattern": ".*", "definition": {"delivery-limit": 1_000_000}, "apply-to": "queues", "priority": -1}
        self.api("PUT", "/policies/%2F/keep-places", policy)

    def stop(self) -> None:
        """Shut down in an orderly way."""
        if self.process:
            self.process.end(signal.SIGTERM, within_s=60)

    def kill(self) -> None:
        """End the broker without any notice, as a power cut would."""
        if self.process:
            self.process.end(signal.SIGKILL)

    def restart(self) -> None:
        """Shut down in an orderly way and start again with the same data."""
        self.stop()
        self.start()

    def wipe(self) -> None:
        """Kill it, lose all its data (queues, messages, bindings) and start it again."""
        self.kill()
        shutil.rmtree(self.folder / "mnesia", ignore_errors=True)
        self.start()

    def remove(self) -> None:
        """End broker and epmd and delete the folder."""
        self.kill()
        if self._epmd:
            self._epmd.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def api(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Call the management API, e.g. `api("GET", "/queues")`; `%2F` is the default virtual host."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.api_port}/api{path}", method=method)
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def queues(self, prefix: str) -> list[str]:
        """List the queues whose names begin with a prefix."""
        pattern = urllib.parse.quote(f"^{prefix}")
        found = self.api("GET", f"/queues?disable_stats=true&use_regex=true&name={pattern}&page=1&page_size=500")
        return [queue["name"] for queue in found["items"]]

    def delete(self, prefix: str) -> None:
        """Delete the queues and exchanges whose names begin with a prefix."""
        exchanges = [each["name"] for each in self.api("GET", "/exchanges/%2F")]
        for kind, names in (("queues", self.queues(prefix)), ("exchanges", exchanges)):
            for name in names:
                if name.startswith(prefix):
                    with contextlib.suppress(urllib.error.HTTPError):
                        self.api("DELETE", f"/{kind}/%2F/{urllib.parse.quote(name, safe='')}")

    def delete_policies(self, prefix: str) -> None:
        """Delete the policies whose names begin with a prefix."""
        for each in self.api("GET", "/policies/%2F"):
            if each["name"].startswith(prefix):
                self.api("DELETE", f"/policies/%2F/{urllib.parse.quote(each['name'], safe='')}")

    def close_connections(self) -> int:
        """Close every client's connection from the server's side; give the number."""
        code = 'length([rabbit_networking:close_connection(P, "by a test") || P <- rabbit_networking:connections()]).'
        return int(self.control("eval", code).split()[-1])

    def alarm(self, on: bool) -> None:
        """Set or clear a memory alarm: publishing connections are blocked while it is set."""
        self.control("set_vm_memory_high_watermark", "0.0000001" if on else "0.6")

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl (takes a second or two); give what it printed."""
        command = [str(self.program.with_name("rabbitmqctl")), "-q", *arguments]
        done = subprocess.run(command, env=self._env(), capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {arguments[0]} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def _started(self) -> bool:
        return self.process is not None and self.process.running()

    def _api_answers(self) -> bool:
        with contextlib.suppress(OSError):
            self.api("GET", "/whoami")
            return True
        return False

    def _make_certificate(self) -> bool:
        if not shutil.which("openssl"):
            return False
        same = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        subprocess.run(
            [*same, *names, "-keyout", str(self._key), "-out", str(self._certificate)],
            capture_output=True,
            check=True,
        )
        shutil.copy(self._certificate, self.cafile)
        return True

    def _write_configuration(self) -> None:
        settings: dict[str, object] = {
            "listeners.tcp.1": f"127.0.0.1:{self.port}",
            "management.tcp.ip": "127.0.0.1",
            "management.tcp.port": self.api_port,
            "management.rates_mode": "none",
            "collect_statistics_interval": 500,  # else the management API is five seconds behind what it is asked for
            "default_user": self.user,
            "default_pass": self.password,
            "disk_free_limit.absolute": "1MB",
        }
        if self.tls:
            settings |= {
                "listeners.ssl.1": f"127.0.0.1:{self.tls_port}",
                "ssl_options.cacertfile": self.cafile,
                "ssl_options.certfile": self._certificate,
                "ssl_options.keyfile": self._key,
                "ssl_options.verify": "verify_none",
            }
        lines = [f"{key} = {value}\n" for key, value in settings.items()]
        (self.folder / "rabbitmq.conf").write_text("".join(lines))
        (self.folder / "advanced.config").write_text("[].\n")
        (self.folder / "plugins").write_text("[rabbitmq_management].\n")
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)

    def _env(self) -> dict[str, str]:
        here = self.folder
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LC_ALL": "C.UTF-8",
            "HOME": str(here),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"headframe{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(here / "mnesia"),
            "RABBITMQ_LOG_BASE": str(here / "logs"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(here / "generated"),
            "RABBITMQ_SCHEMA_DIR": str(here / "schema"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(here / "mnesia" / "feature_flags"),
            "RABBITMQ_PID_FILE": str(here / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(here / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
            # The script then becomes the broker, so that our child's id is the broker's.
            "RUNNING_UNDER_SYSTEMD": "1",
        }
