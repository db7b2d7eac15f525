"""The broker contract and its two implementations: RabbitMQ (`rabbit`) and in memory (`memory`)."""

from .base import (
    Broker,
    BrokerRefusedError,
    BrokerUnavailableError,
    Delivery,
    Held,
    Outgoing,
    Queue,
    Subscription,
    Topology,
)
from .connect import Tls, connect
from .topology import Names

__all__ = [
    "Broker",
    "BrokerRefusedError",
    "BrokerUnavailableError",
    "Delivery",
    "Held",
    "Names",
    "Outgoing",
    "Queue",
    "Subscription",
    "Tls",
    "Topology",
    "connect",
]
