"""Judges an arrived file against what the database has: new, the same again, or a trouble with one clear line."""

from typing import Any

from sqlalchemy import Row

from ..records import ArrivedFile, Record, Trouble
from .dead import place_of
from .pin import RunRow


class Register(Record):
    """A file to register; `expected` is the row that announced it, none if nothing did."""

    expected: int | None = None


class Same(Record):
    """Registered already, at this place, size and time."""


Known = Register | Same | Trouble


def judge(arrival: ArrivedFile, run: RunRow, row: Row[Any] | None, numbered: Row[Any] | None = None) -> Known:
    """Decide on one arrived file.

    `row` is the file that has its place, else its name, else its sequence number, if any; `numbered` the one that
    has its sequence number.
    """
    if row is not None and _is_same(arrival, row):
        return Same()
    if arrival.kind is not None and run.kind is not None and arrival.kind != run.kind and not run.reclassified:
        return _kind_mismatch(arrival, run)
    if row is None:
        return Register()
    if row.registered_at is None:
        return _announced(arrival, row, numbered)
    if (row.site, row.path) != (arrival.site, arrival.path):
        return _twice(arrival, row)
    return _rewritten(arrival, row)


def _is_same(arrival: ArrivedFile, row: Row[Any]) -> bool:
    """Say whether the hint has come before, even if its run was reclassified since."""
    seen = (row.site, row.path, row.size, row.mtime_ns)
    return row.registered_at is not None and seen == (arrival.site, arrival.path, arrival.size, arrival.mtime_ns)


def _announced(arrival: ArrivedFile, row: Row[Any], numbered: Row[Any] | None) -> Known:
    if numbered is not None and numbered.id != row.id:
        return _twice(arrival, numbered)
    if row.sequence is not None and row.sequence != arrival.sequence:
        said = f"{arrival.name} was announced as sequence {row.sequence}, its name says {arrival.sequence}"
        return _trouble("sequence-differs", said, arrival)
    if row.expected_size is not None and row.expected_size != arrival.size:
        said = f"{arrival.name} has {arrival.size} bytes, its run announced {row.expected_size}"
        return _trouble("size-differs", said, arrival)
    return Register(expected=row.id)


def _kind_mismatch(arrival: ArrivedFile, run: RunRow) -> Trouble:
    said = (
        f"{arrival.name} says run type {arrival.kind}, run {arrival.run} is {run.kind}; "
        f"if the run is wrong: headframe run reclassify {arrival.run} {arrival.kind} --reason ..."
    )
    return _trouble("kind-mismatch", said, arrival)


def _twice(arrival: ArrivedFile, row: Row[Any]) -> Trouble:
    if row.name == arrival.name:
        said = (
            f"run {arrival.run} already has {arrival.name}, from {row.path}; {arrival.path} was not taken: "
            "give it a name and a sequence number of its own, or remove it"
        )
        return _trouble("name-twice", said, arrival)
    said = (
        f"run {arrival.run} already has sequence {arrival.sequence}: {row.name}; {arrival.name} was not taken: "
        "give it a sequence number of its own, or remove it"
    )
    return _trouble("sequence-twice", said, arrival)


def _rewritten(arrival: ArrivedFile, row: Row[Any]) -> Trouble:
    said = (
        f"{arrival.name} was rewritten after it arrived ({row.size} bytes then, {arrival.size} now); what was made "
        f"from it stays; to take the new content: "
        f"headframe reset --file {arrival.name} --to arrived --new-content --reason ..."
    )
    return _trouble("rewritten", said, arrival)


def _trouble(code: str, sentence: str, arrival: ArrivedFile) -> Trouble:
    return Trouble(
        code=code,
        sentence=sentence,
        subject=arrival.path,
        run=arrival.run,
        size=arrival.size,
        mtime_ns=arrival.mtime_ns,
        source=arrival.inbox,
        payload=place_of(arrival.site, arrival.path),
    )
