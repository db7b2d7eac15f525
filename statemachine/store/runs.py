"""What the run database says of a run, and what operators say of one: close, expect, waive, reopen, reclassify."""

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, text

from ..pipeline import Pipeline
from ..records import RunInfo, Trouble
from .announced import CODE, same_sum, try_again
from .campaigns import Book, realtime_campaign
from .core import Touched, execute, notify
from .errors import NotFoundError, RefusedError
from .gather import gather, rewind
from .pin import LARGEST_RUN, pin_runs
from .retype import Retyped, retype

LARGEST_SEQUENCE = 2**31 - 1
QUALITIES = ("unknown", "good", "questionable", "bad")


def inform(connection: Connection, info: RunInfo, book: Book) -> tuple[Trouble, ...]:
    """Write down what a run database says of one run. Idempotent; what operators said since stands."""
    if not 0 <= info.run <= LARGEST_RUN:
        return (_trouble(info, "run-number-out-of-range", f"run {info.run} is not between 0 and {LARGEST_RUN}"),)
    pin_runs(connection, {info.run: info.kind}, book)
    run = locked(connection, info.run)
    said = _identity(info)
    if run.identity is not None and said is not None and said != run.identity:
        sentence = (
            f"run number {info.run} is used twice: it was {run.identity}, {info.source} now says {said}; "
            "nothing was changed: give the later run a number of its own"
        )
        return (_trouble(info, "run-number-reused", sentence),)
    troubles = _check_kind(connection, run, info)
    troubles += _expect_files(connection, run, info)
    values = _informed(run, info, said, _operations(connection, run.id))
    connection.execute(text(_INFORM), values)
    if run.closed_at is not None and values["expected"] not in (None, run.expected):
        rewind(connection, {run.id})
    return troubles


def close(connection: Connection, number: int, actor: str, reason: str, expected: int | None = None) -> None:
    """Say that the detector has ended a run.

    Without a number announced, what is registered and what is declared missing is the number.
    """
    run = locked(connection, number)
    if run.closed_at is not None and expected is None:
        raise RefusedError(f"run {number} is closed already, since {run.closed_at:%Y-%m-%d %H:%M:%S} UTC")
    count = expected if expected is not None else run.expected
    if count is None:
        count = registered(connection, run.id) + run.waived
    values = {"closed_by": actor, "expected": count}
    _operate(connection, run, "close", actor, reason, "closed_at = clock_timestamp()", values)


def expect(connection: Connection, number: int, count: int, actor: str, reason: str) -> None:
    """Correct the number of files that a run has."""
    if count < 0:
        raise RefusedError(f"a run cannot have {count} files")
    _operate(connection, locked(connection, number), "expect", actor, reason, "", {"expected": count})


def waive(connection: Connection, number: int, files: Sequence[int | str], actor: str, reason: str) -> int:
    """Declare files missing, by sequence number or name; give how many were newly declared."""
    run = locked(connection, number)
    missing = [name for name in files if not _waive_one(connection, run, name, actor, reason)]
    if missing:
        names = ", ".join(str(name) for name in missing)
        raise RefusedError(f"run {number}: {names} is registered or declared missing already; nothing was changed")
    waived = connection.execute(
        text("select count(*) from file where run_id = :id and waived_at is not null"), {"id": run.id}
    ).scalar_one()
    _operate(connection, run, "waive", actor, reason, "", {"waived": waived})
    return len(files)


def reopen(connection: Connection, number: int, actor: str, reason: str) -> None:
    """Take a run's closing back: more files may come. Its item moves back; run-scope results are superseded."""
    run = locked(connection, number)
    if run.closed_at is None:
        raise RefusedError(f"run {number} is open already")
    _operate(connection, run, "reopen", actor, reason, "closed_at = null, closed_by = ''", {})


