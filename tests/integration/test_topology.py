"""The topology on a real RabbitMQ: declared by us or by an administrator, and what doctor says of it."""

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headframe.consumers.broker import BrokerRefusedError, Names, connect
from headframe.daemon import broker_doctor

from .broker_help import eventually, gather, send
from .cli_help import Ended, broker_config, headframe
from .rabbit_server import RabbitServer

QUEUES = 22
Configure = Callable[..., Path]


@pytest.fixture
def configure(
    tmp_path: Path, rabbit: RabbitServer, rabbit_instance: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Configure]:
    """Give a maker of configurations; policies and users of the test are removed after it."""
    monkeypatch.setattr(broker_doctor, "YOUNG_S", 2.0)  # this server's management API is half a second late
    users: list[str] = []

    def make(user: str = "", **broker: object) -> Path:
        if user:
            users.append(user)
        known = {"url": rabbit.url, "user": user or rabbit.user, "password": rabbit.password}
        return broker_config(tmp_path, rabbit_instance, **{**known, **broker})

    yield make
    for policy in rabbit.api("GET", "/policies/%2F"):
        if policy["name"].startswith(rabbit_instance):
            rabbit.api("DELETE", f"/policies/%2F/{policy['name']}")
    for user in users:
        rabbit.api("DELETE", f"/users/{user}")


def allow(rabbit: RabbitServer, user: str, configure: str, write: str, read: str) -> None:
    """Make a user with these rights and the password of the server's own."""
    rabbit.api("PUT", f"/users/{user}", {"password": rabbit.password, "tags": ""})
    rights = {"configure": configure, "write": write, "read": read}
    rabbit.api("PUT", f"/permissions/%2F/{user}", rights)


def doctor(config: Path) -> dict[str, str]:
    """Give doctor's lines about the broker by what they are about."""
    said = headframe(config, "doctor")
    lines = [line.split(None, 1) for line in said.out.splitlines()]
    return {rest.split(":", 1)[0]: f"{level} {rest.split(':', 1)[1].strip()}" for level, rest in lines}


def states(said: Ended) -> dict[str, int]:
    """Count the parts by state."""
    found: dict[str, int] = {}
    for part in said.json:
        found[part["state"]] = found.get(part["state"], 0) + 1
    return found


def effective(rabbit: RabbitServer, queue: str) -> dict[str, object]:
    """Give the policy in force on a queue; RabbitMQ's API is a few seconds behind itself."""
    assert eventually(lambda: "effective_policy_definition" in rabbit.api("GET", f"/queues/%2F/{queue}"))
    found: dict[str, object] = rabbit.api("GET", f"/queues/%2F/{queue}")["effective_policy_definition"]
    return found


def test_everything_is_declared_by_one_command_and_repeating_it_changes_nothing(
    configure: Configure, rabbit: RabbitServer, rabbit_instance: str
) -> None:
    config = configure(management=f"http://127.0.0.1:{rabbit.api_port}", delivery_limit=7)
    assert states(headframe(config, "broker", "declare", "--dry-run", "-o", "json")) == {"missing": QUEUES + 5}
    assert rabbit.queues(f"{rabbit_instance}.") == []
    assert states(headframe(config, "broker", "declare", "-o", "json")) == {"made": QUEUES + 2, "set": 3}
    assert states(headframe(config, "broker", "declare", "-o", "json")) == {"there": QUEUES + 5}
    work = rabbit.api("GET", f"/queues/%2F/{rabbit_instance}.work.salt.bulk")
    assert (work["type"], work["arguments"]) == ("quorum", {"x-queue-type": "quorum"})
    assert effective(rabbit, work["name"]) == {
        "delivery-limit": 7,
        "dead-letter-exchange": f"{rabbit_instance}.dead",
        "dead-letter-routing-key": f"{rabbit_instance}.dead",
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
    }
    for queue in ("reports.live", "reports.bulk", "arrivals", "dead"):
        assert effective(rabbit, f"{rabbit_instance}.{queue}")["delivery-limit"] == 1_000_000
    said = doctor(config)
    assert said["broker"].startswith("ok RabbitMQ 3.")
    assert said["topology"] == f"ok {QUEUES} queues and 2 exchanges are there"
    assert said["policies"].startswith(f"ok in force on {QUEUES} quorum queues")
    assert said["alarms"] == "ok none on 1 node"


