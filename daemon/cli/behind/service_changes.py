"""Changes that a service makes, in the name of who the token stands for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ....client import Client
from ....client.acting import Taken, Told
from ....statemachine.store.campaign_operate import Begun, Changed, Wanted
from ....statemachine.store.campaign_query import RunChoice
from ....statemachine.store.errors import RefusedError
from ....statemachine.store.letters import Chosen
from ....statemachine.store.operating import Operated, Selection
from ....statemachine.store.operating.order import NAMES

if TYPE_CHECKING:
    from ....statemachine.lifecycle import Trigger
    from ....statemachine.views import OperationRow

LOOK = 0.5
"""How often to ask how far an operation is, in seconds."""
ENDED = ("done", "failed", "cancelled", "stopped")


class ServiceChanges:
    """Each change is made at once; in a dry run the service undoes it."""

    def __init__(self, client: Client, *, dry_run: bool) -> None:
        self.client, self.dry_run = client, dry_run

    def close(self, number: int, reason: str, expected: int | None) -> str:
        """Close a run."""
        return self._tell(number, "close", reason, expected=expected)

    def expect(self, number: int, reason: str, count: int) -> str:
        """Correct how many files a run has."""
        return self._tell(number, "expect", reason, count=count)

    def waive(self, number: int, reason: str, files: Sequence[str]) -> str:
        """Declare files missing."""
        return self._tell(number, "waive", reason, files=list(files))

    def reopen(self, number: int, reason: str) -> str:
        """Take a run's closing back."""
        return self._tell(number, "reopen", reason)

    def reclassify(self, number: int, reason: str, kind: str) -> str:
        """Give a run another type."""
        return self._tell(number, "reclassify", reason, kind=kind)

    def note(self, number: int, text: str, kind: str, about: str | None) -> None:
        """Write a note."""
        if not text.strip():
            raise RefusedError("a note must say something")
        self.client.note(number, text, kind=kind, file=about, dry_run=self.dry_run)

    def judge(self, number: int, reason: str, quality: str) -> None:
        """Say how good a run is."""
        self.client.judge(number, quality, reason, dry_run=self.dry_run)

    def pause(self, what: Any, name: str, reason: str) -> bool:
        """Let something rest."""
        return self.client.pause(what, name, reason, dry_run=self.dry_run).changed > 0

    def resume(self, what: Any, name: str, reason: str) -> None:
        """Let it go on."""
        self.client.resume(what, name, reason, dry_run=self.dry_run)

    def acknowledge(self, code: str, name: str, hours: float, reason: str) -> str:
        """Say that one knows of an alert."""
        return self.client.acknowledge(code, name, hours, reason, dry_run=self.dry_run).done

    def unacknowledge(self, code: str, name: str, reason: str) -> str:
        """Take that back."""
        return self.client.unacknowledge(code, name, reason, dry_run=self.dry_run).done

    def drain(self, worker: str, reason: str) -> str:
        """Let workers leave."""
        from ....statemachine.wording import plural

        did = self.client.drain(worker, reason, dry_run=self.dry_run)
        return f"{plural(did.changed, 'worker')} {did.done}"

    def tell_pilot(self, number: int, word: str, reason: str) -> str:
        """Have a pilot drained or cancelled."""
        return self.client.tell_pilot(number, word, reason, dry_run=self.dry_run).done

    def letters(self, name: str, numbers: Sequence[int], code: str | None, reason: str) -> Chosen:
        """Replay or forget dead letters."""
        return letters(self.client, name, numbers, code, reason, dry_run=self.dry_run)

    def cancel(self, operation: int, reason: str) -> None:
        """Leave the rest of an operation undone."""
        self.client.cancel_operation(operation, reason, dry_run=self.dry_run)

    def create_campaign(self, wanted: Wanted, reason: str) -> Begun:
        """Begin a campaign."""
        return _begun(wanted.name, create(self.client, wanted, reason, dry_run=self.dry_run))

    def grow_campaign(self, name: str, reason: str, query: RunChoice | None) -> Begun:
        """Let a campaign take in what fits."""
        return _begun(name, grow(self.client, name, reason, query, dry_run=self.dry_run))

    def tell_campaign(self, verb: str, name: str, reason: str) -> Changed:
        """Pause, resume or close a campaign."""
        told: Told = self.client.tell_campaign(name, verb, reason, dry_run=self.dry_run)
        return Changed(
            campaign=name, status=told.status, changed=not told.done.endswith(" already"), warning=told.warning
        )

    def _tell(self, number: int, word: str, reason: str, **said: Any) -> str:
        return self.client.tell_run(number, word, reason, dry_run=self.dry_run, **said).done


class ServiceDeeds:
    """What a service does; large ones are done by a daemon, and waited for here."""

    def __init__(self, client: Client) -> None:
        self.client = client

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
        asked = order(trigger, selection, state=state, lane=lane, new_content=new_content)
        did = self._ended(self.client.order(**asked, reason=reason))
        if did.status != "done":
            raise RefusedError(f"operation {did.id} is {did.status} after {did.changed:,} of {did.total:,}: {did.why}")
        return Operated(
            total=did.total,
            changed=did.changed,
            names=did.names,
            lane=did.lane,
            operation=did.id,
            why=did.why,
        )

    def make(self, begun: Begun) -> None:
        """Wait until a campaign's items are made."""
        if begun.job:
            self._ended(self.client.operation(begun.job))

    def _ended(self, did: OperationRow) -> OperationRow:
        while did.status not in ENDED:
            time.sleep(LOOK)
            did = self.client.operation(did.id)
        return did


def order(
    trigger: Trigger,
    selection: Selection,
    *,
    state: str | None = None,
    lane: str | None = None,
    new_content: bool = False,
) -> dict[str, Any]:
    """Write an action as the client takes it."""
    return {
        "action": NAMES[trigger],
        "selection": msgspec.to_builtins(selection),
        "to_state": state,
        "lane": lane,
        "new_content": new_content,
    }


def letters(
    client: Client, name: str, numbers: Sequence[int], code: str | None, reason: str, *, dry_run: bool
) -> Chosen:
    """Replay or forget dead letters, or count them."""
    did = client.tell_letters(name, numbers, code, reason, dry_run=dry_run)
    return Chosen(total=max(did.total, did.changed), changed=did.changed)


def create(client: Client, wanted: Wanted, reason: str, *, dry_run: bool) -> Taken:
    """Begin a campaign, or count what it would take in."""
    said = msgspec.to_builtins(wanted)
    return client.create_campaign(said.pop("name"), said.pop("query"), reason, dry_run=dry_run, **said)


def grow(client: Client, name: str, reason: str, query: RunChoice | None, *, dry_run: bool) -> Taken:
    """Let a campaign take in what fits, or count it."""
    runs = None if query is None else msgspec.to_builtins(query)
    return client.grow_campaign(name, reason, runs, dry_run=dry_run)


def _begun(name: str, taken: Taken) -> Begun:
    return Begun(campaign=name, campaign_id=0, job=taken.operation, plan=taken.plan)
