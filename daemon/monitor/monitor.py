"""What one process tells of itself: which loops it has, what it needs, and its end point where one is configured.

Alive means that every loop comes round; not that servers are there, for starting again would help nobody then. Ready
means that it is connected to what it needs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .loop import Loop
from .readiness import Check, Need
from .waiting import Waiting

if TYPE_CHECKING:
    from ..config import Config
    from .endpoint import Answer, Endpoint

Conducted = Callable[[str, Sequence[str], float], None]
"""Hears of each batch of a conductor: its lane, the kinds of its messages, the seconds that it took."""


class Monitor:
    """Any thread may add loops and needs. Without an end point it costs nothing but the clock.

    A loop that has been at one turn for `hang_s` hangs.
    """

    def __init__(self, role: str, hang_s: float) -> None:
        self.role, self.hang_s, self.waiting = role, hang_s, Waiting()
        self.conducted: Conducted = lambda *_: None
        self._loops: dict[str, Loop] = {}
        self._needs: dict[str, Need] = {}
        self._started = False
        self._over = threading.Event()
        self._endpoint: Endpoint | None = None

    def loop(self, name: str) -> Loop:
        """Add a loop; it counts from its first beat on."""
        made = self._loops[name] = Loop(name, self.waiting, self.hang_s)
        return made

    def needs(self, name: str, check: Check) -> None:
        """Add something that it needs in order to be ready."""
        need = self._needs[name] = Need(name, check)
        if self._endpoint is not None:
            self._look(need)

    def started(self) -> None:
        """All loops and needs are there: from now on it can be ready."""
        self._started = True

    def open(self, config: Config) -> None:
        """Answer at the configured address; nowhere where the port is 0. Raises `OSError` where it is taken."""
        if not config.monitor.port:
            return
        from prometheus_client import make_wsgi_app

        from .endpoint import Endpoint
        from .figures import Figures

        figures = Figures(self.role, lambda: tuple(self._loops.values()))
        self.conducted = figures.conducted
        pages = {"/livez": self.alive, "/readyz": self.ready}
        self._endpoint = Endpoint(config.monitor.host, config.monitor.port, pages, make_wsgi_app(figures.registry))
        for need in self._needs.values():
            self._look(need)

    def _look(self, need: Need) -> None:
        threading.Thread(target=need.run, args=(self._over,), name=f"needs {need.name}", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._over.set()
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None

    def hanging(self) -> list[str]:
        """Name the loops that have been at one turn for longer than any may take."""
        return [loop.name for loop in tuple(self._loops.values()) if loop.hangs]

    def alive(self) -> Answer:
        """Say whether every loop comes round, and name those that hang."""
        hangs = self.hanging()
        ages = {loop.name: round(loop.age_s(), 1) for loop in tuple(self._loops.values())}
        status = "ok" if not hangs else "hangs"
        return not hangs, {"status": status, "role": self.role, "hangs": hangs, "loops": ages}

    def ready(self) -> Answer:
        """Say whether it is connected to all that it needs, and what is wrong where it is not."""
        wrong = {need.name: need.wrong() for need in tuple(self._needs.values())}
        well = self._started and not any(wrong.values())
        status = "ready" if well else "waiting" if self._started else "starting"
        checks = {name: {"ok": not said, **({"error": said} if said else {})} for name, said in wrong.items()}
        return well, {"status": status, "role": self.role, "checks": checks}
