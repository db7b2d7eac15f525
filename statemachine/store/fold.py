"""Folds a batch of reports: what was said of one item, in order, becomes rounds with one word an item each."""

from collections.abc import Iterable, Sequence

import msgspec

from ..records import Outcome, Record, Reporter


class Said(Record):
    """One outcome and who reported it."""

    outcome: Outcome
    reporter: Reporter

    @property
    def attempt(self) -> tuple[int, int, str]:
        """Name the attempt that this is about: item, epoch, owner."""
        return self.outcome.item, self.outcome.epoch, self.reporter.owner


def fold(said: Iterable[Said]) -> list[list[Said]]:
    """Split a batch into rounds in which each item appears once, keeping each item's order.

    `UPDATE ... FROM` applies only one of two rows for an item and drops the other in silence, so no statement
    may see an item twice. A start that is followed by its own attempt's end becomes part of that end.
    """
    by_item: dict[int, list[Said]] = {}
    for entry in said:
        _append(by_item.setdefault(entry.outcome.item, []), entry)
    rounds: list[list[Said]] = []
    for entries in by_item.values():
        for place, entry in enumerate(entries):
            if place == len(rounds):
                rounds.append([])
            rounds[place].append(entry)
    return rounds


def _append(entries: list[Said], entry: Said) -> None:
    before = entries[-1] if entries else None
    if before is not None and before.attempt == entry.attempt and before.outcome.trigger == "start":
        if entry.outcome.trigger == "start":
            return
        entries[-1] = _with_start(entry, before)
        return
    entries.append(entry)


def _with_start(end: Said, start: Said) -> Said:
    began = end.outcome.started_at or start.outcome.started_at
    return Said(outcome=msgspec.structs.replace(end.outcome, started_at=began), reporter=end.reporter)


def of_trigger(round_: Sequence[Said], trigger: str) -> list[Said]:
    """Keep what a round says with one trigger."""
    return [entry for entry in round_ if entry.outcome.trigger == trigger]
