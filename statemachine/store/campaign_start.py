"""Where a campaign starts: its pipeline by name and version, its first state, and what a file must have for that."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from ..lifecycle import states_of
from ..pipeline import Pipeline
from ..records import Record
from .campaigns import Book, load_pipeline
from .errors import NotFoundError, RefusedError


class Need(Record):
    """What a file of a run type must have before it can start: what a step made (`product`, `copy`), or itself (`raw`).

    `rank` orders them as the pipeline does.
    """

    kind: str
    rank: int
    step: str
    makes: str


def find_pipeline(connection: Connection, book: Book, name: str, version: str | None = None) -> Pipeline:
    """Give a pipeline as it is configured now, or at a version that a campaign has pinned. Raises `NotFoundError`."""
    configured = {each.name: each for each in (book.default, *book.pipelines.values())}
    now = configured.get(name)
    if version is None or (now is not None and now.version == version):
        if now is None:
            raise NotFoundError(f"no pipeline {name} is configured; there are {', '.join(sorted(configured))}")
        return now
    rows = connection.execute(
        text("select id, version from pipeline where name = :name order by id desc"), {"name": name}
    ).all()
    for row in rows:
        if row.version == version:
            return load_pipeline(connection, row.id)
    there = dict.fromkeys([*([now.version] if now else []), *(row.version for row in rows)])
    known = f"; there are {', '.join(there)}" if there else ""
    raise NotFoundError(f"there is no version {version} of pipeline {name}{known}")


def needs(pipeline: Pipeline, state: str) -> tuple[Need, ...]:
    """Give what a file must have to start in a state. Raises `RefusedError` where no file can."""
    allowed = states_of(pipeline, "file")[:-1]
    if state not in allowed:
        raise RefusedError(f"a campaign of pipeline {pipeline.name} starts in one of {', '.join(allowed)}, not {state}")
    return tuple(need for kind in sorted(pipeline.run_types) for need in _needs(pipeline, kind, pipeline.rank(state)))


def _needs(pipeline: Pipeline, kind: str, first: int) -> Iterator[Need]:
    bypassed = pipeline.run_types[kind].bypass
    readers = {
        role: step.name
        for step in reversed(pipeline.steps[first:])
        if step.name not in bypassed
        for role in pipeline.inputs(step, kind)
    }
    for rank, step in enumerate(pipeline.steps[:first]):
        if step.name in bypassed:
            continue
        if step.owned_by == "file" and step.makes != "nothing":
            yield Need(kind=kind, rank=rank, step=step.name, makes=step.makes)
        elif step.name in readers:
            raise RefusedError(
                f"step {readers[step.name]} reads what {step.name} makes, and each campaign makes that itself: "
                f"start in {step.start} or before"
            )
    if "raw" in readers:
        yield Need(kind=kind, rank=len(pipeline.steps), step="raw", makes="raw")
