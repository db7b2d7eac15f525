"""One process of the centre: started, killed, frozen; perhaps with a proxy to each server or with a wrong clock."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from ..integration.proxy import TcpProxy
from ..integration.servers import Process, with_packages

HERE = Path(__file__).parent


def argv(config: Path, *words: str) -> list[str]:
    """Give the command of a process, with the suite's wraps in it."""
    return [sys.executable, "-m", "headframe_faults", "--config", str(config), *words]


def environment(orders: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of a process: it finds the wraps, and they find their orders."""
    return {**with_packages(HERE / "plugin"), "HEADFRAME_FAULTS": str(orders), **(more or {})}


def wrong_clock(seconds: float) -> dict[str, str]:
    """Give what makes a process (and its children) believe in another time; monotonic clocks stay right.

    Not by libfaketime: its 0.9.10 makes `clock_nanosleep` fail (EINVAL), and so Python's `time.sleep`.
    """
    return {"HEADFRAME_FAULTS_CLOCK_S": str(seconds)}


class Member:
    """A process that is to run; `broker` and `database` are its own ways to the servers."""

    def __init__(
        self,
        name: str,
        config: Path,
        orders: Path,
        proxies: Mapping[str, TcpProxy],
        settings: Mapping[str, str],
    ) -> None:
        self.name, self.role = name, name.rpartition("-")[0]
        self.config, self.orders, self.settings = config, orders, dict(settings)
        self.proxies = dict(proxies)
        self.log = config.parent / f"{name}.log"
        self.process: Process | None = None
        self.wanted = self.frozen = False

    def start(self) -> None:
        """Start it; from a thread that outlives it, for it dies with that thread."""
        env = environment(self.orders, {"HEADFRAME_FAULTS_SEED": self.name, **self.settings})
        self.process = Process(argv(self.config, self.role), env, self.log, self.config.parent)
        self.wanted, self.frozen = True, False

    def lives(self) -> bool:
        """Say whether the process is there."""
        return self.process is not None and self.process.popen.poll() is None

    def kill(self) -> None:
        """End it as a power cut would; the keeper starts it again."""
        self._signal(signal.SIGKILL)

    def freeze(self, *, whole: bool = False) -> None:
        """Stop it where it stands; a worker's steps only where `whole`, as when the node stands still."""
        self.frozen = True
        self._signal(signal.SIGSTOP, whole=whole)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT, whole=True)
        self.frozen = False

    def leave(self) -> None:
        """Ask it to end, and wait."""
        self.wanted = False
        if self.process is not None:
            self.process.end(signal.SIGTERM, within_s=20)

    def close(self) -> None:
        """End it for good."""
        self.wanted = False
        if self.process is not None:
            self.process.end(signal.SIGKILL)
        for proxy in self.proxies.values():
            proxy.close()

    def _signal(self, which: signal.Signals, *, whole: bool = False) -> None:
        if not self.lives():
            return
        assert self.process is not None
        try:
            me = psutil.Process(self.process.pid)
            for each in [*(me.children(recursive=True) if whole else []), me]:
                each.send_signal(which)
        except psutil.NoSuchProcess:
            return
