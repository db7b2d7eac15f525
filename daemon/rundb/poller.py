"""Poll the sources of run metadata, each in a thread of its own, and publish what is new."""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from threading import Event, Thread

import msgspec

from ...consumers.broker.base import Broker
from ...consumers.broker.topology import Names
from ...statemachine.records import RunInfo, Trouble
from ..config.model import Config, RunDBConfig
from ..monitor.loop import Loop
from ..watcher.post import BATCH, Post
from ..watcher.troubles import Troubles
from .base import RunDB, open_all

Key = tuple[int, str | None, datetime | None]
"""What tells runs of a source apart: a number may have been used twice."""
REPEAT_S = 600.0
"""After how long everything is published again: a message is only a hint and may have been lost."""
BACKOFF_MAX_S = 300.0

log = logging.getLogger(__name__)
_encoder = msgspec.msgpack.Encoder(order="deterministic")


class Poller:
    """Polls all sources of a configuration."""

    def __init__(
        self,
        config: Config,
        broker: Broker,
        names: Names,
        sources: Mapping[str, RunDB] | None = None,
        clock: Callable[[], float] = time.monotonic,
        loops: Callable[[str], Loop] = Loop,
    ) -> None:
        """Take `sources`, or make those of the configuration. Raises `ConfigError` where one cannot be made."""
        self._loops = loops
        self._config = config
        self._broker = broker
        self._names = names
        self._sources = sources if sources is not None else open_all(config)
        self._clock = clock

    def run(self, stop: Event) -> None:
        """Poll until `stop` is set. Sources do not wait for one another."""
        post = Post(self._broker, self._names.arrivals, stop)
        loops = [
            SourceLoop(name, self._config.rundb[name], source, post, stop, self._clock, self._loops(f"rundb {name}"))
            for name, source in self._sources.items()
        ]
        # Daemon threads: a source that hangs must not keep the process from ending.
        threads = [Thread(target=loop.run, name=f"rundb-{loop.name}", daemon=True) for loop in loops]
        for thread in threads:
            thread.start()
        while not stop.wait(1.0):
            for loop in loops:
                loop.check()
        for thread in threads:
            thread.join(timeout=2.0)


class SourceLoop:
    """One source: polled again and again, ever more slowly while it fails."""

    def __init__(
        self,
        name: str,
        config: RunDBConfig,
        source: RunDB,
        post: Post,
        stop: Event,
        clock: Callable[[], float] = time.monotonic,
        loop: Loop | None = None,
    ) -> None:
        self._loop = loop or Loop()
        self.name = name
        self._config = config
        self._source = source
        self._post = post
        self._stop = stop
        self._clock = clock
        self._troubles = Troubles(name, clock)
        self._late = Troubles(name, clock)
        self._sent: dict[Key, bytes] = {}
        self._all_at = clock() + REPEAT_S
        self._polling_since: float | None = None
        self._failures = 0

    def run(self) -> None:
        """Poll until stopped."""
        while not self._stop.is_set():
            self._loop.beat()
            self._loop.rest(self._stop, self.poll())

    def poll(self) -> float:
        """Poll once and publish what is new; give the seconds to the next poll."""
        self._polling_since = self._clock()
        try:
            self._publish_new()
            self._failures = 0
        except Exception as error:
            self._failures += 1
            what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            log.warning("rundb %s: %s", self.name, what)
            self._troubles.say("rundb-away", f"it does not answer: {what}", f"rundb {self.name}")
        finally:
            self._polling_since = None
        self._post.send(troubles=self._troubles.take())
        return float(min(self._config.poll_s * 2 ** min(self._failures, 20), max(BACKOFF_MAX_S, self._config.poll_s)))

    def check(self) -> None:
        """Say so when the poll that runs takes longer than it may. Called from another thread."""
        since = self._polling_since
        self._late.begin_round()
        if since is not None and self._clock() - since > self._config.timeout_s:
            what = f"it has not answered for {self._config.timeout_s:g} s"
            self._late.say("rundb-slow", what, f"rundb {self.name}")
        self._late.end_round()
        if late := self._late.take():
            self._post.send(troubles=late)

    def _publish_new(self) -> None:
        if self._clock() >= self._all_at:
            self._sent.clear()
            self._all_at = self._clock() + REPEAT_S
        changed: dict[Key, tuple[RunInfo, bytes]] = {}
        self._troubles.begin_round()
        for said in self._source.poll():
            if isinstance(said, Trouble):
                self._troubles.say(said.code, said.sentence, said.subject, said.payload, said.payload, said.run)
                continue
            digest = hashlib.blake2b(_encoder.encode(said), digest_size=12).digest()
            key = (said.run, said.identity, said.started)
            if self._sent.get(key) != digest:
                self._check_times(said)
                changed[key] = (said, digest)
            if len(changed) == BATCH:
                self._send(changed)
        self._send(changed)
        self._troubles.end_round()

    def _send(self, changed: dict[Key, tuple[RunInfo, bytes]]) -> None:
        runs = [run for run, _ in changed.values()]
        if runs and self._post.send(runs=runs):
            self._sent.update({key: digest for key, (_, digest) in changed.items()})
        changed.clear()

    def _check_times(self, run: RunInfo) -> None:
        """Say when a run ends before it begins; it counts all the same, for its files are there."""
        if run.started and run.ended and run.ended < run.started:
            what = f"run {run.run} ends at {run.ended.isoformat()}, before it starts at {run.started.isoformat()}"
            self._troubles.say("clock-backwards", what, f"run {run.run}", what, run=run.run)
