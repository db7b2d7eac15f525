"""Every list page and list command, and how long the server takes for each."""

import re
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, Engine, event

from headframe.statemachine import views as v
from headframe.statemachine.why import why_file, why_run
from headframe.web.app import create_app
from headframe.web.settings import Settings

from .cpu import Cpu, is_shared

TIMES = 7
COMMAND = v.Page(limit=1000)
"""What a list command asks for unless told otherwise."""
Look = Callable[[Connection], Any]


class Took(NamedTuple):
    """Milliseconds by the clock, in the middle and at worst; and those that were spent computing."""

    name: str
    median: float
    worst: float
    computing: float

    def __str__(self) -> str:
        by_clock = f"median {self.median:6.1f} ms  worst {self.worst:6.1f} ms"
        return f"{self.name:38} {by_clock}  computing {self.computing:6.1f} ms"

    @property
    def fair(self) -> float:
        """Give what a server of one's own would take, about."""
        return self.computing if is_shared() else self.median


def pages(engine: Engine, run: int, file: int) -> list[Took]:
    """Look at each page several times; the time is the application's own, from the request to the last byte made."""
    client = create_app(engine, Settings(instance="headframe")).test_client()
    with engine.connect() as conn:
        second = v.runs(conn, page=v.Page(limit=50)).next
    addresses = (
        "/", f"/?after={second}", "/?state=cataloged", f"/runs/{run}", f"/runs/{run}/files",
        f"/runs/{run}/files?phase=done", f"/files/{file}", "/dead-letters", "/dead-letters?code=vanished", "/metrics",
    )  # fmt: skip
    found, cpu = [], Cpu(engine)
    for address in addresses:
        times, computing = [], []
        for _ in range(TIMES):
            before = cpu.all()
            answer = client.get(address)
            computing.append(cpu.all() - before)
            assert answer.status_code == 200, address
            times.append(float(re.search(r"dur=([\d.]+)", answer.headers["Server-Timing"])[1]))  # type: ignore[index]
        found.append(
            _took(address.split("?after")[0] + ("?after=..." if "?after" in address else ""), times, computing)
        )
    return found


def commands(engine: Engine, run: int, name: str) -> list[Took]:
    """Ask what each command asks, several times; the time is what PostgreSQL takes for all of its questions."""
    found, cpu = [], Cpu(engine)
    for command, look in asked(run, name).items():
        times, computing = [], []
        for _ in range(TIMES):
            before = cpu.database()
            with engine.connect() as conn, _Watch(conn) as watch:
                look(conn)
            times.append(watch.seconds * 1000)
            computing.append(cpu.database() - before)
        found.append(_took(command, times, computing))
    return found


def asked(run: int, name: str) -> dict[str, Look]:
    """Give what each list command asks of the database."""
    F, A, R, page = v.FileFilter, v.AttemptFilter, v.RunFilter, COMMAND  # noqa: N806
    return {
        "status": v.status,
        "get runs": lambda c: v.runs(c, R(), page),
        "get runs --phase waiting": lambda c: v.runs(c, R(phase="waiting"), page),
        "get runs --state cataloged": lambda c: v.runs(c, R(state="cataloged"), page),
        "get files": lambda c: v.files(c, F(), page),
        "get files --run": lambda c: v.files(c, F(run=run), page),
        "get files --phase failed": lambda c: v.files(c, F(phase="failed"), page),
        "get files --phase ready": lambda c: v.files(c, F(phase="ready"), page),
        "get files --phase executing": lambda c: v.files(c, F(phase="executing"), page),
        "get files --phase done": lambda c: v.files(c, F(phase="done"), page),
        "get files --state cataloged": lambda c: v.files(c, F(state="cataloged"), page),
        "get files --state placed": lambda c: v.files(c, F(state="placed"), page),
        "get files --type science": lambda c: v.files(c, F(kind="science"), page),
        "get files --campaign": lambda c: v.files(c, F(campaign="realtime"), page),
        "get files --step reconstruct": lambda c: v.files(c, F(step="reconstruct"), page),
        "get files --reason-code exit-3": lambda c: v.files(c, F(reason_code="exit-3"), page),
        "get files NAME": lambda c: v.files(c, F(name=name), page),
        "get attempts": lambda c: v.attempts(c, A(), page),
        "get attempts --run": lambda c: v.attempts(c, A(run=run), page),
        "get attempts --running": lambda c: v.attempts(c, A(running=True), page),
        "get attempts --outcome failed": lambda c: v.attempts(c, A(outcome="failed"), page),
        "get attempts --step salt": lambda c: v.attempts(c, A(step="salt"), page),
        "get attempts --host node03": lambda c: v.attempts(c, A(host="node03"), page),
        "get attempts --host of few": lambda c: v.attempts(c, A(host="node99"), page),
        "get attempts --step of few": lambda c: v.attempts(c, A(step="summary"), page),
        "get attempts --reason-code exit-3": lambda c: v.attempts(c, A(reason_code="exit-3"), page),
        "get campaigns": lambda c: v.campaigns(c, page),
        "get sites": v.sites,
        "describe run": lambda c: v.run(c, run),
        "describe file": lambda c: v.file(c, name),
        "why run": lambda c: why_run(c, run),
        "why file": lambda c: why_file(c, name),
        "catalog find --run": lambda c: v.catalog_find(c, run),
        "catalog find --run --event": lambda c: v.catalog_find(c, run, event=4711),
        "db sizes": v.sizes,
    }


class _Watch:
    """Adds up what the statements of a connection take."""

    def __init__(self, conn: Connection) -> None:
        self.conn, self.seconds, self.began = conn, 0.0, 0.0

    def __enter__(self) -> Self:
        event.listen(self.conn, "before_cursor_execute", self._before)
        event.listen(self.conn, "after_cursor_execute", self._after)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self.conn, "before_cursor_execute", self._before)
        event.remove(self.conn, "after_cursor_execute", self._after)

    def _before(self, *_: object) -> None:
        self.began = time.perf_counter()

    def _after(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self.began


def _took(name: str, times: list[float], computing: list[float]) -> Took:
    return Took(name, statistics.median(times), max(times), statistics.median(computing))
