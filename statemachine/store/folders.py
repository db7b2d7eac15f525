"""Orders the removal of folders of attempts that were not accepted: `settle` work, done by a worker."""

from collections.abc import Sequence

from sqlalchemy import Connection

from ..naming import attempt_folder, work_folder
from ..records import Location
from .campaigns import load_pipeline
from .core import execute

Taken = tuple[int, int, str, str]
"""An attempt that was taken from its worker: item, epoch, step, owner."""


def order_cleaning(connection: Connection, taken: Sequence[Taken]) -> None:
    """Order the folders of these attempts removed."""
    names = {row.id: row for row in execute(connection, "item_places", ids=[item for item, *_ in taken])}
    orders = []
    for item, epoch, step, owner in taken:
        row = names[item]
        pipeline = load_pipeline(connection, row.pipeline_id)
        folder = Location(site=pipeline.step(step).site, path=work_folder(row.campaign, row.number, item, step))
        place = attempt_folder(folder, epoch, owner)
        orders.append({"action": "clean", "site": place.site, "path": place.path, "link": None, "replica_id": None})
    execute(connection, "insert_settle", orders)
