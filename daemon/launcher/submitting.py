"""New pilots: written down first, then submitted, each token once.

A token whose submission was refused, or never tried, is certain. One whose answer was lost is not: it is never
submitted again, but looked up (`missing`).
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import structlog
from msgspec.structs import asdict

from ...statemachine.piloting import LivePilot, PilotSeen, PilotWish
from ..config import Config
from ..slurm.contract import AwayError, Batch, RefusedError
from ..slurm.script import ScriptError, Wanted, check_shell, log_path, render, request
from .book import Book
from .judging import clipped
from .missing import Missing
from .service import Service
from .sizing import Kind
from .tokens import new_token

log = structlog.get_logger("headframe.launcher")

SCRIPT_BYTES = 4096
"""So much of a site's own lines is told to the service."""


class Submitting:
    """Makes pilots. `trouble` says of each name what stops it."""

    def __init__(
        self,
        config: Config,
        batch: Batch,
        service: Service,
        book: Book,
        missing: Missing,
        stopped: Callable[[], bool],
    ) -> None:
        self._config, self._batch, self._service = config, batch, service
        self._book, self._missing, self._stopped = book, missing, stopped
        self._untried: dict[str, Wanted] = {}
        self.trouble: dict[str, str] = {}

    def untried(self, name: str) -> list[str]:
        """Give the tokens of a name that are written down and certainly not submitted."""
        return [token for token, wanted in self._untried.items() if wanted.name == name]

    def intend(self, wanted: Mapping[Kind, int], now: datetime, **how: Any) -> None:
        """Write pilots down: so many of each kind, in one call. `how`: `exclude`, `expect`.

        Raises `ClientError`: then nobody knows whether they were written down, and none is submitted; those that
        come back as such are.
        """
        made = [
            Wanted(token=new_token(self._config, kind.name), **asdict(kind), **how)
            for kind, count in wanted.items()
            if count > 0 and self._is_possible(kind)
            for _ in range(count)
        ]
        if not made:
            return
        self._untried.update((each.token, each) for each in made)
        self._service.intend(self._config.launcher.name, [self._wish(each) for each in made])
        for each in made:
            kind = Kind(name=each.name, large=each.large, stay=each.stay)
            self._book.add(LivePilot(token=each.token, status="intended", created_at=now, **asdict(kind)))

    def submit(self, resting: Iterable[str], now: datetime) -> None:
        """Submit what is written down and was never tried; what is of a name that rests is given up instead."""
        known = {pilot.token for pilot in self._book.live() if pilot.status == "intended"}
        self._untried = {token: wanted for token, wanted in self._untried.items() if token in known}
        rested = set(resting)
        for token, wanted in list(self._untried.items()):
            if self._stopped():
                return
            if wanted.name in rested:
                self.give_up(token, now, "it was not submitted: pilots of this name were refused")
            elif not self._one(wanted, now, rested):
                return

    def give_up(self, token: str, now: datetime, reason: str) -> None:
        """Say of a pilot that was never submitted that it will not be."""
        self._untried.pop(token, None)
        self._book.note(PilotSeen(token=token, status="ended", code="withdrawn", reason=reason, ended_at=now), now)

    def check(self) -> None:
        """Look at the folder of logs and at the scripts; what is wrong is `trouble`."""
        self.trouble.clear()
        logs = self._config.launcher.logs
        try:
            logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            said = f"launcher.logs: {logs} cannot be made: {error.strerror}; make it, or set another folder"
            self.trouble.update(dict.fromkeys(self._config.pilots, said))

    def _is_possible(self, kind: Kind) -> bool:
        name = kind.name
        if name in self.trouble:
            return False
        wanted = Wanted(token=new_token(self._config, name), **asdict(kind))
        try:
            check_shell(self._config, wanted, render(self._config, wanted).script)
        except ScriptError as error:
            self.trouble[name] = clipped(str(error))
            return False
        return True

    def _one(self, wanted: Wanted, now: datetime, rested: set[str]) -> bool:
        """Submit one; say whether to go on with others. Whatever goes wrong, it stops no pilot but this one."""
        job = render(self._config, wanted)
        # From here on it is not certain any more that nothing was submitted, whatever becomes of this process.
        del self._untried[wanted.token]
        try:
            number = self._batch.submit(job)
        except RefusedError as error:
            said = clipped(str(error))
            self._book.note(PilotSeen(token=wanted.token, status="refused", reason=said, ended_at=now), now)
            log.error("a pilot was refused", name=wanted.name, pilot=wanted.token, cause=said)
            rested.add(wanted.name)
            return True
        except AwayError as error:
            self._untried[wanted.token] = wanted
            log.warning("pilots are submitted later", name=wanted.name, cause=str(error))
            return False
        except Exception as error:  # whatever it was, the job may be there
            self._missing.unclear(wanted.token, now, str(error))
            log.warning("whether a pilot was submitted is not known", pilot=wanted.token, cause=str(error))
            return False
        path = log_path(self._config, wanted.token, number)
        self._book.note(
            PilotSeen(token=wanted.token, status="pending", job=number, log=clipped(path), submitted_at=now), now
        )
        log.info(
            "pilot submitted", name=wanted.name, large=wanted.large, stay=wanted.stay, pilot=wanted.token, job=number
        )
        return True

    def _wish(self, wanted: Wanted) -> PilotWish:
        pilot = self._config.pilots[wanted.name]
        return PilotWish(
            token=wanted.token,
            name=wanted.name,
            steps=pilot.steps,
            large=wanted.large,
            request=described(self._config, wanted),
        )


def described(config: Config, wanted: Wanted) -> dict[str, Any]:
    """Say what is asked for, as people are shown it: memory in bytes, walltime in seconds, the site's own lines.

    These hold no secrets: every user of the cluster can read a job's script.
    """
    pilot = config.pilots[wanted.name]
    asked = request(pilot, large=wanted.large)
    shown: dict[str, Any] = {"nodes": pilot.nodes, "workers": pilot.workers, "cores": asked.cores}
    shown |= {"memory": asked.memory, "walltime_s": asked.walltime_s, "lanes": list(pilot.lanes), "max": pilot.max}
    shown |= {"stay": True} if wanted.stay else {}
    named = ("partition", "account", "qos", "reservation", "constraint", "exclusive")
    shown |= {key: getattr(pilot, key) for key in named if getattr(pilot, key)}
    shown |= {"options": list(pilot.options)} if pilot.options else {}
    return {**shown, **({"script": _cut("\n".join(pilot.script))} if pilot.script else {})}


def _cut(script: str) -> str:
    """Leave a script's end out that is longer than people need to see, and say so."""
    told = script.encode("utf-8", "replace")
    if len(told) <= SCRIPT_BYTES:
        return script.replace("\0", "")
    return told[:SCRIPT_BYTES].decode("utf-8", "ignore").replace("\0", "") + "\n# ... (cut here)"
