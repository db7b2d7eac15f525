"""`headframe web` as a process of its own, over a filled database."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from ..integration.servers import Process, free_ports, listening, wait_until

CONFIG = 'instance = "{instance}"\n[database]\nurl = "{url}"\n[web]\nport = {port}\n[log]\nlevel = "warning"\n'


@contextlib.contextmanager
def web_process(url: str, instance: str, folder: Path) -> Iterator[tuple[psutil.Process, int]]:
    """Start it; give the process and its port. Nothing may have gone wrong in it by the end."""
    (port,) = free_ports(1)
    config, log = folder / "headframe.toml", folder / "web.log"
    config.write_text(CONFIG.format(instance=instance, url=url, port=port))
    command = [sys.executable, "-m", "headframe", "--config", str(config), "web"]
    process = Process(command, dict(os.environ), log, folder)
    wait_until(lambda: process.running() and listening(port), 60, "the web process listens")
    try:
        yield psutil.Process(process.pid), port
    finally:
        process.end(signal.SIGTERM)
    assert "Traceback" not in log.read_text()
