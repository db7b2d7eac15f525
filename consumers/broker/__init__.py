"""The broker contract and its two implementations: RabbitMQ (`rabbit`) and in memory (`memory`)."""

from .base import Broker, BrokerUnavailableError, Delivery, Outgoing, Queue, Subscription, Topology
from .topology import LANES, Names

__all__ = [
    "LANES",
    "Broker",
    "BrokerUnavailableError",
    "Delivery",
    "Names",
    "Outgoing",
    "Queue",
    "Subscription",
    "Topology",
]
