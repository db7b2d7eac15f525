"""The machine, declared once: which trigger takes an item from which phase to which, and what the state does.

`declare` builds it with `transitions` for a pipeline; `legal_moves` compiles that to the plain table which the
store's SQL, the property tests and the diagrams use. No Machine is ever built for an item.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from transitions import Machine

from .pipeline import Pipeline


class Phase(StrEnum):
    """What is happening to an item now. `waiting` is a run's alone: its files are not all there yet."""

    WAITING = "waiting"
    READY = "ready"
    SUBMITTED = "submitted"
    EXECUTING = "executing"
    FAILED = "failed"
    HELD = "held"
    ABANDONED = "abandoned"
    DONE = "done"


class Trigger(StrEnum):
    """What makes an item change."""

    ARRIVE = "arrive"
    SUBMIT = "submit"
    START = "start"
    SUCCEED = "succeed"
    SKIP = "skipped"
    BYPASS = "bypassed"
    REUSE = "reused"
    FAIL = "fail"
    INTERRUPT = "interrupt"
    RESOLVE = "resolve"
    HOLD = "hold"
    CANCEL = "cancel"
    RELEASE = "release"
    ABANDON = "abandon"
    RECOVER = "recover"
    RESET = "reset"
    GATHER = "gather"
    RETREAT = "retreat"
    RECLASSIFY = "reclassify"
    RESTORE = "restore"


class Goes(StrEnum):
    """What a move does to the state."""

    STAYS = "stays"
    NEXT = "next"
    EARLIER = "earlier"


class Rule(NamedTuple):
    """One line of the table of triggers: from these phases to that one."""

    trigger: Trigger
    sources: tuple[Phase, ...]
    target: Phase
    goes: Goes = Goes.STAYS


class Move(NamedTuple):
    """One legal move of an item in one pipeline."""

    trigger: str
    state: str
    phase: str
    to_state: str
    to_phase: str


P = Phase
LIVE = (P.READY, P.SUBMITTED, P.EXECUTING)
KEPT = (P.HELD, P.ABANDONED)
"""Where an operator has put an item: only an operator takes it away again."""
RULES = (
    Rule(Trigger.SUBMIT, (P.READY,), P.SUBMITTED),
    Rule(Trigger.START, (P.READY, P.SUBMITTED), P.EXECUTING),
    Rule(Trigger.SUCCEED, LIVE, P.READY, Goes.NEXT),
    Rule(Trigger.SKIP, LIVE, P.READY, Goes.NEXT),
    Rule(Trigger.BYPASS, (P.READY,), P.READY, Goes.NEXT),
    Rule(Trigger.REUSE, (P.READY,), P.READY, Goes.NEXT),
    Rule(Trigger.FAIL, LIVE, P.READY),
    Rule(Trigger.FAIL, LIVE, P.FAILED),
    Rule(Trigger.INTERRUPT, LIVE, P.READY),
    Rule(Trigger.INTERRUPT, LIVE, P.FAILED),
    Rule(Trigger.RESOLVE, (P.FAILED,), P.READY),
    Rule(Trigger.HOLD, (*LIVE, P.FAILED), P.HELD),
    Rule(Trigger.CANCEL, (*LIVE, P.FAILED), P.HELD),
    Rule(Trigger.RELEASE, (P.HELD,), P.READY),
    Rule(Trigger.ABANDON, (P.FAILED, P.HELD), P.ABANDONED),
    Rule(Trigger.RECOVER, (P.ABANDONED,), P.READY),
    Rule(Trigger.RESET, (*LIVE, P.FAILED, P.HELD, P.ABANDONED, P.DONE), P.READY, Goes.EARLIER),
)
RUN_RULES = (
    Rule(Trigger.GATHER, (P.WAITING,), P.WAITING, Goes.NEXT),
    Rule(Trigger.RETREAT, tuple(phase for phase in Phase if phase not in KEPT), P.WAITING, Goes.EARLIER),
    *(Rule(Trigger.RETREAT, (phase,), phase, Goes.EARLIER) for phase in KEPT),
    # A run that moved back while it was held or abandoned stands before its own steps.
    Rule(Trigger.RELEASE, (P.HELD,), P.WAITING),
    Rule(Trigger.ABANDON, (P.HELD,), P.ABANDONED),
    Rule(Trigger.RECOVER, (P.ABANDONED,), P.WAITING),
)


@cache
def sources(trigger: Trigger) -> tuple[str, ...]:
    """Give the phases from which a trigger is legal, for the WHERE clause of its one SQL statement."""
    return tuple(
        sorted({str(phase) for rule in (*RULES, *RUN_RULES) if rule.trigger == trigger for phase in rule.sources})
    )


def declare(pipeline: Pipeline, scope: str = "file") -> Machine:
    """Build the machine of a pipeline's items of one scope; a state is named `state/phase`."""
    names = states_of(pipeline, scope)
    machine = Machine(
        model=None,
        states=[place(state, phase) for state in names for phase in _phases(names, state)],
        initial=place(names[0], P.READY),
        auto_transitions=False,
        send_event=True,
    )
    for rule in RULES:
        for trigger, source, target in _edges(rule, names):
            machine.add_transition(trigger, source, target)
    return machine


def legal_moves(pipeline: Pipeline, scope: str = "file") -> frozenset[Move]:
    """Compile the machine to its plain table."""
    machine = declare(pipeline, scope)
    return frozenset(
        Move(name, *str(edge.source).split("/"), *str(edge.dest).split("/"))
        for name, event in machine.events.items()
        for edges in event.transitions.values()
        for edge in edges
    )


def diagram(pipeline: Pipeline) -> str:
    """Draw a file's way through a pipeline as a Mermaid state diagram, one box a state."""
    names = states_of(pipeline, "file")
    lines = ["stateDiagram-v2", "  direction LR", f"  [*] --> {names[0]}"]
    lines += [f"  {step.start} --> {step.to}: {step.name}" for step in pipeline.steps]
    lines += [f"  {pipeline.states[-1]} --> [*]"]
    return "\n".join(lines)


def states_of(pipeline: Pipeline, scope: str) -> tuple[str, ...]:
    """Give the states that an item of this scope passes, in order."""
    if scope == "run":
        return pipeline.states
    return (pipeline.states[0], *(step.to for step in pipeline.steps if step.scope == "file"))


def place(state: str, phase: str) -> str:
    """Name the machine's state for an item's state and phase."""
    return f"{state}/{phase}"


def _phases(names: tuple[str, ...], state: str) -> Iterable[Phase]:
    last = state == names[-1]
    return (P.DONE,) if last else (*LIVE, P.FAILED, P.HELD, P.ABANDONED)


def _edges(rule: Rule, names: tuple[str, ...]) -> Iterable[tuple[str, str, str]]:
    for rank, state in enumerate(names):
        for phase in rule.sources:
            if phase not in _phases(names, state):
                continue
            for to_state, to_phase in _targets(rule, names, rank):
                yield str(rule.trigger), place(state, phase), place(to_state, to_phase)


def _targets(rule: Rule, names: tuple[str, ...], rank: int) -> Iterable[tuple[str, Phase]]:
    if rule.goes is Goes.NEXT:
        last = rank + 1 == len(names) - 1
        return [(names[rank + 1], P.DONE if last else rule.target)]
    if rule.goes is Goes.EARLIER:
        return [(earlier, rule.target) for earlier in names[: rank + 1] if earlier != names[-1]]
    return [(names[rank], rule.target)]