def test_a_policy_that_an_administrator_changed_is_noticed_and_set_again(
    configure: Configure, rabbit: RabbitServer, rabbit_instance: str
) -> None:
    config = configure(management=f"http://127.0.0.1:{rabbit.api_port}")
    headframe(config, "broker", "declare")
    other = {"pattern": rf"^{rabbit_instance}\.work", "definition": {"delivery-limit": 3}, "priority": 50}
    rabbit.api("PUT", f"/policies/%2F/{rabbit_instance}-other", {**other, "apply-to": "queues"})
    queue = f"queue {rabbit_instance}.work.salt.live"
    said = f"FAIL policy {rabbit_instance}-other holds, without dead-letter-exchange"
    assert eventually(lambda: doctor(config).get(queue, "").startswith(said))
    rabbit.api("DELETE", f"/policies/%2F/{rabbit_instance}-other")
    changed = {**other, "priority": 10, "apply-to": "queues"}
    rabbit.api("PUT", f"/policies/%2F/{rabbit_instance}-work", changed)
    parts = headframe(config, "broker", "declare", "--dry-run", "-o", "json")
    assert states(parts) == {"there": QUEUES + 4, "different": 1}
    assert states(headframe(config, "broker", "declare", "-o", "json")) == {"there": QUEUES + 4, "set": 1}


def test_without_management_it_prints_the_commands_that_an_administrator_runs(
    configure: Configure, rabbit: RabbitServer, rabbit_instance: str
) -> None:
    said = headframe(configure(), "broker", "declare")
    commands = [line for line in said.out.splitlines() if line.startswith("rabbitmqctl ")]
    assert said.code == 0
    assert len(commands) == 3
    for command in commands:
        rabbit.control(*shlex.split(command)[1:])
    assert effective(rabbit, f"{rabbit_instance}.work.place.live")["delivery-limit"] == 10
    assert doctor(configure())["policies"].startswith("warn queue types, policies and alarms were not looked at")
    there = configure(management=f"http://127.0.0.1:{rabbit.api_port}")
    assert eventually(lambda: doctor(there).get("policies", "").startswith("ok in force"))


def test_a_user_who_may_not_configure_works_on_what_an_administrator_has_made(
    configure: Configure, rabbit: RabbitServer, rabbit_instance: str, tmp_path: Path
) -> None:
    user = f"{rabbit_instance}-low"
    prefix = rf"^{rabbit_instance}\."
    allow(rabbit, user, rf"{prefix}control\.", rf"({prefix}|^amq\.default$)", prefix)
    config = configure(user=user)
    refused = headframe(config, "broker", "declare")
    assert refused.code == 1
    (line,) = refused.err.splitlines()
    assert f"exchange '{rabbit_instance}.events' is missing, and user '{user}' has no right to configure it" in line
    assert "headframe broker declare --print" in line

    definitions = tmp_path / "definitions.json"
    definitions.write_text(headframe(config, "broker", "declare", "--print").out)
    rabbit.control("import_definitions", str(definitions))
    names = Names(rabbit_instance)
    broker = connect(rabbit.url, user=user, password=rabbit.password)
    broker.declare(names.topology(["salt"]))
    send(broker, names.work("salt", "live"), "1")
    assert len(gather(broker.subscribe([names.work("salt", "live")], 1), 1)) == 1
    with pytest.raises(BrokerRefusedError, match=r"work\.new\.live' is missing, and user .* has no right"):
        broker.declare(names.topology(["salt", "new"]))
    broker.close()
    said = doctor(config)
    assert said["broker rights"].startswith("ok")
    assert effective(rabbit, f"{rabbit_instance}.arrivals")["delivery-limit"] == 1_000_000


