"""Pipelines: ordered steps between states, what each run type does with them, and the version that pins both.

A `Pipeline` is what configuration says, validated and frozen. Its version is a digest of all that it says, so
that a run which pinned one goes through exactly those steps, whatever the configuration says later.
"""

from typing import Any, Literal

import msgspec
from blake3 import blake3

from .records import Record

NAME = r"[a-z][a-z0-9_-]{0,40}"
Name = str


class PipelineError(ValueError):
    """A pipeline that cannot work. The text names the step and what is allowed."""


class Step(Record):
    """One step: it takes an item from state `start` to state `to`.

    `use` names an entry point in `headframe.steps`, or `command:<name>` for a command of the worker's own
    configuration. `makes` says what an accepted attempt leaves: a `product`, a `copy` of its input, or
    `nothing`. `owned_by` is `file` for what every campaign shares (salting, copies). `inputs` are roles: `raw`
    or names of earlier steps; none means the nearest earlier content. Times in seconds, memory in bytes.
    `interrupts` is how many interrupts in a row, on different nodes, count as the item's own fault; on fewer nodes it
    takes four times as many.
    `accepts_failed` lets a run-scope step go on without the files that have failed.
    """

    name: str
    to: str
    start: str = ""
    use: str = ""
    scope: Literal["file", "run"] = "file"
    makes: Literal["product", "copy", "nothing"] = "product"
    owned_by: Literal["file", "campaign"] = "campaign"
    inputs: tuple[str, ...] | None = None
    site: str = ""
    parcel: int = 1
    retries: int = 3
    backoff_s: float = 10.0
    backoff_max_s: float = 3600.0
    interrupts: int = 3
    timeout_s: float = 3600.0
    lease_s: float = 60.0
    cpus: int = 1
    memory: int = 0
    window: int = 2000
    accepts_failed: bool = False
    options: dict[str, Any] = {}


class RunType(Record):
    """How runs of one type go through the pipeline: which steps they bypass, which copies make them placed.

    `duplicates` says what becomes of a file whose content came before under another name.
    """

    bypass: tuple[str, ...] = ()
    placed_when: tuple[str, ...] = ()
    duplicates: Literal["hold", "allow"] = "hold"


class Pipeline(Record):
    """A named, ordered list of steps and the run types that follow it. `initial` is the state on arrival."""

    name: str
    steps: tuple[Step, ...]
    run_types: dict[str, RunType] = {}
    initial: str = "arrived"

    @property
    def states(self) -> tuple[str, ...]:
        """Give all states in order, the initial one first."""
        return (self.initial, *(step.to for step in self.steps))

    @property
    def version(self) -> str:
        """Give 12 hexadecimal digits that stand for all that this pipeline says."""
        return blake3(msgspec.json.encode(self, order="deterministic")).hexdigest()[:12]

    def step(self, name: str) -> Step:
        """Find a step by its name. Raises `KeyError`."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def rank(self, state: str) -> int:
        """Give a state's place, 0 for the initial one. Raises `ValueError`."""
        return self.states.index(state)

    def inputs(self, step: Step, kind: str) -> tuple[str, ...]:
        """Give the roles a step reads for a run type, with bypassed and contentless steps looked through.

        An empty tuple means that the step reads nothing. A bypassed role falls back to what that step would
        have read, so that a science file never falls back to raw.
        """
        wanted = step.inputs if step.inputs is not None else (self._before(step),)
        return tuple(dict.fromkeys(self._resolve(role, kind) for role in wanted))

    def written(self, step: Step, kind: str) -> frozenset[str]:
        """Give the sites that a step writes to for a run type; none for a type that is not known."""
        if kind not in self.run_types:
            return frozenset()
        copies = self.run_types[kind].placed_when if step.makes == "copy" else ()
        return frozenset(copies or (step.site,))

    def _before(self, step: Step) -> str:
        earlier = self.steps[: self.steps.index(step)]
        return next((s.name for s in reversed(earlier) if s.makes != "nothing" and s.scope == "file"), "raw")

    def _resolve(self, role: str, kind: str) -> str:
        if role == "raw":
            return role
        step = self.step(role)
        if step.makes == "copy" or step.name in self._bypassed(kind):
            return self._resolve((step.inputs or (self._before(step),))[0], kind)
        return role

    def _bypassed(self, kind: str) -> tuple[str, ...]:
        return self.run_types[kind].bypass if kind in self.run_types else ()


def build(name: str, steps: list[Step], run_types: dict[str, RunType], initial: str = "arrived") -> Pipeline:
    """Join steps to a pipeline and check it. Raises `PipelineError`."""
    chained: list[Step] = []
    state = initial
    for step in steps:
        chained.append(msgspec.structs.replace(step, start=state, use=step.use or step.name))
        state = step.to
    pipeline = Pipeline(name=name, steps=tuple(chained), run_types=run_types, initial=initial)
    check(pipeline)
    return pipeline


def check(pipeline: Pipeline) -> None:
    """Refuse a pipeline that cannot work, saying which step and why. Raises `PipelineError`."""
    if not pipeline.steps:
        raise PipelineError(f"pipeline {pipeline.name} has no steps; it needs at least one")
    for what, names in (("state", pipeline.states), ("step", [s.name for s in pipeline.steps])):
        twice = {name for name in names if list(names).count(name) > 1}
        if twice:
            raise PipelineError(f"pipeline {pipeline.name} has {what} {', '.join(sorted(twice))} twice")
    scopes = [step.scope for step in pipeline.steps]
    if "file" not in scopes or "file" in scopes[scopes.count("file") :]:
        raise PipelineError(f"pipeline {pipeline.name}: run-scope steps stand at the end, after a file-scope step")
    for step in pipeline.steps:
        _check_inputs(pipeline, step)
    for kind, rules in pipeline.run_types.items():
        _check_bypass(pipeline, kind, rules)


def _check_inputs(pipeline: Pipeline, step: Step) -> None:
    earlier = [s.name for s in pipeline.steps[: pipeline.steps.index(step)]]
    for role in step.inputs or ():
        if role != "raw" and role not in earlier:
            allowed = ", ".join(["raw", *earlier])
            raise PipelineError(f"pipeline {pipeline.name}, step {step.name}: input {role} is none of {allowed}")


def _check_bypass(pipeline: Pipeline, kind: str, rules: RunType) -> None:
    names = [step.name for step in pipeline.steps if step.scope == "file"]
    for step in rules.bypass:
        if step not in names:
            raise PipelineError(f"run type {kind}: bypass {step} is none of {', '.join(names)}")
