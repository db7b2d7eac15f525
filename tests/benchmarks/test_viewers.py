"""Hundreds of people watch while files move: the web process's memory, and how soon they see changes, stay flat."""

import asyncio
import contextlib
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from sqlalchemy import Engine, text

from headframe.statemachine.database import connect

from ..integration.servers import PostgresServer, wait_until
from ..integration.web_filled import Filled, cloned, fill
from .cpu import is_shared
from .viewers import Seen, Viewer, quantile_ms
from .web_process import web_process

MOVE = """
update item set version = version + 1, phase = case phase when 'ready' then 'submitted' else 'ready' end,
  changed_at = clock_timestamp()
where id in (select i.id from item i join run r on r.id = i.run_id
  where r.number = :run and i.phase in ('ready', 'submitted') and i.file_id is not null order by random() limit 10)
"""
EACH_S = 0.25
WORST_DELAY_MS = 8000


class Site(NamedTuple):
    """A web process over a filled database."""

    process: psutil.Process
    port: int
    engine: Engine
    filled: Filled


class Minute(NamedTuple):
    """What was measured in one stretch: megabytes, descriptors, threads, percent of a core, milliseconds."""

    stretch_s: float
    rss: float
    files: int
    threads: int
    cpu: float
    events: int
    delay: float
    delay_p95: float
    page: float
    page_p95: float
    stale: int

    @property
    def cost(self) -> float:
        """What an event and its refresh take of a core, in milliseconds: others who use the machine do not count."""
        return self.cpu / 100 * self.stretch_s * 1000 / max(1, self.events)

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"{self.rss:.0f} MB, {self.files} descriptors, {self.threads} threads, {self.cpu:.0f}% of a core; "
            f"{self.events} events {self.delay:.0f} ms after the change (p95 {self.delay_p95:.0f}), "
            f"parts in {self.page:.0f} ms (p95 {self.page_p95:.0f}); {self.cost:.1f} ms of a core an event, "
            f"told stale {self.stale} times"
        )


@pytest.fixture
def site(postgres: PostgresServer, database_template: str, instance: str, tmp_path: Path) -> Iterator[Site]:
    with cloned(postgres, database_template) as url:
        engine = connect(url, instance)
        filled = fill(engine, runs=20, files=1200)
        with web_process(url, instance, tmp_path) as (process, port):
            yield Site(process, port, engine, filled)
        engine.dispose()


@contextlib.contextmanager
def moving(site: Site, moved: deque[tuple[float, str]]) -> Iterator[None]:
    """Move files of the newest run, and of an older one now and then, until the end."""
    stop = threading.Event()

    def move() -> None:
        while not stop.wait(EACH_S):
            run = random.choice([site.filled.newest, site.filled.newest, site.filled.newest - 1])
            with site.engine.begin() as connection:
                changed = connection.execute(text(MOVE), {"run": run}).rowcount
            if changed:
                moved.append((time.monotonic(), f"run:{run}"))

    mover = threading.Thread(target=move)
    mover.start()
    try:
        yield
    finally:
        stop.set()
        mover.join()


async def watched(site: Site, viewers: int, stretches: int, stretch_s: float) -> list[Minute]:
    """Let people watch; a line a stretch."""
    seen, moved, found = Seen(), deque[tuple[float, str]](maxlen=1000), list[Minute]()
    newest = site.filled.newest
    pages = [("/", "runs")] * 4 + [(f"/runs/{newest}", f"run:{newest}")]
    people = [Viewer(n, site.port, *pages[n % len(pages)], moved, seen) for n in range(viewers)]
    with moving(site, moved):
        watching = []
        for person in people:
            watching.append(asyncio.create_task(person.watch()))
            await asyncio.sleep(0.01)
        await asyncio.sleep(5)
        for _ in range(stretches):
            found.append(await _stretch(site, seen, stretch_s))
            print(f"\n{viewers} viewers: {found[-1]}", flush=True)
        for each in watching:
            each.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    assert seen.wrong == []
    return found


async def _stretch(site: Site, seen: Seen, stretch_s: float) -> Minute:
    seen.delays, seen.pages, seen.events, seen.stale = [], [], 0, 0
    began, cpu = time.monotonic(), sum(site.process.cpu_times()[:2])
    await asyncio.sleep(stretch_s)
    took = time.monotonic() - began
    return Minute(
        stretch_s=took,
        rss=site.process.memory_info().rss / 1e6,
        files=site.process.num_fds(),
        threads=site.process.num_threads(),
        cpu=100 * (sum(site.process.cpu_times()[:2]) - cpu) / took,
        events=seen.events,
        delay=quantile_ms(seen.delays, 0.5),
        delay_p95=quantile_ms(seen.delays, 0.95),
        page=quantile_ms(seen.pages, 0.5),
        page_p95=quantile_ms(seen.pages, 0.95),
        stale=seen.stale,
    )


def _left_nothing(site: Site, before: tuple[int, int]) -> None:
    """Wait until the web process has no more open than before anybody came; a thread or two may stay for the next."""
    wait_until(lambda: site.process.num_fds() <= before[0] + 12, 60, "the viewers' connections are closed")
    assert site.process.num_threads() <= before[1] + 8


def test_50_viewers_see_what_changes_and_leave_nothing_behind(site: Site) -> None:
    before = site.process.num_fds(), site.process.num_threads()
    found = asyncio.run(watched(site, viewers=50, stretches=3, stretch_s=5))
    assert all(each.events > 50 for each in found)
    assert found[-1].rss < found[0].rss + 20
    assert found[-1].delay_p95 < WORST_DELAY_MS
    _left_nothing(site, before)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_memory_and_latency_are_flat_with_500_viewers_for_ten_minutes(site: Site) -> None:
    before = site.process.num_fds(), site.process.num_threads()
    found = asyncio.run(watched(site, viewers=500, stretches=10, stretch_s=60))
    early, late = found[1:4], found[-3:]
    assert max(each.rss for each in late) < 1.1 * max(each.rss for each in early)
    assert min(each.delay_p95 for each in late) < 1.5 * max(each.delay_p95 for each in early)
    assert min(each.cost for each in late) < 1.5 * max(each.cost for each in early)
    assert max(each.delay_p95 for each in found[1:]) < WORST_DELAY_MS
    if not is_shared():
        assert min(each.page_p95 for each in late) < 1.5 * max(each.page_p95 for each in early)
        assert sum(each.stale for each in found) == 0
    _left_nothing(site, before)
