"""TLS and sign-in on a real RabbitMQ, with authorities and certificates of the test's own; and no secret anywhere."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from headframe.consumers.broker import BrokerUnavailableError, Names, Tls, connect

from ..conftest import started
from .broker_help import eventually, gather, send
from .cli_help import broker_config, headframe
from .rabbit_server import RabbitServer
from .servers import free_ports

CLIENT = "headframe-worker"


class TlsServer(RabbitServer):
    """A RabbitMQ whose listeners show certificates of an authority, and that lets certificates of it sign in."""

    def _make_certificate(self) -> bool:
        self.authority = trustme.CA(organization_name="the centre")
        mine = self.authority.issue_cert("localhost", "127.0.0.1")
        mine.private_key_pem.write_to_path(str(self._key))
        mine.cert_chain_pems[0].write_to_path(str(self._certificate))
        self.authority.cert_pem.write_to_path(str(self.cafile))
        return True

    def _write_configuration(self) -> None:
        super()._write_configuration()
        (self.secure_api_port,) = free_ports(1)
        file = self.folder / "rabbitmq.conf"
        said = file.read_text().replace("verify = verify_none", "verify = verify_peer")
        more = {
            "ssl_cert_login_from": "common_name",
            "auth_mechanisms.1": "PLAIN",
            "auth_mechanisms.2": "EXTERNAL",
            "management.ssl.ip": "127.0.0.1",
            "management.ssl.port": self.secure_api_port,
            "management.ssl.cacertfile": self.cafile,
            "management.ssl.certfile": self._certificate,
            "management.ssl.keyfile": self._key,
        }
        file.write_text(said + "".join(f"{key} = {value}\n" for key, value in more.items()))
        (self.folder / "plugins").write_text("[rabbitmq_management,rabbitmq_auth_mechanism_ssl].\n")

    def certificate_for(self, name: str, authority: trustme.CA | None = None) -> tuple[str, str]:
        """Give the files of a client's certificate and its key."""
        made = (authority or self.authority).issue_cert(f"{name}.example.org", common_name=name)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        made.cert_chain_pems[0].write_to_path(str(certificate))
        made.private_key_pem.write_to_path(str(key))
        return str(certificate), str(key)


@pytest.fixture(scope="module")
def server() -> Iterator[TlsServer]:
    made = started(TlsServer)
    assert isinstance(made, TlsServer)
    made.api("PUT", f"/users/{CLIENT}", {"password_hash": "", "tags": ""})
    made.api("PUT", f"/permissions/%2F/{CLIENT}", {"configure": ".*", "write": ".*", "read": ".*"})
    yield made
    made.remove()


def secure(server: TlsServer, **more: object) -> dict[str, object]:
    return {"url": server.tls_url, "cafile": str(server.cafile), **more}


def test_a_certificate_signs_in_where_no_user_is_named(server: TlsServer) -> None:
    certificate, key = server.certificate_for(CLIENT)
    tls = Tls(cafile=str(server.cafile), certfile=certificate, keyfile=key)
    broker = connect(server.tls_url, tls=tls, name="external")
    names = Names("external")
    broker.declare(names.topology([]))
    send(broker, names.arrivals, "1")
    assert len(gather(broker.subscribe([names.arrivals], 1), 1)) == 1
    signed_in = server.control("list_connections", "user", "auth_mechanism").split()
    broker.close()
    assert signed_in[:2] == [CLIENT, "EXTERNAL"] or signed_in[-2:] == [CLIENT, "EXTERNAL"]


def test_the_authority_of_another_centre_vouches_for_nobody_here(server: TlsServer, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    config = broker_config(tmp_path, "b", **secure(server, user=server.user, password=server.password))
    assert headframe(config, "broker", "declare").code == 0
    text = config.read_text()
    config.write_text(text.replace(str(server.cafile), str(stranger)))
    said = headframe(config, "broker", "declare")
    assert said.code == 6
    assert "certificate verify failed" in said.err
    assert f"localhost:{server.tls_port}" in said.err
    line = next(line for line in headframe(config, "doctor").out.splitlines() if "broker" in line)
    assert line.startswith("FAIL  broker:")
    assert "certificate verify failed" in line


def test_a_certificate_for_another_name_is_refused(server: TlsServer) -> None:
    server.authority.issue_cert("elsewhere.example")
    url = f"amqps://127.0.0.2:{server.tls_port}/"  # the certificate says localhost and 127.0.0.1
    broker = connect(url, user=server.user, password=server.password, tls=Tls(cafile=str(server.cafile)), timeout_s=2)
    with pytest.raises(BrokerUnavailableError):
        broker.depth("x")
    broker.close()


def test_a_client_certificate_of_another_authority_does_not_sign_in(server: TlsServer) -> None:
    certificate, key = server.certificate_for(CLIENT, trustme.CA())
    tls = Tls(cafile=str(server.cafile), certfile=certificate, keyfile=key)
    broker = connect(server.tls_url, tls=tls, timeout_s=3)
    with pytest.raises(BrokerUnavailableError):
        broker.depth("x")
    broker.close()


def test_doctor_and_declare_go_over_tls_to_the_management_too(server: TlsServer, tmp_path: Path) -> None:
    management = f"https://localhost:{server.secure_api_port}"
    more = {"user": server.user, "password": server.password, "management": management}
    config = broker_config(tmp_path, "c", **secure(server, **more))
    declared = headframe(config, "broker", "declare")
    assert (declared.code, declared.err) == (0, "")
    said = headframe(config, "doctor").out
    assert "ok    policies: in force" in said
    assert "ok    broker TLS: TLSv1." in said
    assert "organizationName=the centre" in said
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    plain = {**more, "url": server.url, "cafile": str(stranger)}
    refused = headframe(broker_config(tmp_path, "d", **plain), "broker", "declare")
    assert refused.code == 6
    assert "certificate verify failed" in refused.err


def test_no_secret_is_in_a_log_an_error_a_process_list_or_an_environment(server: TlsServer, tmp_path: Path) -> None:
    config = broker_config(tmp_path, "e", **secure(server, user=server.user, password=server.password))
    with config.open("a") as file:
        file.write('[log]\nlevel = "debug"\n[site.work]\npath = "work"\n[worker]\nwork_site = "work"\n')
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "headframe", "--config", str(config), "worker"]
    with log.open("wb") as output:
        worker = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        assert eventually(lambda: bool(server.queues(r"e\.control")), 60), log.read_text()
        shown = Path(f"/proc/{worker.pid}/cmdline").read_bytes() + Path(f"/proc/{worker.pid}/environ").read_bytes()
        server.close_connections()
        time.sleep(1)
    finally:
        worker.terminate()
        worker.wait(timeout=30)
    said = headframe(config, "broker", "declare", "--print").out + headframe(config, "doctor").out + log.read_text()
    (tmp_path / "e.password").write_text("wr0ng-s3cret")
    wrong = headframe(config, "broker", "declare")
    assert wrong.code == 1
    assert "wrong user name or password" in wrong.err
    assert len(wrong.err.splitlines()) == 1
    for secret in (server.password, "wr0ng-s3cret"):
        assert secret not in said + wrong.err + wrong.out
        assert os.fsencode(secret) not in shown
