"""What an action would touch: the exact number, a digest of each item as it is, the first few by name."""

from sqlalchemy import Connection, text

from ...lifecycle import Phase, Trigger
from ...records import Record
from . import limits
from .nothing import nothing
from .order import TARGETS, Order
from .selection import FROM, Selection, check, conditions


class Seen(Record):
    """`total` items; `selected` is a digest of them all, each in its present version; `lane` is where they go on;
    `why` says, where they are none, how many were asked for and where those are."""

    total: int
    selected: str
    names: tuple[str, ...] = ()
    lane: str | None = None
    why: str = ""


# The digest is of a set: 128 bits, two sums by exclusive or of hashes of (id, version), each with the other as its
# seed. Two sets that differ give the same one by chance once in 10^38; the number of items stands before it.
_SUMMED = """
select count(*) as total, lpad(to_hex(coalesce(bit_xor(hashint8extended(id, version)), 0)), 16, '0')
    || lpad(to_hex(coalesce(bit_xor(hashint8extended(version, id)), 0)), 16, '0') as digest,
  array(select coalesce(f.name, 'run ' || run.number)
    from (select * from chosen order by id limit :shown) as first
    join item i on i.id = first.id join run on run.id = i.run_id left join file f on f.id = i.file_id
    order by i.id) as names
from chosen
"""
_LOOK = "with chosen as materialized (select i.id, i.version {source} where {where}) {summed}"
_FREEZE = """
with chosen as materialized (select i.id, i.version {source} where {where}), put as (
  insert into operation_item (operation_id, item_id, version) select :operation, id, version from chosen
) {summed}
"""


def lane_for(trigger: Trigger, total: int, asked: str | None = None) -> str | None:
    """Say in which lane items go on: the one asked for, bulk where they are many; none: each in its own."""
    goes_on = trigger is Trigger.RESET or TARGETS.get(trigger) is Phase.READY
    return "bulk" if asked is None and goes_on and total > limits.MANY else asked


def count(connection: Connection, trigger: Trigger, selection: Selection, *, state: str | None = None) -> int:
    """Give the exact number of items on which a trigger is legal now."""
    where, values = conditions(trigger, TARGETS.get(trigger), check(connection, selection), state)
    return int(connection.execute(text(f"select count(*) {FROM} where {where}"), values).scalar_one())


def chosen(connection: Connection, order: Order, most: int) -> list[int]:
    """Give the items that an order, checked already, would touch now; no more than `most` of them."""
    where, values = conditions(order.trigger, TARGETS.get(order.trigger), order.selection, order.state)
    statement = text(f"select i.id {FROM} where {where} limit :most")
    return list(connection.execute(statement, {**values, "most": most}).scalars())


def why_nothing(connection: Connection, trigger: Trigger, selection: Selection, *, state: str | None = None) -> str:
    """Say how many items are selected, and why a trigger is legal for none of them now."""
    selection = check(connection, selection)
    return nothing(connection, Order(trigger=trigger, selection=selection, actor="", reason="", state=state))


def look(connection: Connection, order: Order) -> Seen:
    """Say what an order, checked already, would touch now: the dry run."""
    return _see(connection, order, _LOOK)


def freeze(connection: Connection, operation: int, order: Order) -> Seen:
    """Write down, for good, which items an order touches now, and give what `look` gives for exactly these."""
    return _see(connection, order, _FREEZE, operation=operation)


def _see(connection: Connection, order: Order, template: str, **more: int) -> Seen:
    where, values = conditions(order.trigger, TARGETS.get(order.trigger), order.selection, order.state)
    statement = text(template.format(source=FROM, where=where, summed=_SUMMED))
    row = connection.execute(statement, {**values, **more, "shown": limits.SHOWN}).one()
    return Seen(
        why="" if row.total else nothing(connection, order),
        total=row.total,
        selected=f"{row.total}-{row.digest}",
        names=tuple(row.names),
        lane=lane_for(order.trigger, row.total, order.lane),
    )
