"""The policies of one instance: what RabbitMQ is asked for each queue, and how an administrator is told."""

import json
import shlex
from typing import Any

from ...statemachine.records import Record
from .base import Topology
from .topology import Names, exchange_properties, queue_properties

NEVER = 1_000_000
"""A limit that is never met. RabbitMQ 3.10 puts what is returned to a queue without one at its end, 4 gives it 20."""
PRIORITY = 10


class Policy(Record):
    """A RabbitMQ policy. Only one holds for each queue: that of the highest `priority` whose `pattern` fits."""

    name: str
    pattern: str
    definition: dict[str, Any]
    priority: int = PRIORITY

    def body(self) -> dict[str, Any]:
        """Give it as the management API and a file of definitions have it."""
        return {
            "pattern": self.pattern,
            "definition": self.definition,
            "priority": self.priority,
            "apply-to": "queues",
        }

    def command(self, vhost: str) -> str:
        """Give the command that sets it."""
        said = json.dumps(self.definition, sort_keys=True)
        head = f"rabbitmqctl set_policy --vhost {shlex.quote(vhost)} --priority {self.priority} --apply-to queues"
        return f"{head} {self.name} {shlex.quote(self.pattern)} {shlex.quote(said)}"


def policies(names: Names, delivery_limit: int) -> tuple[Policy, ...]:
    """Give the policies: a delivery limit for work alone; nowhere a message that simply vanishes."""
    parked = {
        "dead-letter-exchange": names.dead,
        "dead-letter-routing-key": names.dead,
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
    }
    escaped = names.prefix.replace(".", r"\.")
    return (
        Policy(
            name=f"{names.prefix}-work",
            pattern=rf"^{escaped}\.work\.",
            definition={"delivery-limit": delivery_limit, **parked},
        ),
        Policy(
            name=f"{names.prefix}-inbound",
            pattern=rf"^{escaped}\.(reports\.[^.]+|arrivals)$",
            definition={"delivery-limit": NEVER, **parked},
        ),
        Policy(name=f"{names.prefix}-dead", pattern=rf"^{escaped}\.dead$", definition={"delivery-limit": NEVER}),
    )


def wanted_for(names: Names, queue: str, delivery_limit: int) -> Policy:
    """Give the policy of a queue of this instance."""
    work, inbound, dead = policies(names, delivery_limit)
    if queue == names.dead:
        return dead
    return work if queue.startswith(f"{names.prefix}.work.") else inbound


def definitions(topology: Topology, wanted: tuple[Policy, ...], vhost: str) -> dict[str, Any]:
    """Give everything as `rabbitmqctl import_definitions` reads it."""
    queues = [queue for queue in topology.queues if not queue.exclusive]
    return {
        "exchanges": [
            {
                "name": name,
                "vhost": vhost,
                "type": exchange_properties(kind)["exchange_type"],
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for name, kind in topology.exchanges.items()
        ],
        "queues": [
            {"name": queue.name, "vhost": vhost, "auto_delete": False, **queue_properties(queue)} for queue in queues
        ],
        "bindings": [
            {
                "source": queue.exchange,
                "vhost": vhost,
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": queue.binding,
                "arguments": {},
            }
            for queue in queues
            if queue.exchange
        ],
        "policies": [{"vhost": vhost, "name": policy.name, **policy.body()} for policy in wanted],
    }
