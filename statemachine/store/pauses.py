"""What operators pause, and which workers they drain: kept as rows, told again and again until it is so.

A paused step or lane sends nothing out, and workers leave its queues alone. A paused site is not written to: steps
that would write there send nothing out, and copies elsewhere are read first. A paused worker takes nothing new, nor do
the workers of a node that is set aside. In every case, what is executing runs on to its end.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, text

from ..pipeline import Pipeline
from ..records import Record
from .campaigns import load_pipeline
from .core import notify
from .errors import NotFoundError, RefusedError

What = Literal["step", "lane", "site", "worker", "node"]
DRAIN = "drain"

_THERE = {
    "step": "select distinct step from step_rule where step = :name",
    "lane": "select lane from (values ('live'), ('bulk')) as lanes (lane) where lane = :name",
    "site": "select name from site where name = :name",
    "worker": (
        "select coalesce(nullif(detail ->> 'name', ''), owner) from process "
        "where role = 'worker' and :name in (owner, detail ->> 'name')"
    ),
    "node": (
        "select 1 from process where role = 'worker' and host = :name union all "
        "select 1 from pilot where node = :name union all (select 1 from attempt where host = :name limit 1)"
    ),
}


class WorkerSeen(Record):
    """A worker as its report shows it: who and where it is, and what it has been told to leave alone."""

    owner: str
    name: str
    halted: tuple[str, ...]
    host: str = ""


class Told(Record):
    """What a worker has to be told: what to leave alone from now on, and whether to finish and leave."""

    owner: str
    halted: tuple[str, ...] = ()
    drain: bool = False


def pause(connection: Connection, what: What, name: str, actor: str, reason: str) -> bool:
    """Pause something; False where it was paused already. Raises `NotFoundError`, `RefusedError`."""
    _check(connection, what, name)
    changed = _insert(connection, what, name, actor, reason)
    if changed:
        _write_down(connection, "pause", {"what": what, "name": name}, actor, reason)
    return changed


def resume(connection: Connection, what: What, name: str, actor: str, reason: str) -> None:
    """Let something go on. Raises `NotFoundError` where it is not paused."""
    statement = text("delete from pause where what = :what and name = :name returning name")
    if connection.execute(statement, {"what": what, "name": name}).first() is None:
        raise NotFoundError(f"{what} {name} is not paused")
    _write_down(connection, "resume", {"what": what, "name": name}, actor, reason)
    notify(connection, "resume")


def drain(connection: Connection, name: str, actor: str, reason: str) -> list[str]:
    """Tell workers, by their name or owner, to finish what they do and leave; give the owners.

    Those that start later under the same name are not meant. Raises `NotFoundError`.
    """
    statement = text(
        "select owner from process where role = 'worker' and :name in (owner, detail ->> 'name') "
        "and seen_at > clock_timestamp() - interval '60 seconds' order by owner"
    )
    owners = list(connection.execute(statement, {"name": name}).scalars())
    if not owners:
        raise NotFoundError(f"no worker {name} has been heard of in the last minute")
    for owner in owners:
        _insert(connection, DRAIN, owner, actor, reason)
    _write_down(connection, "drain", {"worker": name, "owners": owners}, actor, reason)
    return owners


def to_tell(seen: Iterable[WorkerSeen], paused_now: Iterable[tuple[str, str]]) -> list[Told]:
    """Compare what workers say that they have been told with what is paused now; give what has to be told."""
    now = sorted(paused_now)
    common = tuple(f"{what}:{name}" for what, name in now if what in ("step", "lane"))
    paused = {name for what, name in now if what == "worker"}
    aside = {name for what, name in now if what == "node"}
    leaving = {name for what, name in now if what == DRAIN}
    told = []
    for worker in seen:
        rests = bool({worker.owner, worker.name} & paused) or worker.host in aside
        halted = ("worker", *common) if rests else common
        if halted != worker.halted or worker.owner in leaving:
            told.append(Told(owner=worker.owner, halted=halted, drain=worker.owner in leaving))
    return told


def paused(connection: Connection, step: str, lane: str) -> bool:
    """Say whether an operator has paused a step or a lane."""
    statement = text(
        "select exists (select from pause where (what = 'step' and name = :step) or (what = 'lane' and name = :lane))"
    )
    return bool(connection.execute(statement, {"step": step, "lane": lane}).scalar_one())


def paused_sites(connection: Connection) -> frozenset[str]:
    """Give the sites that are not to be written to."""
    return frozenset(connection.execute(text("select name from pause where what = 'site'")).scalars())


def set_aside(connection: Connection) -> dict[str, str]:
    """Give the nodes that are set aside, each with the reason."""
    return {
        row.name: row.reason for row in connection.execute(text("select name, reason from pause where what = 'node'"))
    }


def blocked_by_sites(connection: Connection, sites: frozenset[str], step: str) -> list[dict[str, Any]]:
    """Give the pipelines and run types for which a step would write to one of these sites."""
    if not sites:
        return []
    ids = connection.execute(text("select pipeline_id from step_rule where step = :step"), {"step": step}).scalars()
    pipelines: Mapping[int, Pipeline] = {each: load_pipeline(connection, each) for each in ids}
    return [
        {"pipeline_id": number, "kind": kind}
        for number, pipeline in pipelines.items()
        for kind in pipeline.run_types
        if sites & pipeline.written(pipeline.step(step), kind)
    ]


def forget_drained(connection: Connection) -> None:
    """Drop the order to leave of workers that have left."""
    connection.execute(
        text(
            "delete from pause p where p.what = 'drain' and not exists (select from process w where w.owner = p.name "
            "and w.seen_at > clock_timestamp() - interval '1 hour')"
        )
    )


def _check(connection: Connection, what: What, name: str) -> None:
    if connection.execute(text(_THERE[what]), {"name": name}).first() is None:
        raise NotFoundError(f"there is no {what} {name}")


def _insert(connection: Connection, what: str, name: str, actor: str, reason: str) -> bool:
    if not reason.strip():
        raise RefusedError("an operator's action needs a reason")
    made = connection.execute(
        text(
            "insert into pause (what, name, actor, reason) values (:what, :name, :actor, :reason) "
            "on conflict (what, name) do nothing returning name"
        ),
        {"what": what, "name": name, "actor": actor, "reason": reason},
    )
    return made.first() is not None


def _write_down(connection: Connection, action: str, of: dict[str, Any], actor: str, reason: str) -> None:
    values = {"actor": actor, "action": action, "selection": msgspec.json.encode(of).decode(), "reason": reason}
    connection.execute(text(_OPERATION), values)


_OPERATION = """
insert into operation (actor, action, selection, reason, total, done, changed, status, finished_at)
values (:actor, :action, cast(:selection as jsonb), :reason, 1, 1, 1, 'done', clock_timestamp())
"""