def reclassify(
    connection: Connection,
    number: int,
    kind: str,
    pipeline_for: Callable[[str], Pipeline | None],
    actor: str,
    reason: str,
    period: str = "week",
) -> Retyped:
    """Give a run another type: all its files start again on that type's way, in every campaign that has them."""
    run = locked(connection, number)
    pipeline = pipeline_for(kind)
    if pipeline is None:
        raise RefusedError(f"run type {kind} is not configured; nothing was changed")
    if run.kind == kind and run.known_kind:
        raise RefusedError(f"run {number} is of type {kind} already")
    to = realtime_campaign(connection, pipeline, period, number)
    values = {"kind": kind, "known_kind": True, "campaign_id": to.campaign_id}
    _operate(connection, run, "reclassify", actor, reason, "", values)
    return retype(connection, run, to, kind, actor, reason)


def judge(connection: Connection, number: int, quality: str, actor: str, reason: str) -> None:
    """Say how good the data of a run are."""
    if quality not in QUALITIES:
        raise RefusedError(f"there is no quality {quality}; give one of {', '.join(QUALITIES)}")
    run = locked(connection, number)
    if run.quality == quality:
        raise RefusedError(f"run {number} is {quality} already")
    _operate(connection, run, "quality", actor, reason, "", {"quality": quality})


def learn(connection: Connection, book: Book) -> int:
    """Release the runs whose type was unknown and is configured now; give how many."""
    rows = connection.execute(
        text("select number, kind from run where not known_kind and kind = any(:kinds) order by id"),
        {"kinds": sorted(book.pipelines)},
    ).all()
    for row in rows:
        reclassify(
            connection, row.number, row.kind, book.pipelines.get, "conductor", "the type is configured now", book.period
        )
    return len(rows)


def locked(connection: Connection, number: int) -> Row[Any]:
    """Lock a run's row and give it. Raises `NotFoundError`."""
    row = connection.execute(text("select * from run where number = :n for no key update"), {"n": number}).first()
    if row is None:
        raise NotFoundError(f"there is no run {number}")
    return row


def registered(connection: Connection, run_id: int) -> int:
    """Count a run's registered files."""
    statement = text("select count(*) from file where run_id = :id and registered_at is not null")
    return int(connection.execute(statement, {"id": run_id}).scalar_one())


def campaigns_of(connection: Connection, number: int) -> Touched:
    """Give the (run id, campaign id) pairs of a run, for `gather`."""
    statement = text(
        "select i.run_id, i.campaign_id from item i join run on run.id = i.run_id "
        "where run.number = :n and i.scope = 'run'"
    )
    return {(row.run_id, row.campaign_id) for row in connection.execute(statement, {"n": number})}


def _identity(info: RunInfo) -> str | None:
    if info.identity is not None:
        return info.identity
    return info.started.astimezone(UTC).isoformat() if info.started else None


def _check_kind(connection: Connection, run: Row[Any], info: RunInfo) -> tuple[Trouble, ...]:
    if info.kind is None or run.kind is None or info.kind == run.kind:
        return ()
    if "reclassify" in _operations(connection, run.id):
        return ()
    sentence = f"{info.source} says that run {info.run} is {info.kind}, it is known as {run.kind}; nothing was changed"
    return (_trouble(info, "kind-mismatch", sentence),)


def _expect_files(connection: Connection, run: Row[Any], info: RunInfo) -> tuple[Trouble, ...]:
    """Write down the files announced. Of those that were read before, say which have another sum; once.

    Those that failed for the sum that was announced before are tried again.
    """
    rows = [
        {"run_id": run.id, "sequence": f.sequence, "name": f.name, "size": f.size, "adler32": f.adler32}
        for f in info.files
    ]
    execute(connection, "insert_expected", rows)
    again = execute(connection, "announce_again", [row for row in rows if row["adler32"]])
    try_again(connection, run.id, again, info.source)
    return tuple(
        _trouble(
            info,
            CODE,
            f"{row.name} of run {info.run} has adler32 {row.adler32}, {info.source} now announces "
            f"{row.expected_adler32}; what was made from it stays; if the file is wrong, have it written again",
            subject=row.path,
        )
        for row in again
        if row.adler32 and not same_sum(row.expected_adler32, row.adler32)
    )


