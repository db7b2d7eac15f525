"""What only a start-up check asks of RabbitMQ: what is missing, which rights are, which version and TLS it has."""

import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

from ...statemachine.records import Record
from .base import BrokerRefusedError, BrokerUnavailableError, Outgoing, Topology
from .connect import Endpoint
from .rabbit import RabbitBroker
from .rabbit_declare import DENIED, Asker
from .rabbit_link import tls_context
from .topology import Names


class TlsFacts(Record):
    """A TLS connection: protocol, cipher, and who the server says that it is, for how many days to come."""

    version: str
    cipher: str
    subject: str
    issuer: str
    days_left: int


def absent(broker: RabbitBroker, topology: Topology) -> list[tuple[str, str]]:
    """Give what is not there, as (`exchange` or `queue`, name). Needs no right."""

    async def look(connection: Any) -> list[tuple[str, str]]:
        asker = Asker(connection)
        things = [("exchange", name) for name in topology.exchanges]
        things += [("queue", queue.name) for queue in topology.queues]
        try:
            return [(what, name) for what, name in things if not await asker.is_there(what, name)]
        finally:
            asker.close()

    return broker.inspect(look)


def server_version(broker: RabbitBroker) -> str:
    """Give the version that the server names in its greeting."""

    async def look(connection: Any) -> str:
        said = connection.server_properties or {}
        return str(said.get("version", ""))

    return broker.inspect(look)


def lacking(broker: RabbitBroker, topology: Topology, names: Names) -> list[str]:
    """Give a sentence for each right that the processes need and this user has not. Changes nothing.

    Each is tried in a way that cannot work: RabbitMQ looks at the right first, and then refuses for another reason.
    """

    async def look(connection: Any) -> list[str]:
        asker = Asker(connection)
        try:
            return [wrong for question in _questions(topology, names) if (wrong := await _denied(asker, *question))]
        finally:
            asker.close()

    found = broker.inspect(look)
    try:
        broker.publish([Outgoing(key=f"{names.prefix}.nobody", body=b"")])
    except BrokerRefusedError as error:
        found.append(f"may not publish: {error}")
    return found


Question = tuple[str, str, dict[str, Any]]


def _questions(topology: Topology, names: Names) -> Iterator[Question]:
    for queue in topology.queues:
        asked = {"queue": queue.name, "on_message_callback": _ignore, "arguments": {"x-priority": "none"}}
        yield f"may not read queue {queue.name!r}", "basic_consume", asked
    dead, events = names.dead, names.events
    unbound = {"destination": events, "source": dead, "routing_key": secrets.token_hex(8)}
    yield f"may not write exchange {events!r}, or not read {dead!r}", "exchange_unbind", unbound
    control = names.control(f"doctor-{secrets.token_hex(4)}")
    yield "may not configure control queues", "queue_declare", {"queue": control, "exclusive": True}


async def _denied(asker: Asker, sentence: str, method: str, arguments: dict[str, Any]) -> str:
    try:
        await asker.ask(method, **arguments)
    except BrokerRefusedError as error:
        return sentence if error.code == DENIED else ""
    return ""


def _ignore(*_: Any) -> None:
    pass


def tls_facts(endpoint: Endpoint) -> TlsFacts:
    """Shake hands with the first host, and say what came of it. Raises `BrokerUnavailableError`."""
    host, port = endpoint.hosts[0]
    try:
        with (
            socket.create_connection((host, port), timeout=endpoint.timeout_s) as plain,
            tls_context(endpoint).wrap_socket(plain, server_hostname=host) as secure,
        ):
            certificate: Any = secure.getpeercert() or {}
            cipher = secure.cipher()
            version = secure.version() or ""
    except (OSError, ssl.SSLError) as error:
        raise BrokerUnavailableError(f"{endpoint}: {error}") from error
    ends = ssl.cert_time_to_seconds(certificate["notAfter"])
    return TlsFacts(
        version=version,
        cipher=cipher[0] if cipher else "",
        subject=_name(certificate.get("subject", ())),
        issuer=_name(certificate.get("issuer", ())),
        days_left=int((ends - time.time()) // 86400),
    )


def _name(parts: Any) -> str:
    return ", ".join(f"{key}={value}" for part in parts for key, value in part)
