"""Two conductors, an operator, a run database and a sweeper, all at once: nobody waits for ever, nothing breaks."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from headframe.daemon.conductor.applying import Effects, apply, follow
from headframe.statemachine.database import connect
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import ArrivedFile, RunInfo
from headframe.statemachine.store import runs, sweep
from headframe.statemachine.store.core import Ready
from headframe.statemachine.store.errors import RefusedError
from headframe.statemachine.store.fold import Said
from headframe.statemachine.store.operating import Selection, operate
from headframe.statemachine.verify import verify

from .machine_draws import LIMIT_S, LONG
from .machine_model import Model
from .machine_parts import Word
from .two_conductors import OWNERS, LossyBroker, at_once, batch, book, empty, items, said, send

RUNS, FILES = (1, 2), 6
SECONDS = 1.5
BY = {"actor": "anna", "reason": "because"}


@pytest.fixture
def engine(database_url: str, instance: str) -> Iterator[Engine]:
    made = connect(database_url, instance, pool=12)
    yield made
    made.dispose()


@pytest.mark.timeout(LIMIT_S)
def test_everybody_at_once_leaves_everything_whole(engine: Engine) -> None:
    @settings(
        max_examples=200 if LONG else 6,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(st.integers(0, 2**32))
    def storm(seed: int) -> None:
        empty(engine)
        crowd = Crowd(engine, seed)
        crowd.begin()
        who = (crowd.conduct, crowd.conduct, crowd.work, crowd.command, crowd.inform, crowd.sweep)
        at_once([crowd.busy(each, n) for n, each in enumerate(who)])
        crowd.settle()
        with engine.connect() as conn:
            assert list(verify(conn)) == []

    storm()


class Crowd:
    """Who does what; each thread draws from a generator of its own."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine, self.seed, self.book = engine, seed, book()
        self.waiting: list[Said] = []
        self.ends = time.monotonic() + SECONDS
        self.lock = threading.Lock()

    def busy(self, task: Callable[[random.Random], Any], n: int) -> Callable[[], None]:
        draw = random.Random(self.seed * 31 + n)

        def go_on() -> None:
            while time.monotonic() < self.ends:
                task(draw)

        return go_on

    def begin(self) -> None:
        for run, kind in zip(RUNS, ("science", "led"), strict=True):
            files = [arrived(run, n, kind) for n in range(1, FILES)]
            infos = [RunInfo(run=run, source="rundb", kind=kind, expected=FILES, closed=True)]
            self.apply(batch(files=files, runs=infos))

    def apply(self, each: Any) -> None:
        with self.engine.begin() as conn:
            effects = apply(conn, each, self.book)
        follow(self.engine, effects)

    def conduct(self, draw: random.Random) -> None:
        with self.lock:
            heard = [draw.choice(self.waiting) for _ in range(min(len(self.waiting), draw.randint(0, 8)))]
        beats = [(one.outcome.item, one.outcome.epoch, one.reporter.owner) for one in heard if draw.random() < 0.3]
        size = draw.choice((10, 10, 11))
        files = [arrived(draw.choice(RUNS), draw.randint(1, FILES), None, size)] if draw.random() < 0.1 else []
        self.apply(batch(said=heard, beats=beats, files=files))

    def work(self, draw: random.Random) -> None:
        with self.engine.connect() as conn:
            there = items(conn)
        ready = [
            (key, Ready(item=row.id, epoch=row.epoch, step=row.step, lane=row.lane))
            for key, row in there.items()
            if row.phase in ("ready", "submitted") and row.step is not None
        ]
        chosen = dict(draw.sample(ready, min(len(ready), 4)))
        keys = {entry.item: key for key, entry in chosen.items()}
        for hint in send(self.engine, list(chosen.values()), LossyBroker()):
            key, owner = keys[hint[0].item], draw.choice(sorted(OWNERS))
            reads = key[1] is not None and any(read.role == "raw" for read in hint[0].inputs)
            raw = draw.choice(("twin", f"{key}")) if reads else None
            for trigger in ("start", draw.choice(("succeed", "succeed", "succeed", "fail", "interrupt"))):
                code = "" if trigger in ("start", "succeed") else "worker-died"
                word = Word(*key, hint[0].epoch, owner, OWNERS[owner], trigger, code, content=raw)
                with self.lock:
                    self.waiting = [*self.waiting[-15:], said(hint, word)]

    def command(self, draw: random.Random) -> None:
        trigger = draw.choice((*sorted(Model.MOVES), "release", "resolve", "recover", "reset"))
        state = draw.choice(("arrived", "salted", "placed")) if trigger == "reset" else None
        wanted = Selection(runs=(draw.choice(RUNS),), phase=draw.choice((None, "failed", "held", "ready")))
        new_content = draw.random() < 0.5 and state in (None, "arrived")
        operate(self.engine, Trigger(trigger), wanted, state=state, new_content=new_content, **BY)
        time.sleep(draw.random() * 0.05)

    def inform(self, draw: random.Random) -> None:
        run = draw.choice(RUNS)
        acts: tuple[Callable[[Any], Any], ...] = (
            lambda conn: runs.close(conn, run, **BY),
            lambda conn: runs.expect(conn, run, draw.choice((FILES - 1, FILES)), **BY),
            lambda conn: runs.reopen(conn, run, **BY),
            lambda conn: runs.waive(conn, run, [FILES], **BY),
            lambda conn: runs.reclassify(
                conn, run, draw.choice(sorted(self.book.pipelines)), self.book.pipelines.get, **BY
            ),
        )
        try:
            with self.engine.begin() as conn:
                draw.choice(acts)(conn)
        except RefusedError:
            pass
        time.sleep(draw.random() * 0.1)

    def sweep(self, draw: random.Random) -> None:
        with self.engine.begin() as conn:
            sweep.mark_applied(conn, {})
            sweep.expire(conn, 0, 10)
        with self.engine.begin() as conn:
            sweep.fold(conn, draw.randint(1, 50))
        if draw.random() < 0.2:
            with self.engine.begin() as conn:
                sweep.restart_local(conn)
        self.settle()
        time.sleep(draw.random() * 0.02)

    def settle(self) -> None:
        with self.engine.begin() as conn:
            pairs = sweep.unfinished_runs(conn, 0, 100)
        follow(self.engine, Effects(touched=frozenset(pairs)))


def arrived(run: int, sequence: int, kind: str | None, size: int = 10) -> ArrivedFile:
    name = f"r{run}_{sequence}.h5"
    return ArrivedFile(
        site="source", path=f"in/{name}", name=name, run=run, sequence=sequence, size=size, mtime_ns=1, kind=kind
    )
