"""The bulk lane is shared: campaigns take turns by their weights, whichever was first."""

from collections import Counter

from sqlalchemy import text

from headframe.consumers.broker import Names
from headframe.consumers.broker.memory import MemoryBroker
from headframe.consumers.broker.memory_hub import MemoryHub
from headframe.daemon.conductor.outbox import Outbox

from .small_machine import SmallMachine


def test_campaigns_share_the_bulk_lane_by_their_weights_whichever_was_first(machine: SmallMachine) -> None:
    machine.arrive(1, *range(1, 31))
    machine.sql("update item set lane = 'bulk'")
    machine.sql("insert into campaign (name, pipeline_id, weight) select 'heavy', pipeline_id, 300 from campaign")
    machine.sql("update item set campaign_id = (select max(id) from campaign) where id > 15")
    names, broker = Names("headframe"), MemoryBroker(MemoryHub())
    broker.declare(names.topology(("salt", "settle")))
    box = Outbox(machine.engine, broker, names, "conductor", {"salt": 12}, chunk=1)
    for _ in range(12):
        box.refill()
    statement = text("select c.weight from item i join campaign c on c.id = i.campaign_id where i.phase = 'submitted'")
    with machine.engine.connect() as conn:
        assert Counter(conn.execute(statement).scalars()) == {100: 3, 300: 9}