def test_doctor_names_the_right_that_is_missing_and_disturbs_nothing(
    configure: Configure, rabbit: RabbitServer, rabbit_instance: str
) -> None:
    headframe(configure(), "broker", "declare")
    user, prefix = f"{rabbit_instance}-low", rf"^{rabbit_instance}\."
    allow(rabbit, user, "^$", rf"{prefix}", rf"{prefix}work")
    config = configure(user=user)
    names = Names(rabbit_instance)
    broker = connect(rabbit.url, user=rabbit.user, password=rabbit.password)
    send(broker, names.work("salt", "live"), "1")
    line = doctor(config)["broker rights"]
    assert line.startswith(f"FAIL user '{user}' may not read queue '{rabbit_instance}.reports.live'")
    assert f"rabbitmqctl set_permissions --vhost / {user}" in line
    assert [e.redelivered for e in gather(broker.subscribe([names.work("salt", "live")], 1), 1)] == [False]
    broker.close()


def test_doctor_sees_a_queue_of_the_wrong_type_a_missing_one_and_an_alarm(
    configure: Configure, rabbit: RabbitServer, rabbit_instance: str
) -> None:
    config = configure(management=f"http://127.0.0.1:{rabbit.api_port}")
    headframe(config, "broker", "declare")
    for queue in ("arrivals", "work.salt.live"):
        rabbit.api("DELETE", f"/queues/%2F/{rabbit_instance}.{queue}")
    missing = doctor(config)["topology"]
    assert missing.startswith(f"FAIL missing: queue {rabbit_instance}.work.salt.live, queue {rabbit_instance}.arrivals")
    classic = {"durable": True, "arguments": {"x-queue-type": "classic"}}
    rabbit.api("PUT", f"/queues/%2F/{rabbit_instance}.arrivals", classic)
    refused = headframe(config, "broker", "declare")
    assert refused.code == 1
    assert f"{rabbit_instance}.arrivals" in refused.err
    said = doctor(config)
    assert said[f"queue {rabbit_instance}.arrivals"].startswith("FAIL is of type classic, not quorum")
    rabbit.alarm(on=True)

    def alarmed() -> bool:
        said = doctor(config)
        return "memory" in said.get("alarms", said["broker"])

    try:
        assert eventually(alarmed)
    finally:
        rabbit.alarm(on=False)


def test_the_file_of_definitions_holds_all_and_needs_no_broker(tmp_path: Path) -> None:
    config = broker_config(tmp_path, "away", url="amqp://127.0.0.1:1/some%2Fwhere")
    found = json.loads(headframe(config, "broker", "declare", "--print").out)
    assert {kind: len(parts) for kind, parts in found.items()} == {
        "exchanges": 2,
        "queues": QUEUES,
        "bindings": 1,
        "policies": 3,
    }
    assert {part["vhost"] for parts in found.values() for part in parts} == {"some/where"}
    assert headframe(config, "broker", "declare").code == 6


def test_a_wrong_password_for_the_management_is_one_line_without_it(
    configure: Configure, rabbit: RabbitServer, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("wr0ng-s3cret")
    api = f"http://127.0.0.1:{rabbit.api_port}"
    config = configure(management=api, management_user="nobody", management_password_file="wrong")
    said = headframe(config, "broker", "declare")
    assert said.code == 1
    assert f"{api} refuses user 'nobody'" in said.err
    assert len(said.err.splitlines()) == 1
    assert doctor(config)["management"].startswith(f"warn {api} refuses user 'nobody'")
    assert "s3cret" not in said.err + said.out + str(doctor(config))
