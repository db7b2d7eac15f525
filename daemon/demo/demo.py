"""The demonstration: bring everything up, take two science runs and one calibration run, show them, sum up."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.live import Live
from sqlalchemy import text

from .. import logs
from ..config import load
from ..stopping import stopping
from ..up import Up, running
from .folder import OPERATOR, operator, prepare
from .plan import Plan
from .show import Row, look, picture, settled, summarize

FILES = {"science": 8, "calibration": 6}
PATIENCE_S = 600.0


class DemoFailedError(Exception):
    """The demonstration did not come to its end; the text says what stood in the way."""


def run(exit_when_done: bool = False, folder: Path | None = None, scale: int = 1) -> int:
    """Run the demonstration in `folder`; give 0 when all was cataloged. Each time it takes three more runs."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        _run(console, exit_when_done, folder or Path("demo-data"), scale)
    except DemoFailedError as error:
        console.print(str(error))
        return 1
    return 0


def _run(console: Console, exit_when_done: bool, folder: Path, scale: int) -> None:
    config = load(prepare(folder), os.environ)
    logs.set_up(config)
    stop = stopping()
    warm(console)
    with running(config, stop) as up:
        plans = _plans(up, scale)
        numbers = [plan.number for plan in plans]
        console.print(f"page: {up.address}")
        console.print(f"sign in there as {OPERATOR}; the password is in {operator(up.engine, folder)}")
        began = time.monotonic()
        inbox = config.inbox_root("daq")
        with _detector(inbox, plans):
            _watch(console, up, numbers, stop)
        if stop.is_set():
            return
        summarize(console, up.engine, numbers, time.monotonic() - began)
        if not exit_when_done:
            console.print(f"the page stays at {up.address} until Ctrl-C")
            stop.wait()


@contextmanager
def _detector(inbox: Path, plans: Sequence[Plan]) -> Iterator[None]:
    """Run the detector in a process of its own, as a real one would."""
    argv = [sys.executable, "-m", "headframe.daemon.demo.detector", str(inbox), msgspec.json.encode(plans).decode()]
    taking = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        taking.terminate()
        taking.wait()


def warm(console: Console) -> None:
    """Compile the reconstruction once, in a process of its own: what numba compiles is kept for next time."""
    os.environ.setdefault("NUMBA_CACHE_DIR", str(Path.home() / ".cache" / "headframe" / "numba"))
    program = "from headframe.consumers.tpc.reconstruction import warm_up; warm_up()"
    said = "compiling the reconstruction (the first time takes a minute or two)"
    if not console.is_terminal:
        console.print(said)
    with console.status(said):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        remedy = "; install its packages: pip install 'headframe[tpc,embedded]'" if "No module" in last else ""
        raise DemoFailedError(f"the reconstruction does not start here: {last}{remedy}")


def _plans(up: Up, scale: int) -> tuple[Plan, ...]:
    with up.engine.connect() as connection:
        last = connection.execute(text("select coalesce(max(number), 0) from run")).scalar_one()
    kinds = ("science", "science", "calibration")
    return tuple(
        Plan(number=last + place, kind=kind, files=FILES[kind] * scale) for place, kind in enumerate(kinds, start=1)
    )


def _watch(console: Console, up: Up, numbers: Sequence[int], stop: threading.Event) -> None:
    end = time.monotonic() + PATIENCE_S
    rows: list[Row] = []
    if sys.stdout.isatty():
        with Live(picture(rows), console=console, refresh_per_second=8) as live:
            while not _over(up, rows := look(up.engine, numbers), numbers, end) and not stop.wait(0.2):
                live.update(picture(rows))
            live.update(picture(rows))
        return
    while not _over(up, rows := look(up.engine, numbers), numbers, end) and not stop.wait(0.5):
        pass
    console.print(picture(rows))


def _over(up: Up, rows: Sequence[Row], numbers: Sequence[int], end: float) -> int:
    failed = [row for row in rows if row.failed]
    if failed:
        raise DemoFailedError(f"run {failed[0].number} has {failed[0].failed} failed files; ask: headframe why run ...")
    if time.monotonic() > end:
        raise DemoFailedError(f"not all of runs {numbers[0]} to {numbers[-1]} were cataloged in {PATIENCE_S:.0f} s")
    return len(rows) == len(numbers) and all(row.finished for row in rows) and settled(up.engine)
