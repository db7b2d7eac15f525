"""How a campaign gets its items: a job in pages that each commit, for anybody to carry on with, from where it stands.

Who begins one writes down what is to be taken in, and makes the first page if that is all. The rest is made by
whoever finds the job (the sweeper, or the command that asked): the job's row is locked for each page.
"""

from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Row, text

from ..database import first_line, is_passing
from ..meeting import met
from ..records import Record
from .campaign_plan import THERE, Judge, judged, next_runs
from .campaign_query import RunChoice
from .campaigns import load_pipeline
from .core import execute, notify, ready_of
from .gather import gather, lock_runs, rewind
from .quiet import quietly

ACTIONS = ("campaign-create", "campaign-grow")
"""What the jobs are called among operations."""
PAGE = 1000
RUNS = 100
"""How many files, and how many runs at most, one commit takes in."""


class Growth(Record):
    """A job as its row keeps it: what to take in, and how far that is.

    All runs up to the id `after` are dealt with, and those of run `within` up to `name`; `left_out` counts files that
    could not start. `upto` is the newest run that there was when it was asked for.
    """

    campaign: str
    campaign_id: int
    query: RunChoice
    upto: int
    after: int = 0
    within: int = 0
    name: str = ""
    left_out: dict[str, int] = {}


class Made(Record):
    """What a page made: so many items, the runs that they belong to, and whether it was the last one."""

    files: int = 0
    touched: frozenset[tuple[int, int]] = frozenset()
    ended: bool = True


def begin(connection: Connection, action: str, growth: Growth, actor: str, reason: str, total: int, lane: str) -> int:
    """Write a job down; give its number."""
    said = msgspec.json.encode(growth).decode()
    values: dict[str, Any] = {"actor": actor, "action": action, "selection": said, "reason": reason}
    rows = execute(connection, "begin_growing", **values, total=total, lane=lane)
    return int(rows[0].id)


def turn(engine: Engine) -> bool:
    """Make a page of the job that was longest not looked after, and that nobody is at; false where there is none."""
    with engine.begin() as connection:
        jobs = [row.id for row in execute(connection, "growing")]
    for job in jobs:
        make(engine, job)
    return bool(jobs)


def make(engine: Engine, job: int) -> bool:
    """Make one page of a job and let its runs follow; say whether the job has ended.

    Errors that pass are raised; others end the job, with their text.
    """
    try:
        with engine.begin() as connection:
            made = page(connection, job)
    except Exception as error:
        if is_passing(error):
            raise
        with engine.begin() as connection:
            _leave(connection, job, "failed", first_line(error))
        return True
    with engine.begin() as connection:
        follow(connection, made)
    return made.ended


def follow(connection: Connection, made: Made) -> None:
    """After the commit of a page, in a transaction of its own: let runs follow their files, wake the conductors."""
    gather(connection, made.touched)
    notify(connection, "campaign")


def leave(connection: Connection, job: int, why: str) -> None:
    """Leave the rest of a job unmade. What is made goes on, and a later growth takes the rest in."""
    _leave(connection, job, "cancelled", why)


def _leave(connection: Connection, job: int, status: str, why: str) -> None:
    for row in execute(connection, "end_growth", id=job, status=status, why=why):
        _open(connection, row.campaign_id, row.left_out or {})


def page(connection: Connection, job: int) -> Made:
    """Make the next page of a job: files that can start become items. The same page is never made twice."""
    row = execute(connection, "hold_growth", id=job)[0]
    if row.status != "running":
        return Made()
    growth = msgspec.convert(row.selection, met(Growth), strict=False)
    if row.campaign_status == "closed":
        return _end(connection, row, growth, Made())
    made, growth = _take(connection, row, growth)
    return _end(connection, row, growth, made)


def _take(connection: Connection, row: Row[Any], growth: Growth) -> tuple[Made, Growth]:
    judge = judge_of(connection, row.campaign_id, growth.query)
    runs = next_runs(connection, judge, growth.after, growth.upto, RUNS)
    lock_runs(connection, runs)
    found = judged(connection, judge, runs, growth.within, growth.name, PAGE)
    made = _items(connection, row, [each for each in found if not each.code])
    left = dict(growth.left_out)
    for each in found:
        if each.code not in ("", THERE):
            left[each.code] = left.get(each.code, 0) + 1
    if len(found) == PAGE:
        at = found[-1]
        reached = {"after": at.run_id - 1, "within": at.run_id, "name": at.name}
    else:
        reached = {"after": runs[-1] if runs else growth.upto, "within": 0, "name": ""}
    ended = len(found) < PAGE and len(runs) < RUNS
    files = len(made)
    touched = frozenset((each.run_id, each.campaign_id) for each in made)
    return Made(files=files, touched=touched, ended=ended), msgspec.structs.replace(growth, left_out=left, **reached)


def judge_of(connection: Connection, campaign_id: int, query: RunChoice) -> Judge:
    """Give the judge of a campaign's files."""
    statement = text("select pipeline_id, start_state from campaign where id = :id")
    row = connection.execute(statement, {"id": campaign_id}).one()
    pipeline = load_pipeline(connection, row.pipeline_id)
    state = row.start_state or pipeline.initial
    return Judge(pipeline=pipeline, state=state, query=query, campaign_id=campaign_id)


def _items(connection: Connection, row: Row[Any], files: list[Row[Any]]) -> list[Row[Any]]:
    """Make the items of files, and of their runs; what they need not do is passed at once."""
    said = {"campaign_id": row.campaign_id, "actor": row.actor, "reason": row.reason}
    wanted = [{"run_id": each.run_id, "file_id": each.file_id, "kind": each.kind} for each in files]
    runs = [
        {"run_id": run, "file_id": None, "scope": "run", "campaign_id": row.campaign_id, "reason": row.reason}
        for run in sorted({each.run_id for each in files})
    ]
    execute(connection, "insert_items", runs, actor=row.actor)
    made = execute(connection, "campaign_files", wanted, **said)
    # A run that the campaign has already gets further files: what was made of the whole of it is older.
    rewind(connection, {each.run_id for each in made})
    quietly(connection, ready_of(made), {each.item for each in made if each.passable})
    return made


def _end(connection: Connection, row: Row[Any], growth: Growth, made: Made) -> Made:
    at = {"after": growth.after, "within": growth.within, "name": growth.name, "left_out": growth.left_out}
    said = msgspec.json.encode(at).decode()
    execute(connection, "grown", id=row.id, changed=made.files, done=made.files, at=said, ended=made.ended)
    if made.ended:
        _open(connection, row.campaign_id, growth.left_out)
    return made


def _open(connection: Connection, campaign_id: int, left_out: dict[str, int]) -> None:
    left = msgspec.json.encode(left_out).decode()
    execute(connection, "campaign_made", campaign_id=campaign_id, left_out=left)
    notify(connection, "campaign")
