"""The users that pods have at their servers: made as the components make them, enough for each process, and no more."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import make_url

from headframe.consumers import broker as brokers
from headframe.consumers.broker import BrokerRefusedError, Outgoing, Queue, Topology
from headframe.statemachine.roles import DATABASE_ROLES

from ..conftest import on_server
from ..integration.rabbit_server import RabbitServer
from ..integration.servers import PostgresServer
from .manifests import K8S

Passwords = dict[str, str]


@pytest.fixture(scope="module")
def made() -> dict[str, dict[str, str]]:
    """Give what the script makes: the values of each secret, by its name."""
    done = subprocess.run([sys.executable, K8S / "make_secrets.py"], check=True, capture_output=True, text=True)
    return {each["metadata"]["name"]: each["stringData"] for each in json.loads(done.stdout)["items"]}


@pytest.fixture(scope="module")
def users(rabbit: RabbitServer, made: dict[str, dict[str, str]]) -> Iterator[RabbitServer]:
    """Have a broker read the definitions, as the component's does when it starts."""
    definitions = json.loads(made["headframe-broker-definitions"]["definitions.json"])
    rabbit.api("POST", "/definitions", definitions)
    yield rabbit
    for user in definitions["users"]:
        rabbit.api("DELETE", f"/users/{user['name']}")
    rabbit.delete("headframe.")


def connected(rabbit: RabbitServer, made: dict[str, dict[str, str]], name: str) -> brokers.Broker:
    password = made[f"headframe-broker-{name}"]["password"]
    return brokers.connect(rabbit.url, user=f"headframe_{name}", password=password, name=f"test {name}")


@pytest.fixture(scope="module")
def roles(
    postgres: PostgresServer, made: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Run the component's script, as PostgreSQL's image does with an empty volume; give the database's address."""
    folder = tmp_path_factory.mktemp("roles")
    for role in DATABASE_ROLES:
        (folder / role).mkdir()
        (folder / role / "password").write_text(made[f"headframe-database-{role}"]["password"])
    url = make_url(postgres.url)
    server = {"PGHOST": url.host, "PGPORT": str(url.port), "PGPASSWORD": url.password}
    variables = {**os.environ, **server, "POSTGRES_USER": url.username, "ROLES": str(folder)}
    script = K8S / "components" / "postgres" / "roles.sh"
    subprocess.run(["sh", str(script)], check=True, env=variables, capture_output=True, text=True)
    yield f"host={url.host} port={url.port} dbname=headframe"
    on_server(postgres, "DROP DATABASE headframe WITH (FORCE)")
    for role in DATABASE_ROLES:
        on_server(postgres, f"DROP ROLE headframe_{role}")


@pytest.mark.parametrize("role", DATABASE_ROLES)
def test_each_role_signs_in_with_its_own_password(role: str, roles: str, made: dict[str, dict[str, str]]) -> None:
    password = made[f"headframe-database-{role}"]["password"]
    with psycopg2.connect(roles, user=f"headframe_{role}", password=password) as connection:
        cursor = connection.cursor()
        cursor.execute("select has_database_privilege(current_user, 'headframe', 'create'), rolsuper "
                       "from pg_roles where rolname = current_user")  # fmt: skip
        assert cursor.fetchone() == (role == "owner", False)
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(roles, user=f"headframe_{role}", password="another")


def cli(folder: Path, rabbit: RabbitServer, made: dict[str, dict[str, str]], name: str, *words: str) -> str:
    """Run a command as the pod of this user does; give what it printed."""
    (folder / "password").write_text(made[f"headframe-broker-{name}"]["password"])
    variables = {
        **os.environ,
        "HEADFRAME_DATABASE__URL": "postgresql://database.invalid/headframe",
        "HEADFRAME_BROKER__URL": rabbit.url,
        "HEADFRAME_BROKER__MANAGEMENT": f"http://127.0.0.1:{rabbit.api_port}",
        "HEADFRAME_BROKER__USER": f"headframe_{name}",
        "HEADFRAME_BROKER__PASSWORD_FILE": str(folder / "password"),
    }
    (folder / "headframe.toml").write_text('instance = "headframe"\n')
    command = [sys.executable, "-m", "headframe", "--config", str(folder / "headframe.toml"), *words]
    done = subprocess.run(command, check=False, env=variables, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr + f"\nended {done.returncode}"


@pytest.fixture(scope="module")
def declared(users: RabbitServer, made: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Have the job's user make what there is."""
    folder = tmp_path_factory.mktemp("declare")
    return cli(folder, users, made, "admin", "broker", "declare")


def test_the_jobs_user_makes_queues_and_policies(users: RabbitServer, declared: str) -> None:
    assert "ended 0" in declared
    assert "headframe.arrivals" in users.queues("headframe.")


@pytest.mark.parametrize(
    ("name", "queue"),
    [("watcher", "headframe.arrivals"), ("worker", "headframe.reports.live"), ("service", "headframe.work.salt.live")],
)
def test_a_user_writes_where_its_process_does(
    name: str, queue: str, users: RabbitServer, declared: str, made: dict[str, dict[str, str]]
) -> None:
    broker = connected(users, made, name)
    try:
        assert broker.publish([Outgoing(key=queue, body=b"{}")]) == [True]
    finally:
        broker.close()


@pytest.mark.parametrize("name", ["watcher", "worker", "service"])
def test_a_user_makes_no_queues(name: str, users: RabbitServer, declared: str, made: dict[str, dict[str, str]]) -> None:
    broker = connected(users, made, name)
    topology = Topology(exchanges={}, queues=(Queue(name="headframe.mine"),), dead="headframe.dead")
    try:
        with pytest.raises(BrokerRefusedError):
            broker.declare(topology)
    finally:
        broker.close()
    assert "headframe.mine" not in users.queues("headframe.")


def test_other_users_may_not_ask_the_management(
    users: RabbitServer, declared: str, made: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    assert "ended 0" not in cli(tmp_path, users, made, "service", "broker", "declare")
