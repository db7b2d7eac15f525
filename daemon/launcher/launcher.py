"""The launcher's round: look at all jobs at once, tell the service what is new, then do what is wanted.

A pilot is written down before it is submitted, and submitted once. While the batch system does not answer, nothing is
judged; while the service does not, nothing is submitted.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import structlog
from msgspec.structs import replace

from ... import __version__
from ...client import ClientError, ProblemError
from ...statemachine.piloting import OVER, LivePilot, Orders, PilotSeen, Round
from ..config import Config
from ..monitor.loop import Loop
from ..slurm.contract import Batch, BatchError, JobSeen, Standing
from ..slurm.script import log_path
from .book import Book
from .counting import Counting
from .judging import best, clipped, learned
from .keeping import Keeping
from .missing import Missing
from .nodes import SetAside
from .ordering import Ordering
from .requeues import Requeues
from .service import Service
from .submitting import Submitting
from .tokens import prefix

log = structlog.get_logger("headframe.launcher")

REFUSALS = 3
"""A launcher that was let in before leaves when it is refused so often in a row."""

REMEMBERED = 24
"""Pilots that are over are remembered for so many of the longest rests, so that these get no shorter."""

LONGEST_S = 7 * 86400.0
"""An interval that is longer is told as this (`piloting.Round`)."""

Jobs = dict[str, list[JobSeen]]


class Launcher:
    """One launcher. `clock` is this host's time; `stop` ends it, and leaves its pilots running."""

    def __init__(
        self,
        config: Config,
        batch: Batch,
        service: Service,
        *,
        owner: str,
        host: str,
        stop: threading.Event,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        loop: Loop | None = None,
    ) -> None:
        settings = config.launcher
        self.loop, self.rounds = loop or Loop(), 0
        self.config, self.batch, self.service = config, batch, service
        self.stop, self.clock = stop, clock
        self.book = Book(REMEMBERED * settings.refused_max_s)
        self.missing = Missing(batch, settings.grace_s)
        self.ordering = Ordering(batch, stop.is_set)
        self.submitting = Submitting(config, batch, service, self.book, self.missing, stop.is_set)
        self.counting = Counting(batch, self.book)
        self.requeues = Requeues(batch)
        self.keeping = Keeping(config, self.book, self.ordering, self.submitting, SetAside(batch))
        who = Round(host=host, owner=owner, version=__version__, back_end=batch.name, names=tuple(config.pilots))
        self._self = replace(who, interval_s=min(settings.interval_s, LONGEST_S))
        self._away = ""
        self._refusals: int | None = None
        self._said: dict[str, str] = {}

    def run(self) -> None:
        """Do rounds until told to stop. Raises `ProblemError` where the service will not have this launcher."""
        while not self.stop.is_set():
            self.loop.beat()
            try:
                self.round()
                self.rounds += 1
            except ClientError:
                raise
            except Exception as error:  # the next round begins from what the others know
                log.error("a round failed; the next one begins anew", cause=str(error), exc_info=error)
            self.loop.rest(self.stop, self.config.launcher.interval_s)

    def round(self) -> None:
        """Do one round: one question to the batch system for all jobs, one to the service."""
        now = self.clock()
        jobs = self._poll()
        if jobs is not None:
            self._learn(jobs, now)
            self.counting.ask()
        orders = self.tell()
        if orders is None or jobs is None or self.stop.is_set():
            return
        self._learn(jobs, now)
        self._look_for(jobs, now, orders)
        self.ordering.obey(self.book.live(), orders.set_aside, now)
        self._cancel_strays(jobs, now)
        self.ordering.forget({pilot.token for pilot in self.book.live()})
        try:
            self.keeping.keep(orders, now)
        except ClientError as error:
            self._say("service", f"new pilots cannot be written down: {error}")

    @property
    def waits(self) -> str:
        """Say what this launcher waits for; nothing where all answer."""
        return "; ".join(filter(None, self._said.values()))

    def tell(self) -> Orders | None:
        """Tell the service what was seen; give its orders, or nothing while it is away."""
        told = self.book.untold()
        try:
            orders = self.service.round(self.config.launcher.name, self.said(told))
        except ClientError as error:
            self._refused(error)
            return None
        self._refusals = 0
        self._say("service", "")
        self.book.take(told, orders)
        return orders

    def said(self, seen: tuple[PilotSeen, ...] = ()) -> Round:
        """Say who this is, what was seen, and what stops it."""
        return replace(self._self, seen=seen, trouble=self._trouble(), wanted=self.keeping.wanted)

    def _poll(self) -> Jobs | None:
        """Ask for all jobs of this instance; nothing while the batch system does not answer."""
        try:
            if not self._self.cluster:
                self._self = replace(self._self, cluster=clipped(self.batch.version()))
            seen = self.batch.poll(prefix(self.config))
        except BatchError as error:
            self._away = f"the batch system does not answer: {error}; nothing is submitted or judged until it does"
            self._say("batch", self._away)
            self.missing.forget()
            return None
        self._away = ""
        self._say("batch", "")
        jobs: Jobs = {}
        for job in seen:
            jobs.setdefault(job.token, []).append(job)
        return jobs

    def _learn(self, jobs: Jobs, now: datetime) -> None:
        """Note what the jobs tell of the pilots."""
        for pilot in self.book.live():
            if pilot.token in jobs:
                self._note(pilot, best(jobs[pilot.token]), now)

    def _note(self, pilot: LivePilot, job: JobSeen, now: datetime) -> None:
        withdrawn = pilot.token in self.ordering.withdrawn
        seen = learned(pilot, job, log=clipped(log_path(self.config, pilot.token, job.job)), withdrawn=withdrawn)
        if seen.status not in OVER and (why := self.requeues.cause(pilot, job, now)):
            seen = replace(seen, code=why)
        if self.book.note(seen, now) and seen.status != pilot.status:
            log.info("pilot", status=seen.status, pilot=pilot.token, job=job.job, node=job.nodes, code=seen.code)
            self.counting.add(self._over([pilot.token]))

    def _look_for(self, jobs: Jobs, now: datetime, orders: Orders) -> None:
        untried = {token for name in self.config.pilots for token in self.submitting.untried(name)}
        missing = [each for each in self.book.live() if each.token not in jobs and each.token not in untried]
        for seen in self.missing.look(missing, now, orders.now):
            if self.book.note(seen, now):
                log.info("a missing pilot was found", pilot=seen.token, status=seen.status, code=seen.code)

    def _over(self, tokens: Iterable[str]) -> list[LivePilot]:
        found = (self.book.get(token) for token in tokens)
        return [pilot for pilot in found if pilot is not None and pilot.status in OVER]

    def _cancel_strays(self, jobs: Jobs, now: datetime) -> None:
        """End jobs of pilots that are over, and all but one of a token: nobody counts on them."""
        for token, found in jobs.items():
            pilot = self.book.get(token)
            live = [job for job in found if job.standing is not Standing.ENDED]
            if pilot is None or not live:
                continue
            kept = None if pilot.status in OVER else best(found)
            for job in live:
                if job is not kept:
                    stray = replace(pilot, job=job.job, status="running")
                    self.ordering.order(stray, "cancel", now, "its pilot is over, or is another job")

    def _trouble(self) -> dict[str, str]:
        """Say of each name what stops its pilots."""
        if self._away:
            return dict.fromkeys(self.config.pilots, clipped(self._away))
        return {name: clipped(said) for name, said in self.keeping.trouble.items()}

    def _refused(self, error: ClientError) -> None:
        """Leave where the service will not have us; wait where it is away, or has another launcher of this name."""
        status = error.status if isinstance(error, ProblemError) else 0
        if status in (401, 403) or type(error) is ClientError:
            self._refusals = REFUSALS if self._refusals is None else self._refusals + 1
            if self._refusals >= REFUSALS:
                raise error
        what = "another launcher of this name is at work; this one waits" if status == 409 else "the service is away"
        self._say("service", f"{what}: {error}")

    def _say(self, what: str, said: str) -> None:
        """Log trouble once, and its end."""
        before = self._said.get(what, "")
        self._said[what] = said
        if said and said != before:
            log.warning(said)
        elif before and not said:
            log.info("back again", what=what)
