"""Pipelines as pinned rows, and the realtime campaign that a run joins at its first file."""

from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import Connection, Engine, text

from ..lifecycle import states_of
from ..meeting import met
from ..pipeline import Pipeline
from ..records import Record


class Book(Record):
    """What the configuration says at present: which pipeline a run type follows.

    `default` carries runs whose type is unknown, held. `period` is `run`, `day`, `week` or `month`.
    """

    pipelines: dict[str, Pipeline]
    default: Pipeline
    period: str = "week"

    @property
    def windows(self) -> dict[str, int]:
        """Give how many items of each step may be with the broker at once: the smallest that a pipeline asks."""
        steps = [step for pipeline in (self.default, *self.pipelines.values()) for step in pipeline.steps]
        return {step.name: min(other.window for other in steps if other.name == step.name) for step in steps}

    def known(self, kind: str | None) -> bool:
        """Say whether a run type is configured."""
        return kind is not None and kind in self.pipelines

    def pipeline_for(self, kind: str | None) -> Pipeline:
        """Give the pipeline of a run type, the default one where the type is unknown."""
        return self.pipelines.get(kind or "", self.default)


class Pinned(Record):
    """A campaign and its pipeline, by their ids."""

    campaign_id: int
    pipeline_id: int
    lane: str


_cache: WeakKeyDictionary[Engine, dict[int, Pipeline]] = WeakKeyDictionary()


def ensure_pipeline(connection: Connection, pipeline: Pipeline) -> int:
    """Store a pipeline and its rules once; give its id."""
    values = {"name": pipeline.name, "version": pipeline.version}
    found = connection.execute(text("select id from pipeline where name = :name and version = :version"), values)
    if (known := found.scalar()) is not None:
        return int(known)
    definition = msgspec.json.encode(pipeline).decode()
    made = connection.execute(
        text(
            "insert into pipeline (name, version, definition) values (:name, :version, cast(:definition as jsonb)) "
            "on conflict (name, version) do update set name = excluded.name returning id"
        ),
        {**values, "definition": definition},
    ).scalar_one()
    for rule in rules_of(pipeline):
        connection.execute(text(_INSERT_RULE), {"pipeline_id": made, **rule})
    return int(made)


def rules_of(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Give a pipeline's rows of `step_rule`: the table that the store's SQL joins."""
    return [
        {
            "rank": rank,
            "state": step.start,
            "step": step.name,
            "to_state": step.to,
            "scope": step.scope,
            "makes": step.makes,
            "owned_by": step.owned_by,
            "accepts_failed": step.accepts_failed,
            "retries": step.retries,
            "interrupts": step.interrupts,
            "backoff_s": step.backoff_s,
            "backoff_max_s": step.backoff_max_s,
            "lease_s": step.lease_s,
            "bypassed_by": sorted(kind for kind, rules in pipeline.run_types.items() if step.name in rules.bypass),
        }
        for rank, step in enumerate(pipeline.steps)
    ]


def load_pipeline(connection: Connection, pipeline_id: int) -> Pipeline:
    """Give the pipeline that a row pins. Rows never change, so each is read once an engine."""
    known = _cache.setdefault(connection.engine, {})
    if pipeline_id not in known:
        found = connection.execute(text("select definition from pipeline where id = :id"), {"id": pipeline_id})
        known[pipeline_id] = msgspec.convert(found.scalar_one(), met(Pipeline))
    return known[pipeline_id]


def realtime_campaign(connection: Connection, pipeline: Pipeline, period: str, run: int) -> Pinned:
    """Give the realtime campaign of a pipeline version in this period, made where it is missing."""
    pipeline_id = ensure_pipeline(connection, pipeline)
    name = f"realtime-{pipeline.name}-{pipeline.version}-{_period(period, datetime.now(UTC), run)}"
    values = {"name": name, "pipeline_id": pipeline_id}
    row = connection.execute(text(_CAMPAIGN), values).first()
    if row is None:
        connection.execute(text(_INSERT_CAMPAIGN), values)
        row = connection.execute(text(_CAMPAIGN), values).one()
    return Pinned(**row._mapping)


def file_rank(pipeline: Pipeline) -> int:
    """Give the rank of the state in which files are done: the last one of file scope."""
    return len(states_of(pipeline, "file")) - 1


def _period(period: str, now: datetime, run: int) -> str:
    if period == "week":
        year, week, _ = now.isocalendar()
        return f"{year}w{week:02d}"
    return {"day": f"{now:%Y%m%d}", "month": f"{now:%Y%m}", "run": f"run{run:06d}"}[period]


_CAMPAIGN = "select id as campaign_id, pipeline_id, lane from campaign where name = :name"

# Nothing is updated where it is there: that would lock out, until the commit, whoever accepts a product in it.
_INSERT_CAMPAIGN = """
insert into campaign (name, pipeline_id, kind, lane) values (:name, :pipeline_id, 'realtime', 'live')
on conflict (name) do nothing
"""

_INSERT_RULE = """
insert into step_rule (pipeline_id, rank, state, step, to_state, scope, makes, owned_by, accepts_failed, retries,
  interrupts, backoff_s, backoff_max_s, lease_s, bypassed_by)
values (:pipeline_id, :rank, :state, :step, :to_state, :scope, :makes, :owned_by, :accepts_failed, :retries,
  :interrupts, :backoff_s, :backoff_max_s, :lease_s, :bypassed_by)
on conflict do nothing
"""
