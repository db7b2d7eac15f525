"""Why an action finds nothing to do: how many items it is for, and where they are instead."""

import msgspec
from sqlalchemy import Connection, text

from ...lifecycle import Trigger, sources
from .order import NAMES, Order
from .selection import FROM, fitting

MOST = 10_000
_WHERE = """
select place, count(*) as n from (
  select case when i.phase <> all(:sources) then i.phase when not run.known_kind then 'of an unknown run type'
    when :is_reset then 'not so far yet' else i.phase || ', but not as asked for' end as place
  {source} where {where} and i.phase <> 'waiting' limit :most
) as named group by place order by n desc, place
"""


def nothing(connection: Connection, order: Order) -> str:
    """Say, of an order that was checked, how many items it is for and why none of them can be acted on.

    They are counted where runs, files or items are named; else that might be all there is. Items of runs that wait for
    their files are not meant by anybody. In which phase, and why, they were wanted is left out of that: it is what
    has changed when somebody else was quicker.
    """
    begin = f"nothing to {NAMES[order.trigger]}"
    named = msgspec.structs.replace(order.selection, phase=None, reason_code=None)
    if not (named.runs or named.items or named.file_ids):
        return f"{begin}: nothing that fits the filter is where that can be done now"
    parts, values = fitting(named)
    statement = text(_WHERE.format(source=FROM, where=" and ".join(parts)))
    values |= {"sources": list(sources(order.trigger)), "is_reset": order.trigger is Trigger.RESET, "most": MOST}
    rows = connection.execute(statement, values).all()
    total = sum(row.n for row in rows)
    if not total:
        return f"{begin}: no item fits the filter"
    places = "; ".join(f"{row.n:,} {'is' if row.n == 1 else 'are'} {row.place}" for row in rows)
    least = "at least " if total == MOST else ""
    return f"{begin}: of {least}{total:,} {'item' if total == 1 else 'items'} asked for {places}"
