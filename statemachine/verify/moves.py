"""Which move in history is legal: the machine's table, and the moves that no operator or worker makes."""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from .. import schema
from ..lifecycle import KEPT, RUN_RULES, Goes, Move, Phase, Trigger, legal_moves, states_of
from ..meeting import met
from ..pipeline import Pipeline


class Step(NamedTuple):
    """A line of history without who and when."""

    trigger: str
    from_state: str | None
    from_phase: str | None
    to_state: str
    to_phase: str


class Book:
    """The pipelines that rows pin, each read once."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._known: dict[int, Pipeline] = {}

    def pipeline(self, pipeline_id: int) -> Pipeline:
        """Give a pipeline by its id."""
        if pipeline_id not in self._known:
            wanted = select(schema.pipeline.c.definition).where(schema.pipeline.c.id == pipeline_id)
            self._known[pipeline_id] = msgspec.convert(self._conn.execute(wanted).scalar_one(), met(Pipeline))
        return self._known[pipeline_id]


def is_legal(step: Step, scope: str, pipeline: Pipeline, before: Pipeline) -> bool:
    """Say whether an item of a scope may make this step; `before` is the pipeline it came from."""
    if step.from_state is None or step.from_phase is None:
        return _is_arrival(step, scope, pipeline)
    if step.trigger == Trigger.RECLASSIFY:
        return _is_reclassified(step, scope, pipeline, before)
    if step.trigger in (Trigger.GATHER, Trigger.RETREAT):
        judged = _is_gathered if step.trigger == Trigger.GATHER else _is_retreat
        return scope == "run" and judged(step, pipeline)
    if step.trigger == Trigger.RESTORE:
        return _is_restored(step, pipeline)
    if before != pipeline:
        return False
    move = Move(step.trigger, step.from_state, step.from_phase, step.to_state, step.to_phase)
    return move in _table(_Key(pipeline), scope)


class _Key:
    """A pipeline as a key: by its version, as records with dictionaries in them do not hash."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline, self.version = pipeline, pipeline.version

    def __hash__(self) -> int:
        return hash(self.version)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.version == self.version


@cache
def _table(key: _Key, scope: str) -> frozenset[Move]:
    """The machine's table; a run's item works only where its own steps stand, at the end."""
    moves = legal_moves(key.pipeline, scope)
    if scope == "file":
        return moves
    first = _file_rank(key.pipeline)
    own = set(key.pipeline.states[first:])
    worked = frozenset(move for move in moves if move.state in own and move.to_state in own)
    return worked | frozenset(_before_own_steps(key.pipeline.states[:first]))


def _before_own_steps(states: Iterable[str]) -> Iterable[Move]:
    """Give what operators may do to a run that moved back while it was held or abandoned."""
    for rule in RUN_RULES:
        if rule.goes is Goes.STAYS:
            yield from (Move(rule.trigger, at, phase, at, rule.target) for at in states for phase in rule.sources)


def _is_arrival(step: Step, scope: str, pipeline: Pipeline) -> bool:
    """A file may begin in a later state: where its campaign starts."""
    phases = (Phase.WAITING,) if scope == "run" else (Phase.READY, Phase.HELD)
    states = (pipeline.initial,) if scope == "run" else states_of(pipeline, "file")[:-1]
    return step.trigger == Trigger.ARRIVE and step.to_state in states and step.to_phase in phases


def _is_reclassified(step: Step, scope: str, pipeline: Pipeline, before: Pipeline) -> bool:
    if step.to_state != pipeline.initial or step.from_state not in before.states:
        return False
    if scope == "run":
        return step.to_phase == Phase.WAITING
    if step.from_phase == Phase.ABANDONED:
        return step.to_phase == Phase.ABANDONED
    return step.to_phase in (Phase.READY, Phase.HELD)


def _is_restored(step: Step, pipeline: Pipeline) -> bool:
    """Everything stays where the backup had it, but what was with a worker then: that begins anew."""
    out = step.from_phase in (Phase.SUBMITTED, Phase.EXECUTING)
    stays = step.to_phase == (Phase.READY if out else step.from_phase)
    return stays and step.to_state == step.from_state and step.to_state in pipeline.states


def _is_gathered(step: Step, pipeline: Pipeline) -> bool:
    states = pipeline.states
    if step.from_phase != Phase.WAITING or step.from_state not in states or step.to_state not in states:
        return False
    rank, files_end = pipeline.rank(step.to_state), _file_rank(pipeline)
    if rank != pipeline.rank(step.from_state) + 1 or rank > files_end:
        return False
    if rank < files_end:
        return step.to_phase == Phase.WAITING
    return step.to_phase == (Phase.DONE if files_end == len(states) - 1 else Phase.READY)


def _is_retreat(step: Step, pipeline: Pipeline) -> bool:
    states = pipeline.states
    if step.from_state not in states or step.to_state not in states:
        return False
    if step.to_phase != (step.from_phase if step.from_phase in KEPT else Phase.WAITING):
        return False
    return pipeline.rank(step.to_state) < pipeline.rank(step.from_state)


def _file_rank(pipeline: Pipeline) -> int:
    """Give the rank of the state in which files are done."""
    return len(states_of(pipeline, "file")) - 1
