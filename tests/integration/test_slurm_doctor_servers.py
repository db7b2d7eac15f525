"""Doctor before a real service and a real broker: whom the token stands for, what clocks say, what a node reaches."""

import http.server
import json
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from headframe.daemon.config import load
from headframe.daemon.finding import Finding
from headframe.daemon.slurm.doctor import service
from headframe.daemon.slurm.doctor.service import clock_findings, service_findings
from headframe.statemachine.database import connect
from headframe.statemachine.roles import Role
from headframe.web.app import create_app
from headframe.web.serve import Listener
from headframe.web.settings import Settings

from .access_help import LOOSE, make_token
from .cli_help import headframe
from .pilot_config import pilot_config
from .rabbit_server import RabbitServer
from .servers import PostgresServer
from .slurm_server import Slurm
from .web_filled import cloned

LAUNCHER = "main"
"""What a launcher is called that has no other name."""


class Service(NamedTuple):
    """A service, a token of each role, and tokens of launchers by what they are for."""

    url: str
    instance: str
    tokens: dict[str, str]
    bound: dict[str, str]


@pytest.fixture(scope="module")
def lab(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Service]:
    with cloned(postgres, database_template) as database:
        engine = connect(database, instance)
        tokens = {role.value: make_token(engine, role.value, role)[1] for role in Role}
        bound = {
            resource: make_token(engine, "launcher", Role.LAUNCHER, resources=(resource,))[1]
            for resource in ("launchers", f"launchers/{LAUNCHER}", "launchers/elsewhere")
        }
        app = create_app(engine, Settings(instance=instance, reading="closed", access=LOOSE))
        listener, stop = Listener(app, "127.0.0.1", 0), threading.Event()
        server = threading.Thread(target=listener.run, args=(stop,))
        server.start()
        yield Service(f"http://127.0.0.1:{listener.port}", instance, tokens, bound)
        stop.set()
        server.join()
        engine.dispose()


def looked(lab: Service, folder: Path, token: str, instance: str = "") -> dict[str, Finding]:
    (folder / "token").write_text(token)
    config = pilot_config(folder, launcher='token_file = "token"', url=lab.url, instance=instance or lab.instance)
    return {finding.what: finding for finding in service_findings(load(config, {}))}


def test_a_token_of_the_role_launcher_is_what_is_wanted(lab: Service, tmp_path: Path) -> None:
    said = looked(lab, tmp_path, lab.bound[f"launchers/{LAUNCHER}"])
    assert {finding.level for finding in said.values()} == {"ok"}, said
    assert said["token's roles"].sentence == "launcher may do what a launcher does, and no more"
    assert said["clock"].sentence == "agrees with the service's"


@pytest.mark.parametrize(
    ("role", "level", "sentence"),
    [
        ("viewer", "fail", "viewer is viewer, so it may not start pilots"),
        ("administrator", "warn", "administrator is administrator: a launcher needs less"),
    ],
)
def test_a_token_that_may_too_little_or_too_much_is_said(
    lab: Service, tmp_path: Path, role: str, level: str, sentence: str
) -> None:
    said = looked(lab, tmp_path, lab.tokens[role])["token's roles"]
    assert (said.level, said.sentence[: len(sentence)]) == (level, sentence)


@pytest.mark.parametrize(
    ("resource", "level", "sentence"),
    [
        ("launchers", "warn", f"it may speak for launchers of any name, and this one is {LAUNCHER}"),
        ("launchers/elsewhere", "fail", f"it may change launchers/elsewhere, and this launcher is {LAUNCHER}"),
    ],
)
def test_a_token_of_any_or_another_launcher_is_said(
    lab: Service, tmp_path: Path, resource: str, level: str, sentence: str
) -> None:
    said = looked(lab, tmp_path, lab.bound[resource])["token's launcher"]
    assert (said.level, said.sentence) == (level, sentence)


def test_a_token_that_is_none_fails(lab: Service, tmp_path: Path) -> None:
    assert looked(lab, tmp_path, "nonsense")["REST API"].level == "fail"


def test_a_service_of_another_instance_is_said(lab: Service, tmp_path: Path) -> None:
    said = looked(lab, tmp_path, lab.tokens["launcher"], instance="other")["instance"]
    assert said.sentence == f"the service is of instance {lab.instance}, this configuration of other"


def test_clocks_that_differ_are_said(lab: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "DRIFT_S", -1.0)  # so that any two clocks differ
    (said,) = clock_findings(lab.url, None)
    assert said.level == "warn"
    assert re.fullmatch(r"0\.\d s from the service's", said.sentence)  # how far follows from how long it takes to ask


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here to make a certificate")
def test_a_certificate_that_nobody_vouches_for_is_said_with_where_to_name_its_authority(tmp_path: Path) -> None:
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *files], check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        lab = Service(f"https://localhost:{server.server_port}", "headframe", {}, {})
        said = looked(lab, tmp_path, "token")["REST API"]
    finally:
        server.shutdown()
        server.server_close()
    assert said.level == "fail"
    assert "certificate" in said.sentence.lower()
    assert "launcher.cafile" in said.todo


def test_a_node_that_reaches_the_broker_is_good_all_through(
    slurm: Slurm, rabbit: RabbitServer, rabbit_instance: str, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(rabbit.password)
    sign_in = f'user = "{rabbit.user}"\npassword_file = "password"\ncafile = "{rabbit.cafile}"'
    url = rabbit.tls_url if rabbit.tls else rabbit.url
    config = pilot_config(tmp_path, 'partition = "main"', broker=url, sign_in=sign_in, instance=rabbit_instance)
    assert headframe(config, "broker", "declare").code == 0
    ended = headframe(config, "slurm", "doctor", "--inside", "-o", "json", "--wait", "300")
    rows = [json.loads(line) for line in ended.out.splitlines()]
    inside = {row["what"].partition(": ")[2]: row for row in rows if " on n" in row["what"]}
    assert inside["broker"]["level"] == "ok", inside
    assert inside["topology"]["level"] == "ok", inside
    assert not [row for row in inside.values() if row["level"] == "fail"], inside
    assert list((tmp_path / "logs").iterdir()) == []
    assert list((tmp_path / "work").iterdir()) == []
    assert slurm.jobs()
