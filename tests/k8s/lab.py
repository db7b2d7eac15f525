"""A detector's centre around an image of workers: servers and services of this machine, sites that both sides see."""

import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from headframe.consumers.steps.sealing import make_keypair
from headframe.consumers.tpc.simulate import write_raw

from ..integration.rabbit_server import RabbitServer
from ..integration.servers import Process, free_ports, wait_until
from .image import Image

CONFIG = """
instance = "headframe"

[database]
url = "postgresql://database.invalid/headframe"

[broker]
url = "{url}"
user = "{user}"
password_file = "broker"
management = "http://127.0.0.1:{api_port}"

[web]
port = {port}

[site.inbox]
path = "{sites}/inbox"
paths = {{ pod = "/sites/inbox" }}
kind = "source"

[site.work]
path = "{sites}/work"
paths = {{ pod = "/sites/work" }}
kind = "processing"

[inbox.main]
site = "inbox"
pattern = '(?P<kind>[a-z]+)_(?P<run>\\d+)_(?P<sequence>\\d+)\\.h5'

[run_type.science]
placed_when = ["work"]

[[pipeline.default.step]]
name = "salt"
to = "salted"
owned_by = "file"
options = {{ salter = "tpc", rate = 1, distribution = "fixed" }}

[[pipeline.default.step]]
name = "place"
to = "placed"
makes = "copy"
owned_by = "file"

[[pipeline.default.step]]
name = "reconstruct"
to = "reconstructed"
options = {{ reconstructor = "tpc" }}

[[pipeline.default.step]]
name = "catalog"
to = "cataloged"
makes = "nothing"

[worker]
count = 0
work_site = "work"
logs = "{sites}/work/logs"

[private.salt]
committee_public_key_file = "committee.public"
salt_secret_file = "salt.secret"
"""


class Lab:
    """Configuration and sites in a folder; group 0, which every image has, may write to the sites."""

    def __init__(self, folder: Path, database_url: str, rabbit: RabbitServer) -> None:
        self.folder, self.database_url = folder, database_url
        self.config, self.sites = folder / "config", folder / "sites"
        for each in (self.config, self.sites / "inbox", self.sites / "work"):
            each.mkdir(parents=True)
            each.chmod(0o2770)
        (port,) = free_ports(1)
        said = CONFIG.format(url=rabbit.url, user=rabbit.user, api_port=rabbit.api_port, sites=self.sites, port=port)
        _, public = make_keypair()
        for name, content in (
            ("headframe.toml", said),
            ("broker", rabbit.password),
            ("committee.public", public),
            ("salt.secret", secrets.token_hex(32)),
        ):
            (self.config / name).write_text(content)
            (self.config / name).chmod(0o440)

    @contextmanager
    def services(self) -> Iterator[None]:
        """Have all services on this machine, and no worker."""
        variables = {**os.environ, "HEADFRAME_DATABASE__URL": self.database_url}
        words = [sys.executable, "-m", "headframe", "--config", str(self.config / "headframe.toml"), "up"]
        process = Process(words, variables, self.folder / "up.log", self.folder)
        try:
            yield
        finally:
            process.end(signal.SIGTERM)

    @contextmanager
    def worker(self, image: Image) -> Iterator[None]:
        """Have a worker of an image, as a pod starts it."""
        mounts, written = (
            {"/etc/headframe": self.config, "/sites/inbox": self.sites / "inbox"},
            {"/sites/work": self.sites / "work"},
        )
        variables = ["HEADFRAME_HOST_CLASS=pod", "HEADFRAME_WORKER__LOGS=/sites/work/logs"]
        command = image.as_pod(["env", *variables, "headframe", "worker"], mounts, written)
        process = Process(command, os.environ, self.folder / "worker.log", self.folder)
        try:
            yield
        finally:
            process.end(signal.SIGKILL)

    def take(self, files: int) -> None:
        """Take a run."""
        for sequence in range(1, files + 1):
            hidden, path = self.sites / f"{sequence}.part", self.sites / "inbox" / f"science_1_{sequence}.h5"
            write_raw(
                hidden, run=1, sequence=sequence, kind="science", seed=sequence, events=4, first_event=4 * sequence
            )
            hidden.chmod(0o440)
            hidden.rename(path)

    def wait(self, files: int, seconds: float) -> list[str]:
        """Wait until so many files are through or have failed; give their states."""
        with psycopg2.connect(self.database_url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
            connection.autocommit = True

            def through() -> bool:
                cursor.execute("select state from headframe.item where scope = 'file' and phase in ('done', 'failed')")
                return cursor.rowcount == files

            wait_until(through, seconds, f"{files} files are through: {self.said()}")
            return [state for (state,) in cursor.fetchall()]

    def said(self) -> str:
        """Give the end of what the worker said."""
        log = self.folder / "worker.log"
        return log.read_text()[-2000:] if log.exists() else ""
