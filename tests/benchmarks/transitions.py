"""Files through four steps as a conductor takes them, without broker and workers: what the database makes of it."""

import itertools
import time
from collections.abc import Sequence

from sqlalchemy import Engine

from headframe.daemon.conductor.applying import apply, follow
from headframe.statemachine.records import ArrivedFile, RunInfo
from headframe.statemachine.store.campaigns import Book
from headframe.statemachine.store.core import Ready
from headframe.statemachine.store.sweep import fold

from ..integration.machine_parts import Word
from ..integration.two_conductors import LossyBroker, batch, said, send
from ..integration.web_filled import pipeline

OWNER = "anna"


class Conductor:
    """Takes runs of its own, numbered from `first` on, through the machine."""

    def __init__(self, engine: Engine, first: int) -> None:
        self.engine, self.broker = engine, LossyBroker()
        self.book = Book(pipelines={"science": pipeline()}, default=pipeline(), period="week")
        self.runs = itertools.count(first)

    def take(self, files: int) -> float:
        """Take a new run's files from arrival to the catalog; give the seconds."""
        run = next(self.runs)
        arrived = [
            ArrivedFile(
                site="source",
                path=f"new/{run}/{n}.h5",
                name=f"new{run}_{n}.h5",
                run=run,
                sequence=n,
                size=n,
                mtime_ns=1,
                kind="science",
            )
            for n in range(files)
        ]
        began = time.perf_counter()
        ready = self._apply(files=arrived, runs=[RunInfo(run=run, source="x", kind="science", expected=files)])
        steps = 0
        while ready:
            ready, steps = self._step(run, ready), steps + 1
        took = time.perf_counter() - began
        assert steps == len(self.book.default.steps)
        with self.engine.begin() as conn:
            fold(conn, 10_000)
        return took

    def _step(self, run: int, ready: Sequence[Ready]) -> Sequence[Ready]:
        hints = send(self.engine, ready, self.broker)
        reports = []
        for hint in hints:
            item = hint[0]
            content = f"{run} {item.item}" if hint[1] == "salt" else None
            word = Word(run, item.item, item.epoch, OWNER, OWNER, "succeed", "", False, content)
            reports.append(said(hint, word))
        return self._apply(said=reports)

    def _apply(self, **parts: object) -> Sequence[Ready]:
        with self.engine.begin() as conn:
            effects = apply(conn, batch(**parts), self.book)
        follow(self.engine, effects)
        return effects.ready
