"""What a client can have done, with the token of an operator. Each call acts once, however often it had to be sent."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..statemachine import views as v
from ..statemachine.records import Record
from .wire import Rows, Wire, within


class Receipt(Record):
    """What was done, or would be in a dry run: a sentence, how many things changed, where to look at them."""

    done: str
    changed: int = 0
    link: str = ""
    dry_run: bool = False


class Acting:
    """The part of the client that changes things."""

    wire: Wire

    def order(
        self,
        action: str,
        selection: Mapping[str, Any],
        reason: str = "a dry run",
        *,
        dry_run: bool = False,
        selected: str | None = None,
        to_state: str | None = None,
        lane: str | None = None,
        new_content: bool = False,
        key: str | None = None,
    ) -> v.OperationRow:
        """Requeue, hold, cancel, release, abandon, recover or reset what is selected.

        `selection` as in the API: `{"runs": [1201], "phase": "failed"}`. A dry run gives the exact number and
        `selected`; sent along, that has the action refused if anything changed since. More than 1,000 items are done
        by a daemon: `operation(number)` says how far it is.
        """
        said = {"action": action, "selection": dict(selection), "reason": reason, "selected": selected,
                "to_state": to_state, "lane": lane, "new_content": new_content or None}  # fmt: skip
        body = {name: value for name, value in said.items() if value is not None}
        return self.wire.send(v.OperationRow, "/operations", body, dry_run=dry_run, key=key)

    def cancel_operation(self, number: int, reason: str) -> v.OperationRow:
        """Leave the rest of a large action undone."""
        return self.wire.send(v.OperationRow, within("operations", number, "cancel"), {"reason": reason})

    def tell_run(self, number: int, word: str, reason: str, *, dry_run: bool = False, **said: Any) -> Receipt:
        """Close, expect, waive, reopen or reclassify a run: `tell_run(12, "waive", "lost", files=[17, "20-22"])`."""
        return self._told(within("runs", number, word), reason, dry_run, said)

    def note(self, number: int, text: str) -> v.NoteRow:
        """Write a note about a run."""
        return self.wire.send(v.NoteRow, within("runs", number, "note"), {"text": text})

    def judge(self, number: int, quality: str, reason: str) -> v.Operation:
        """Say how good a run is: unknown, good, questionable or bad."""
        body = {"quality": quality, "reason": reason}
        return self.wire.send(v.Operation, within("runs", number, "quality"), body)

    def pause(self, what: str, name: str, reason: str, *, dry_run: bool = False) -> Receipt:
        """Let a step, a lane, a site or a worker rest."""
        return self._told("/pauses", reason, dry_run, {"what": what, "name": name})

    def resume(self, what: str, name: str, reason: str, *, dry_run: bool = False) -> Receipt:
        """Let what was paused go on."""
        path = within("pauses", what, name)
        return self.wire.send(Receipt, path, None, dry_run=dry_run, method="DELETE", reason=reason)

    def drain(self, worker: str, reason: str, *, dry_run: bool = False) -> Receipt:
        """Let a worker finish what it does and leave."""
        return self._told(within("workers", worker, "drain"), reason, dry_run, {})

    def replay(self, letter: int, reason: str, *, dry_run: bool = False) -> Receipt:
        """Try a dead letter again."""
        return self._told(within("dead-letters", letter, "replay"), reason, dry_run, {})

    def forget(self, letter: int, reason: str, *, dry_run: bool = False) -> Receipt:
        """Take a dead letter off the list."""
        return self._told(within("dead-letters", letter, "forget"), reason, dry_run, {})

    def arrive(self, files: Sequence[Mapping[str, Any]], *, dry_run: bool = False) -> tuple[dict[str, Any], ...]:
        """Say that raw files are there, up to 1,000 at once; give what became of each."""
        sent = [dict(file) for file in files]
        answer: Rows[dict[str, Any]] = self.wire.send(Rows[dict[str, Any]], "/arrivals", sent, dry_run=dry_run)
        return answer.rows

    def _told(self, path: str, reason: str, dry_run: bool, said: Mapping[str, Any]) -> Receipt:
        body = {"reason": reason, **{name: value for name, value in said.items() if value is not None}}
        return self.wire.send(Receipt, path, body, dry_run=dry_run)
