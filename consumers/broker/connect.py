"""From a URL to a broker. pika is imported only where the URL asks for RabbitMQ."""

from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import unquote, urlsplit

from .base import Broker
from .memory import MemoryBroker
from .memory_hub import MemoryHub

PORTS = {"amqp": 5672, "amqps": 5671}
_HUBS: dict[str, MemoryHub] = {}
_LOCK = Lock()


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Files for TLS: who vouches for the broker (default: the system's), and our own certificate and its key."""

    cafile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where RabbitMQ is and how to sign in. Several hosts are one cluster, tried in turn.

    Times are in seconds. Without user, but with a certificate of one's own, the certificate signs in (EXTERNAL).
    """

    hosts: tuple[tuple[str, int], ...]
    vhost: str
    secure: bool
    name: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls = Tls()
    timeout_s: float = 15.0
    heartbeat_s: int = 15
    probe_s: float = 5.0

    def __str__(self) -> str:
        """Say where it is, and nothing secret."""
        where = ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"amqp{'s' if self.secure else ''}://{where}/{'' if self.vhost == '/' else self.vhost}"


def connect(
    url: str,
    *,
    user: str | None = None,
    password: str | None = None,
    tls: Tls | None = None,
    name: str = "headframe",
    timeout_s: float = 15.0,
) -> Broker:
    """Make a broker for `memory:[hub]` or `amqp[s]://host[:port][,host...]/[virtual host]`.

    All `memory:` brokers with one hub name share their queues within this process. Connecting to RabbitMQ goes
    on behind the scenes: the first call waits for it, up to `timeout_s` seconds as every call does, and raises
    `BrokerUnavailableError` then. `name` is what the broker's administrator sees. Raises `ValueError` for a URL
    that is neither, or that has credentials in it (they would end up in logs and process lists).
    """
    scheme, _, rest = url.partition(":")
    if scheme == "memory":
        return MemoryBroker(_hub(rest.strip("/")))
    if scheme not in PORTS:
        raise ValueError(f"broker URL begins with {scheme[:20]!r}: allowed are memory:, amqp:// and amqps://")
    from .rabbit import RabbitBroker

    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("the broker URL has credentials in it: give user and password by themselves")
    endpoint = Endpoint(
        hosts=tuple(_host(part, PORTS[scheme]) for part in parts.netloc.split(",")),
        vhost=vhost_of(url),
        secure=scheme == "amqps",
        name=name,
        user=user,
        password=password,
        tls=tls or Tls(),
        timeout_s=timeout_s,
    )
    return RabbitBroker(endpoint)


def vhost_of(url: str) -> str:
    """Give the virtual host that a URL names."""
    return unquote(urlsplit(url).path[1:]) or "/"


def forget_memory() -> None:
    """Let all `memory:` hubs go: whoever connects next begins with empty queues, as after the loss of a machine."""
    with _LOCK:
        _HUBS.clear()


def _hub(name: str) -> MemoryHub:
    """Give the one hub of this name. Threads that start together must not get one each, or nobody hears the other."""
    with _LOCK:
        if name not in _HUBS:
            _HUBS[name] = MemoryHub()
        return _HUBS[name]


def _host(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(f"broker URL: {text!r} is not host or host:port")
    return parts.hostname, parts.port or port
