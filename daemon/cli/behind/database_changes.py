"""Changes in the database: those of one transaction, and those of many."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ....statemachine.lifecycle import Trigger
    from ....statemachine.store.campaign_operate import Begun, Changed, Wanted
    from ....statemachine.store.campaign_query import RunChoice
    from ....statemachine.store.letters import Chosen
    from ....statemachine.store.operating import Operated, Selection
    from ..session import Session


class DatabaseChanges:
    """Changes on one connection, whose owner commits or undoes them."""

    def __init__(self, connection: Connection, session: Session) -> None:
        self.connection, self.session = connection, session

    def close(self, number: int, reason: str, expected: int | None) -> str:
        """Close a run."""
        from ....statemachine.store import words

        return words.close(self._locked(number), number, self.session.actor, reason, expected).sentence

    def expect(self, number: int, reason: str, count: int) -> str:
        """Correct how many files a run has."""
        from ....statemachine.store import words

        return words.expect(self._locked(number), number, count, self.session.actor, reason).sentence

    def waive(self, number: int, reason: str, files: Sequence[str]) -> str:
        """Declare files missing."""
        from ....statemachine.store import words

        return words.waive(self._locked(number), number, files, self.session.actor, reason).sentence

    def reopen(self, number: int, reason: str) -> str:
        """Take a run's closing back."""
        from ....statemachine.store import words

        return words.reopen(self._locked(number), number, self.session.actor, reason).sentence

    def reclassify(self, number: int, reason: str, kind: str) -> str:
        """Give a run another type."""
        from ....statemachine.store import words

        actor, config = self.session.actor, self.session.config
        way, period = config.pipeline_for, config.realtime_period
        return words.reclassify(self._locked(number), number, kind, way, actor, reason, period).sentence

    def note(self, number: int, text: str, kind: str, about: str | None) -> None:
        """Write a note."""
        from ....statemachine.store import notes

        notes.write(self._locked(number), number, text, self.session.actor, kind=kind, file=about)

    def judge(self, number: int, reason: str, quality: str) -> None:
        """Say how good a run is."""
        from ....statemachine.store import runs

        runs.judge(self._locked(number), number, quality, self.session.actor, reason)

    def pause(self, what: Any, name: str, reason: str) -> bool:
        """Let something rest."""
        from ....statemachine.store import pauses

        return pauses.pause(self.connection, what, name, self.session.actor, reason)

    def resume(self, what: Any, name: str, reason: str) -> None:
        """Let it go on."""
        from ....statemachine.store import pauses

        pauses.resume(self.connection, what, name, self.session.actor, reason)

    def acknowledge(self, code: str, name: str, hours: float, reason: str) -> str:
        """Say that one knows of an alert."""
        from ....statemachine.store import alerts

        until = alerts.acknowledge(self.connection, code, name, self.session.actor, reason, hours * 3600)
        return f"{alerts.said(code, name)} acknowledged until {until:%Y-%m-%d %H:%M} UTC"

    def unacknowledge(self, code: str, name: str, reason: str) -> str:
        """Take that back."""
        from ....statemachine.store import alerts

        alerts.withdraw(self.connection, code, name, self.session.actor, reason)
        return f"{alerts.said(code, name)} is told again"

    def drain(self, worker: str, reason: str) -> str:
        """Let workers leave."""
        from ....statemachine.store import pauses
        from ....statemachine.wording import plural

        owners = pauses.drain(self.connection, worker, self.session.actor, reason)
        return f"{plural(len(owners), 'worker')} told to leave: {', '.join(owners)}"

    def tell_pilot(self, number: int, word: str, reason: str) -> str:
        """Have a pilot drained or cancelled."""
        from ....statemachine.store import pilots

        return pilots.tell(self.connection, number, word, self.session.actor, reason).sentence

    def letters(self, name: str, numbers: Sequence[int], code: str | None, reason: str) -> Chosen:
        """Replay or forget dead letters."""
        from ....statemachine.store import letters

        change = letters.ask_replay if name == "replay" else letters.forget
        return change(self.connection, numbers, code, actor=self.session.actor, reason=reason)

    def cancel(self, operation: int, reason: str) -> None:
        """Leave the rest of an operation undone."""
        from ....statemachine.store import operating

        operating.cancel(self.connection, operation, self.session.actor, reason)

    def create_campaign(self, wanted: Wanted, reason: str) -> Begun:
        """Begin a campaign."""
        from ....statemachine.store import campaign_operate
        from ...wiring import book

        pipelines = book(self.session.config)
        return campaign_operate.create(self.connection, wanted, pipelines, self.session.actor, reason)

    def grow_campaign(self, name: str, reason: str, query: RunChoice | None) -> Begun:
        """Let a campaign take in what fits."""
        from ....statemachine.store import campaign_operate

        return campaign_operate.grow(self.connection, name, self.session.actor, reason, query)

    def tell_campaign(self, verb: str, name: str, reason: str) -> Changed:
        """Pause, resume or close a campaign."""
        from ....statemachine.store import campaign_operate as told

        change = {"pause": told.pause, "resume": told.resume, "close": told.close}[verb]
        return change(self.connection, name, self.session.actor, reason)

    def _locked(self, number: int) -> Connection:
        """Lock the run first, as everything does that changes one; ends where there is none."""
        from ....statemachine.store.runs import locked

        locked(self.connection, number)
        return self.connection


class DatabaseDeeds:
    """What this process does page by page, and a daemon where it is ended before."""

    def __init__(self, engine: Engine, actor: str) -> None:
        self.engine, self.actor = engine, actor

    def operate(
        self,
        trigger: Trigger,
        selection: Selection,
        reason: str,
        *,
        state: str | None = None,
        lane: str | None = None,
        new_content: bool = False,
    ) -> Operated:
        """Act on what is selected."""
        from ....statemachine.database import explained
        from ....statemachine.store import operating

        more: dict[str, Any] = {"new_content": True} if new_content else {}
        with explained():
            return operating.operate(
                self.engine, trigger, selection, actor=self.actor, reason=reason, state=state, lane=lane, **more
            )

    def make(self, begun: Begun) -> None:
        """Make a campaign's items, and rest as long as a page took; a daemon makes what this leaves."""
        from ....statemachine.database import explained
        from ....statemachine.store.campaign_make import make

        with explained():
            while True:
                began = time.monotonic()
                if make(self.engine, begun.job):
                    return
                time.sleep(time.monotonic() - began)
