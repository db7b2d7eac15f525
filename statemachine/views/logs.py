"""Where the log of an attempt lies whose worker died, or was cut off, before its first report, which would say it."""

from sqlalchemy import Connection, text

from ..naming import log_path, work_folder
from ..records import Location


def log_pattern(conn: Connection, item: int, epoch: int) -> Location | None:
    """Give the path of the logs that workers on an item write in an epoch, with `*` for the worker.

    One epoch may have several: a message whose worker died comes to another one. None: there is no such epoch.
    """
    row = conn.execute(_PLACE, {"item": item, "epoch": epoch}).first()
    if row is None or not row.site:
        return None
    folder = work_folder(row.campaign, row.number, item, row.step)
    return Location(site=row.site, path=log_path(folder, epoch, "*"))


_PLACE = text("""
select c.name as campaign, run.number, t.step, s.definition ->> 'site' as site
from item i join campaign c on c.id = i.campaign_id join run on run.id = i.run_id
join pipeline p on p.id = i.pipeline_id
left join attempt a on a.item_id = i.id and a.epoch = :epoch
cross join lateral (select coalesce(a.step, i.step) as step) t
join lateral jsonb_array_elements(p.definition -> 'steps') as s(definition) on s.definition ->> 'name' = t.step
where i.id = :item and (a.item_id is not null or i.epoch = :epoch)
""")
