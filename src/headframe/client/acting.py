"""What a client can have done, with the token of an operator. Each call acts once, however often it had to be sent."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..statemachine import views as v
from ..statemachine.piloting import Orders, PilotWish, Round
from ..statemachine.records import Record
from ..statemachine.store.campaign_plan import Plan
from .wire import Rows, Wire, within


class Receipt(Record):
    """What was done, or would be in a dry run: a sentence, how many things changed (of `total`, where there may be more
    that are meant), where to look at them."""

    done: str
    changed: int = 0
    link: str = ""
    dry_run: bool = False
    total: int = 0


class Taken(Record):
    """What a campaign takes in, made by the operation of this number (0 in a dry run)."""

    done: str
    operation: int
    plan: Plan
    dry_run: bool = False


class Told(Record):
    """What became of a campaign: its status now, and what whoever asked should know."""

    done: str
    status: str
    warning: str = ""
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

    def cancel_operation(self, number: int, reason: str, *, dry_run: bool = False) -> v.OperationRow:
        """Leave the rest of a large action undone."""
        path = within("operations", number, "cancel")
        return self.wire.send(v.OperationRow, path, {"reason": reason}, dry_run=dry_run)

    def tell_run(self, number: int, word: str, reason: str, *, dry_run: bool = False, **said: Any) -> Receipt:
        """Close, expect, waive, reopen or reclassify a run: `tell_run(12, "waive", "lost", files=[17, "20-22"])`."""
        return self._told(within("runs", number, word), reason, dry_run, said)

    def note(
        self, number: int, text: str, *, kind: str = "note", file: str | None = None, dry_run: bool = False
    ) -> v.NoteRow:
        """Write a note about a run, or about one of its files: its name, path, sequence or number."""
        body = {"text": text, "kind": kind, "file": file}
        return self.wire.send(v.NoteRow, within("runs", number, "note"), body, dry_run=dry_run)

    def judge(self, number: int, quality: str, reason: str, *, dry_run: bool = False) -> v.Operation:
        """Say how good a run is: unknown, good, questionable or bad."""
        body = {"quality": quality, "reason": reason}
        return self.wire.send(v.Operation, within("runs", number, "quality"), body, dry_run=dry_run)

    def pause(self, what: str, name: str, reason: str, *, dry_run: bool = False) -> Receipt:
        """Let a step, a lane, a site, a worker or a node rest."""
        return self._told("/pauses", reason, dry_run, {"what": what, "name": name})

    def resume(self, what: str, name: str, reason: str, *, dry_run: bool = False) -> Receipt:
        """Let what was paused go on."""
        path = within("pauses", what, name)
        return self.wire.send(Receipt, path, None, dry_run=dry_run, method="DELETE", reason=reason)

    def acknowledge(self, code: str, name: str, hours: float, reason: str, *, dry_run: bool = False) -> Receipt:
        """Say that you know of an alert, open or not, for so many hours; nobody is told of it until then."""
        return self._told("/alerts/ack", reason, dry_run, {"code": code, "name": name, "hours": hours})

    def unacknowledge(self, code: str, name: str, reason: str, *, dry_run: bool = False) -> Receipt:
        """Take that back, also somebody else's."""
        return self._told("/alerts/unack", reason, dry_run, {"code": code, "name": name})

    def say_detector(
        self, source: str, running: bool, *, valid_s: float = 120.0, detail: str = "", dry_run: bool = False
    ) -> Receipt:
        """Say, as a program of the detector, that it takes data or not; it holds for `valid_s` seconds."""
        body = {"source": source, "running": running, "valid_s": valid_s, "detail": detail}
        return self.wire.send(Receipt, "/detector", body, dry_run=dry_run)

    def drain(self, worker: str, reason: str, *, dry_run: bool = False) -> Receipt:
        """Let a worker finish what it does and leave."""
        return self._told(within("workers", worker, "drain"), reason, dry_run, {})

    def tell_pilot(self, number: int, word: str, reason: str, *, dry_run: bool = False) -> Receipt:
        """Have a pilot drained or cancelled: `tell_pilot(17, "drain", "its node is to be rebooted")`."""
        return self._told(within("pilots", number, word), reason, dry_run, {})

    def intend(self, launcher: str, wishes: Sequence[PilotWish]) -> None:
        """Say, as a launcher, which pilots are about to be submitted; the same again changes nothing."""
        self.wire.send(Receipt, within("launchers", launcher, "pilots"), list(wishes))

    def round(self, launcher: str, said: Round) -> Orders:
        """Say, as a launcher, what was seen of its pilots; give what is known of them, and of the work."""
        return self.wire.send(Orders, within("launchers", launcher, "round"), said)

    def replay(self, letter: int, reason: str, *, dry_run: bool = False) -> Receipt:
        """Try a dead letter again."""
        return self._told(within("dead-letters", letter, "replay"), reason, dry_run, {})

    def forget(self, letter: int, reason: str, *, dry_run: bool = False) -> Receipt:
        """Take a dead letter off the list."""
        return self._told(within("dead-letters", letter, "forget"), reason, dry_run, {})

    def tell_letters(
        self, word: str, numbers: Sequence[int], code: str | None, reason: str, *, dry_run: bool = False
    ) -> Receipt:
        """Replay or forget several dead letters: by number, or all open ones of a code."""
        said = {"ids": list(numbers) or None, "code": code}
        return self._told(within("dead-letters", word), reason, dry_run, said)

    def create_campaign(
        self, name: str, runs: Mapping[str, Any], reason: str, *, dry_run: bool = False, **said: Any
    ) -> Taken:
        """Begin a campaign over the runs that fit: `create_campaign("again-1", {"kind": ["science"]}, "new gains")`.

        `said` may be pipeline, version, start_state, lane, weight, note. What is large is made by a daemon.
        """
        body = {"name": name, "runs": dict(runs), "reason": reason, "pipeline": "default", **said}
        return self.wire.send(Taken, "/campaigns", body, dry_run=dry_run)

    def grow_campaign(
        self, name: str, reason: str, runs: Mapping[str, Any] | None = None, *, dry_run: bool = False
    ) -> Taken:
        """Let a campaign take in what fits by now, or what fits another choice of runs."""
        body = {"reason": reason, **({} if runs is None else {"runs": dict(runs)})}
        return self.wire.send(Taken, within("campaigns", name, "grow"), body, dry_run=dry_run)

    def tell_campaign(self, name: str, word: str, reason: str, *, dry_run: bool = False, **said: Any) -> Told:
        """Pause, resume or close a campaign: `tell_campaign("again-1", "close", "done", cancel=True)`."""
        path = within("campaigns", name, word)
        return self.wire.send(Told, path, {"reason": reason, **said}, dry_run=dry_run)

    def arrive(self, files: Sequence[Mapping[str, Any]], *, dry_run: bool = False) -> tuple[dict[str, Any], ...]:
        """Say that raw files are there, up to 1,000 at once; give what became of each."""
        sent = [dict(file) for file in files]
        answer: Rows[dict[str, Any]] = self.wire.send(Rows[dict[str, Any]], "/arrivals", sent, dry_run=dry_run)
        return answer.rows

    def _told(self, path: str, reason: str, dry_run: bool, said: Mapping[str, Any]) -> Receipt:
        body = {"reason": reason, **{name: value for name, value in said.items() if value is not None}}
        return self.wire.send(Receipt, path, body, dry_run=dry_run)