def _operations(connection: Connection, run_id: int) -> set[str]:
    statement = text("select distinct operation from run_operation where run_id = :id")
    return set(connection.execute(statement, {"id": run_id}).scalars())


def _informed(run: Row[Any], info: RunInfo, identity: str | None, operations: set[str]) -> dict[str, Any]:
    count = info.expected if info.expected is not None else (len(info.files) or None)
    keep = "expect" in operations or "close" in operations
    return {
        "id": run.id,
        "identity": identity,
        "started": info.started,
        "ended": info.ended,
        "expected": run.expected if keep and run.expected is not None else count,
        "first": info.first_sequence,
        "closes": info.closed and "reopen" not in operations,
        "source": info.source,
        "metadata": msgspec.json.encode(info.metadata).decode(),
    }


def _waive_one(connection: Connection, run: Row[Any], name: int | str, actor: str, reason: str) -> bool:
    values = {"run": run.id, "actor": actor, "reason": reason, "name": str(name)}
    digits = str(name).isascii() and str(name).isdigit()
    values["sequence"] = int(name) if digits and int(name) <= LARGEST_SEQUENCE else None
    row = connection.execute(text(_WAIVE), values).first()
    if row is not None:
        return True
    there = connection.execute(text(_THERE), values).first()
    if there is not None:
        return False
    if values["sequence"] is None:
        raise NotFoundError(f"run {run.number} has no file {name} announced; give its sequence number")
    connection.execute(text(_WAIVE_NEW), values)
    return True


def _operate(
    connection: Connection, run: Row[Any], name: str, actor: str, reason: str, also: str, values: dict[str, Any]
) -> None:
    changes = [f"{column} = :{column}" for column in values]
    assignments = ", ".join([*changes, *([also] if also else []), "version = version + 1"])
    statement = text(f"update run set {assignments} where id = :id")  # noqa: S608 - columns are this module's own  # nosec B608
    connection.execute(statement, {**values, "id": run.id})
    before = {column: run._mapping[column] for column in ("kind", "expected", "waived", "closed_at", "quality")}
    connection.execute(
        text(_INSERT_OPERATION),
        {
            "run": run.id,
            "actor": actor,
            "operation": name,
            "reason": reason,
            "before": msgspec.json.encode(before).decode(),
            "after": msgspec.json.encode(values).decode(),
        },
    )
    gather(connection, campaigns_of(connection, run.number), also_open=True)
    notify(connection, f"run {run.number}")


def _trouble(info: RunInfo, code: str, sentence: str, subject: str = "") -> Trouble:
    return Trouble(
        code=code,
        sentence=sentence,
        subject=subject or f"{info.source}: run {info.run}",
        run=info.run,
        payload=msgspec.json.encode(info).decode(),
        source=info.source,
    )


_INFORM = """
update run set identity = coalesce(identity, :identity), started_at = coalesce(:started, started_at),
  ended_at = coalesce(:ended, ended_at), expected = coalesce(:expected, expected),
  first_sequence = coalesce(:first, first_sequence),
  closed_at = case when :closes then coalesce(closed_at, clock_timestamp()) else closed_at end,
  closed_by = case when :closes and closed_at is null then :source else closed_by end,
  source = :source, metadata = metadata || cast(:metadata as jsonb), version = version + 1
where id = :id
"""

_WAIVE = """
update file set waived_at = clock_timestamp(), waived_by = :actor, waived_reason = :reason
where run_id = :run and registered_at is null and waived_at is null
  and (name = :name or sequence = cast(:sequence as integer))
returning id
"""

_THERE = "select id from file where run_id = :run and (name = :name or sequence = cast(:sequence as integer))"

_WAIVE_NEW = """
insert into file (run_id, sequence, name, waived_at, waived_by, waived_reason)
values (:run, :sequence, 'sequence ' || :name, clock_timestamp(), :actor, :reason)
"""

_INSERT_OPERATION = """
insert into run_operation (run_id, actor, operation, reason, before, after)
values (:run, :actor, :operation, :reason, cast(:before as jsonb), cast(:after as jsonb))
"""
