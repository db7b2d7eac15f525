"""Arrivals: raw files become rows, items and counts; the same hint again changes nothing."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from ..records import ArrivedFile, Record, Trouble
from .campaigns import Book
from .core import Ready, Touched, execute, ready_of
from .dead import place_of, subject_of
from .gather import rewind
from .judge import Known, Register, judge
from .pin import RunRow, pin_runs
from .quiet import quietly

TRIES = 3


class Registered(Record):
    """What an arrival batch did: what is ready now, which runs changed, what was refused."""

    ready: tuple[Ready, ...] = ()
    touched: frozenset[tuple[int, int]] = frozenset()
    troubles: tuple[Trouble, ...] = ()
    files: int = 0


def register(connection: Connection, arrivals: Sequence[ArrivedFile], book: Book, *, held: bool = False) -> Registered:
    """Register arrived files: their runs, their rows, their items. Idempotent; refuses with troubles.

    `held`: the caller holds the runs.
    """
    if not arrivals:
        return Registered()
    runs = pin_runs(connection, _kinds(arrivals), book, held=held)
    waiting = list({(a.run, a.sequence, a.path): a for a in arrivals}.values())
    troubles: list[Trouble] = []
    made: list[dict[str, Any]] = []
    for _ in range(TRIES):
        if not waiting:
            break
        verdicts = _judge_all(connection, waiting, runs)
        troubles += [verdict for _, verdict in verdicts if isinstance(verdict, Trouble)]
        wanted = [(arrival, verdict) for arrival, verdict in verdicts if isinstance(verdict, Register)]
        rows = _write_files(connection, wanted, runs)
        made += rows
        done = {(row["site"], row["path"]) for row in rows}
        waiting = [arrival for arrival, _ in wanted if (arrival.site, arrival.path) not in done]
    ready, touched = _make_items(connection, made, runs)
    rewind(connection, {run for run, _ in touched} & {run.id for run in runs.values() if run.closed})
    return Registered(ready=tuple(ready), touched=frozenset(touched), troubles=tuple(troubles), files=len(made))


def known(connection: Connection, arrivals: Sequence[ArrivedFile]) -> list[bool]:
    """Say for each file whether the database has dealt with it at this size and time: registered or refused."""
    if not arrivals:
        return []
    rows = [
        {
            "n": n,
            "site": a.site,
            "path": a.path,
            "place": place_of(a.site, a.path),
            "subject": subject_of(a.path),
            "size": a.size,
            "mtime_ns": a.mtime_ns,
        }
        for n, a in enumerate(arrivals)
    ]
    found = {row.n for row in execute(connection, "known_arrivals", rows)}
    return [n in found for n in range(len(arrivals))]


def _kinds(arrivals: Iterable[ArrivedFile]) -> dict[int, str | None]:
    kinds: dict[int, str | None] = {}
    for arrival in arrivals:
        kinds[arrival.run] = kinds.get(arrival.run) or arrival.kind
    return kinds


def _judge_all(
    connection: Connection, arrivals: list[ArrivedFile], runs: dict[int, RunRow]
) -> list[tuple[ArrivedFile, Known]]:
    rows = [
        {"run_id": runs[a.run].id, "sequence": a.sequence, "name": a.name, "site": a.site, "path": a.path}
        for a in arrivals
    ]
    existing = execute(connection, "files_like", rows)
    by_place = {(row.site, row.path): row for row in existing if row.path is not None}
    by_name = {(row.run_id, row.name): row for row in existing}
    by_sequence = {(row.run_id, row.sequence): row for row in existing if row.sequence is not None}
    verdicts: list[tuple[ArrivedFile, Known]] = []
    for a in arrivals:
        run = runs[a.run]
        numbered = by_sequence.get((run.id, a.sequence))
        row: Row[Any] | None = by_place.get((a.site, a.path)) or by_name.get((run.id, a.name)) or numbered
        verdicts.append((a, judge(a, run, row, numbered)))
    return verdicts


def _write_files(
    connection: Connection, wanted: list[tuple[ArrivedFile, Register]], runs: dict[int, RunRow]
) -> list[dict[str, Any]]:
    rows = [
        {
            "id": verdict.expected,
            "run_id": runs[a.run].id,
            "sequence": a.sequence,
            "name": a.name,
            "site": a.site,
            "path": a.path,
            "size": a.size,
            "mtime_ns": a.mtime_ns,
            "closed_ns": a.closed_ns,
            "inbox": a.inbox,
        }
        for a, verdict in wanted
    ]
    came = execute(connection, "register_expected", [row for row in rows if row["id"] is not None])
    new = execute(connection, "insert_files", [row for row in rows if row["id"] is None])
    _unwaive(connection, {row.run_id for row in came})
    return [dict(row._mapping) for row in (*came, *new)]


def _make_items(
    connection: Connection, files: list[dict[str, Any]], runs: dict[int, RunRow]
) -> tuple[list[Ready], Touched]:
    campaign_of = {run.id: run.campaign_id for run in runs.values()}
    rows = [
        {"run_id": f["run_id"], "file_id": f["id"], "scope": "file", "campaign_id": campaign_of[f["run_id"]]}
        for f in files
    ]
    items = execute(connection, "insert_items", rows, actor="conductor")
    replicas = [
        {
            "run_id": f["run_id"],
            "file_id": f["id"],
            "site": f["site"],
            "path": f["path"],
            "size": f["size"],
            "place": place_of(f["site"], f["path"]),
        }
        for f in files
    ]
    execute(connection, "insert_raw_replicas", replicas)
    passable = {row.item for row in items if row.passable}
    return quietly(connection, ready_of(items), passable), {(row.run_id, row.campaign_id) for row in items}


def _unwaive(connection: Connection, runs: set[int]) -> None:
    if runs:
        statement = (
            "update run set waived = (select count(*) from file f where f.run_id = run.id and f.waived_at is not null)"
            " where id = any(:ids)"
        )
        connection.execute(text(statement), {"ids": sorted(runs)})
