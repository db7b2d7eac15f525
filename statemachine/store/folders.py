"""Orders the removal of folders of attempts that were not accepted: `settle` work, done by a worker."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from ..naming import attempt_folder, work_folder
from ..pipeline import Pipeline
from ..records import Location
from .campaigns import load_pipeline
from .core import execute

Taken = tuple[int, int, str, str]
"""An attempt that was taken from its worker: item, epoch, step, owner."""


def order_cleaning(connection: Connection, taken: Sequence[Taken]) -> None:
    """Order the folders of these attempts removed."""
    if not taken:
        return
    names = {row.id: row for row in execute(connection, "item_places", ids=[item for item, *_ in taken])}
    orders = []
    for item, epoch, step, owner in taken:
        row = names[item]
        pipeline = load_pipeline(connection, row.pipeline_id)
        folder = Location(site=pipeline.step(step).site, path=work_folder(row.campaign, row.number, item, step))
        path = attempt_folder(folder, epoch, owner).path
        orders += [clean_order(site, path) for site in _sites(pipeline, step, row.kind)]
    execute(connection, "insert_settle", orders)


def clean_order(site: str, path: str) -> dict[str, Any]:
    """Give the row of `settle` that orders a folder removed."""
    return {"action": "clean", "site": site, "path": path, "link": None, "replica_id": None}


def _sites(pipeline: Pipeline, name: str, kind: str) -> set[str]:
    """Give the sites at which an attempt at a step may have written: a copy goes to others than the step's own."""
    step, rules = pipeline.step(name), pipeline.run_types.get(kind)
    copies = (*step.options.get("sites", ()), *(rules.placed_when if rules else ())) if step.makes == "copy" else ()
    return {step.site, *copies}
