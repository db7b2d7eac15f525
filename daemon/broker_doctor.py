"""`headframe doctor` at the broker: reachable, new enough, all there, all allowed, policies in force, no alarm."""

import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from ..consumers.broker.base import BrokerRefusedError, BrokerUnavailableError
from ..consumers.broker.connect import Endpoint, vhost_of
from ..consumers.broker.management import Management
from ..consumers.broker.policies import Policy, wanted_for
from ..consumers.broker.rabbit import RabbitBroker
from ..consumers.broker.rabbit_inspect import absent, lacking, server_version, tls_facts
from . import wiring
from .config import Config, ConfigError
from .finding import Finding

OLDEST = (3, 10)
TLS_DAYS = 30
YOUNG_S = 10.0
DECLARE = "headframe broker declare"
QUICK = "work is acknowledged after a second at the latest, so RabbitMQ's consumer_timeout matters only below a minute"


def broker_findings(config: Config) -> Iterator[Finding]:
    """Look at the broker. Changes nothing there."""
    if config.broker.url == "memory:":
        yield Finding("ok", "broker", "in memory: everything has to run in one process tree (headframe up)")
        return
    try:
        broker = wiring.connected(config, "doctor")
    except (ConfigError, OSError) as error:
        yield Finding("fail", "broker", str(error), "mend the configuration")
        return
    try:
        assert isinstance(broker, RabbitBroker)  # noqa: S101 (memory was dealt with)  # nosec B101
        yield from _rabbit(config, broker)
    finally:
        broker.close()


def _rabbit(config: Config, broker: RabbitBroker) -> Iterator[Finding]:
    try:
        yield _version(server_version(broker))
        yield from _transport(broker.endpoint)
        missing = absent(broker, wiring.topology(config))
        yield _there(config, missing)
        if not missing:
            yield _rights(config, lacking(broker, wiring.topology(config), wiring.names(config)))
        yield from _management(config)
    except BrokerUnavailableError as error:
        alarm = "at present" in str(error)
        todo = "free memory or disk on its nodes" if alarm else "start RabbitMQ, or mend broker.url, user and password"
        away = not isinstance(error, BrokerRefusedError)
        yield Finding("fail", "broker", str(error), todo, unreachable=away and not alarm)


def _version(version: str) -> Finding:
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    wanted = ".".join(str(part) for part in OLDEST)
    if not numbers:
        return Finding("warn", "broker", "reachable; it does not say its version", f"RabbitMQ {wanted} is the oldest")
    good = numbers >= OLDEST
    return Finding("ok" if good else "fail", "broker", f"RabbitMQ {version}", f"install RabbitMQ {wanted} or later")


def _transport(endpoint: Endpoint) -> Iterator[Finding]:
    if not endpoint.secure:
        remote = [host for host, _ in endpoint.hosts if not _is_here(host)]
        if remote:
            todo = "use amqps:// and broker.cafile"
            yield Finding("warn", "broker TLS", f"none: the password travels readable to {', '.join(remote)}", todo)
        else:
            yield Finding("ok", "broker TLS", "none, and none needed on this host")
        return
    facts = tls_facts(endpoint)
    who = "the certificate signs in" if endpoint.user is None and endpoint.tls.certfile else f"user {endpoint.user!r}"
    sentence = f"{facts.version} {facts.cipher}; {facts.subject} by {facts.issuer}, {facts.days_left} days left; {who}"
    good = facts.days_left >= TLS_DAYS
    yield Finding(
        "ok" if good else "warn",
        "broker TLS",
        sentence,
        f"renew the server's certificate: less than {TLS_DAYS} days left",
    )


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _there(config: Config, missing: list[tuple[str, str]]) -> Finding:
    if missing:
        named = ", ".join(f"{what} {name}" for what, name in missing[:4])
        more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
        return Finding("fail", "topology", f"missing: {named}{more}", DECLARE)
    topology = wiring.topology(config)
    return Finding("ok", "topology", f"{len(topology.queues)} queues and {len(topology.exchanges)} exchanges are there")


