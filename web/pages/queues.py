"""`/queues`: what waits at each step and lane, how it flows, what the broker itself holds, what is paused."""

from typing import NamedTuple

from flask import Blueprint, Response

from ...statemachine.lanes import LANES
from ...statemachine.views import DepthRow, FlowRow, PauseRow, QueueRow, depths, flow, pauses, queues
from ..access.identity import Role, needs
from ..context import here, reading
from ..live import live_page
from . import acting, pausing

WHATS = ("step", "lane")
blueprint = Blueprint("queues", __name__)


class Line(NamedTuple):
    """A step's lane as its row shows it. `window`: so many may be with the broker at once; none where unknown."""

    queue: QueueRow
    flow: FlowRow | None
    depth: DepthRow | None
    window: int | None
    paused: tuple[PauseRow, ...]


@blueprint.get("/queues")
def show() -> Response:
    """Show all queues."""
    with reading() as connection:
        rows, flows, held, paused = queues(connection), flow(connection), depths(connection), pauses(connection)
    return live_page(
        "queues",
        lines=_lines(rows, flows, held, paused),
        others=[row for row in held if _of_interest(row)],
        paused={(row.what, row.name): row for row in paused if row.what in WHATS},
        lanes=LANES,
        looked=max((row.at for row in held), default=None),
        fresh=bool(held) and all(row.fresh for row in held),
        operator=acting.operator(),
        act=pausing.offered(WHATS),
        did=acting.did(),
    )


@blueprint.post("/queues")
@needs(Role.OPERATOR)
def act() -> Response:
    """Pause a step or a lane, or let it go on."""
    return acting.back("queues.show", pausing.carried_out(WHATS))


def _of_interest(row: DepthRow) -> bool:
    """Say whether a queue has a line of its own; those of large work are many, and mostly empty."""
    return row.kind != "work" and (row.kind != "large" or bool(row.messages))


def _lines(
    rows: tuple[QueueRow, ...], flows: tuple[FlowRow, ...], held: tuple[DepthRow, ...], paused: tuple[PauseRow, ...]
) -> list[Line]:
    by_place = {(each.step, each.lane): each for each in flows}
    by_queue = {(each.step, each.lane): each for each in held if each.kind == "work"}
    book = here().settings.book
    windows = book.windows if book is not None else {}
    return [
        Line(
            queue=row,
            flow=by_place.get((row.step, row.lane)),
            depth=by_queue.get((row.step, row.lane)),
            window=windows.get(row.step),
            paused=tuple(each for each in paused if (each.what, each.name) in {("step", row.step), ("lane", row.lane)}),
        )
        for row in rows
    ]