def _rights(config: Config, wrong: list[str]) -> Finding:
    user, prefix = config.broker.user or "(the certificate's)", config.instance
    if not wrong:
        return Finding("ok", "broker rights", f"user {user!r} may do all that the processes do")
    rights = rf"'^{prefix}\.' '^({prefix}\..*|amq\.default)$' '^{prefix}\.'"
    todo = f"rabbitmqctl set_permissions --vhost {vhost_of(config.broker.url)} {user} {rights}"
    more = f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""
    return Finding("fail", "broker rights", f"user {user!r} {'; '.join(wrong[:3])}{more}", todo)


def _management(config: Config) -> Iterator[Finding]:
    yield Finding("ok", "consumer timeout", QUICK)
    management = wiring.management(config)
    if management is None:
        look = "rabbitmqctl list_queues name type effective_policy_definition; rabbitmqctl list_alarms"
        sentence = "queue types, policies and alarms were not looked at: no broker.management is set"
        yield Finding("warn", "policies", sentence, f"set it, or look by: {look}")
        return
    try:
        yield from _queues(config, management)
        yield from _alarms(management)
    except BrokerRefusedError as error:
        todo = "mend broker.management_user and its password, or give it the tags: rabbitmqctl set_user_tags"
        yield Finding("warn", "management", str(error), f"{todo} {management.user} policymaker monitoring")
    except BrokerUnavailableError as error:
        yield Finding("warn", "management", str(error), "rabbitmq-plugins enable rabbitmq_management, or mend the URL")


def _queues(config: Config, management: Management) -> Iterator[Finding]:
    names, limit = wiring.names(config), config.broker.delivery_limit
    topology = wiring.topology(config)
    wrong = 0
    patience = time.monotonic() + YOUNG_S
    for queue in topology.queues:
        policy = wanted_for(names, queue.name, limit)
        finding = _differing(management, queue.name, policy, patience)
        if finding is not None:
            wrong += 1
            yield finding
    if not wrong:
        sentence = f"in force on {len(topology.queues)} quorum queues; work is delivered {limit + 1} times at most"
        yield Finding("ok", "policies", sentence)


def _differing(management: Management, queue: str, policy: Policy, patience: float) -> Finding | None:
    """Say what a queue lacks. The management API is seconds late with policies: it is asked again until `patience`."""
    while True:
        found = management.queue(queue)
        if found is None:
            return None
        kind = found.get("type", found.get("arguments", {}).get("x-queue-type", "classic"))
        if kind != "quorum":
            todo = f"stop all, let it run empty, delete it, {DECLARE}"
            return Finding("fail", f"queue {queue}", f"is of type {kind}, not quorum", todo)
        finding = _off_policy(queue, found, policy)
        if finding is None or time.monotonic() > patience:
            return finding
        time.sleep(0.5)


def _off_policy(queue: str, found: dict[str, Any], policy: Policy) -> Finding | None:
    effective = found.get("effective_policy_definition") or {}
    differs = [key for key, value in policy.definition.items() if effective.get(key) != value]
    if not differs:
        return None
    held = f"policy {found['policy']}" if found.get("policy") else "no policy"
    todo = f"{DECLARE}, and give no other policy for it a priority of {policy.priority} or more"
    return Finding("fail", f"queue {queue}", f"{held} holds, without {', '.join(sorted(differs))}", todo)


def _alarms(management: Management) -> Iterator[Finding]:
    nodes = management.nodes()
    ill = [
        f"{what} on {node.get('name')}"
        for node in nodes
        for key, what in (("mem_alarm", "memory"), ("disk_free_alarm", "disk"))
        if node.get(key)
    ]
    down = [str(node.get("name")) for node in nodes if not node.get("running", True)]
    if ill:
        yield Finding("fail", "alarms", f"{', '.join(ill)}: nothing can be published", "make room on that node")
    if down:
        yield Finding("fail", "nodes", f"{', '.join(down)} not running", "start it: a quorum needs most nodes")
    if not (ill or down):
        yield Finding("ok", "alarms", f"none on {len(nodes)} node{'s' if len(nodes) != 1 else ''}")
