"""Mail by STARTTLS with a password, web hooks by https: to whom a trusted certificate shows, and to nobody else."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

from headframe.daemon.alerting import UndeliveredError
from headframe.daemon.alerting.hook import Hook
from headframe.daemon.alerting.mail import Mail
from headframe.daemon.config.alerting import HookConfig, MailConfig
from headframe.statemachine.views.alerts import receivers as how

from .alert_receivers import HookReceiver, MailReceiver, mail_receiver
from .small_machine import SmallMachine
from .test_alerts import down, look
from .test_notifier import told

BODY = {"alerts": [], "commonLabels": {"headframe": "mine"}, "externalURL": ""}
USER, PASSWORD = "headframe", "pa55-and-more"


class Trust(NamedTuple):
    """An authority, the file that names it, and a file that names another."""

    authority: trustme.CA
    cafile: Path
    other: Path


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    folder = tmp_path_factory.mktemp("trust")
    made = Trust(trustme.CA(), folder / "ours.pem", folder / "theirs.pem")
    made.authority.cert_pem.write_to_path(str(made.cafile))
    trustme.CA().cert_pem.write_to_path(str(made.other))
    return made


def certificate(trust: Trust, name: str = "127.0.0.1") -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.authority.issue_cert(name).configure_cert(made)
    return made


@pytest.fixture
def box(trust: Trust) -> Iterator[MailReceiver]:
    """A mail server that takes mail only over TLS, and only of who has signed in."""
    with mail_receiver(USER, PASSWORD, certificate(trust)) as made:
        yield made


def mail(to: MailReceiver, folder: Path, cafile: Path | None, **more: Any) -> Mail:
    (folder / "password").write_text(f"{more.pop('password', PASSWORD)}\n")
    said = {
        "host": "127.0.0.1", "port": to.port, "tls": "starttls", "user": USER, "password_file": folder / "password",
        "cafile": cafile, "sender": "headframe@mine.example.org", "to": ("ops@example.org",),
    }  # fmt: skip
    return Mail(MailConfig(**{**said, **more}), "mine")


def refused(receiver: Mail | Hook) -> str:
    with pytest.raises(UndeliveredError) as found:
        receiver.send(1, BODY)
    assert type(found.value) is UndeliveredError, "it is tried again: people mend this"
    assert PASSWORD not in str(found.value)
    return str(found.value)


def test_mail_goes_by_starttls_after_signing_in(
    machine: SmallMachine, box: MailReceiver, trust: Trust, tmp_path: Path
) -> None:
    look(machine, down())
    told(machine, mail(box, tmp_path, trust.cafile))
    assert [each["Subject"] for each in box.mail] == ["[mine] 1 need somebody: site-down work"]
    assert box.asked == [True]


def test_mail_goes_by_tls_from_the_first_byte(trust: Trust, tmp_path: Path) -> None:
    with mail_receiver(USER, PASSWORD, certificate(trust), whole=True) as box:
        mail(box, tmp_path, trust.cafile, tls="tls").send(1, BODY)
        assert len(box.mail) == len(box.asked) == 1
        said = refused(mail(box, tmp_path, trust.other, tls="tls"))
        assert "its certificate is not trusted" in said and len(box.asked) == 1


def test_a_certificate_that_nobody_trusts_gets_neither_password_nor_mail_until_it_is_mended(
    machine: SmallMachine, box: MailReceiver, trust: Trust, tmp_path: Path
) -> None:
    look(machine, down())
    told(machine, mail(box, tmp_path, trust.other))
    with machine.engine.connect() as conn:
        (shown,) = how(conn)
    assert (shown.waiting, shown.tries) == (1, 1)
    where = f"127.0.0.1:{box.port}: its certificate is not trusted: "
    assert shown.error.startswith(where) and shown.error.endswith("; alerts.mail.cafile names the authority to trust")
    assert (box.asked, box.mail) == ([], [])
    told(machine, mail(box, tmp_path, trust.cafile))
    assert len(box.mail) == 1
    with machine.engine.connect() as conn:
        assert how(conn)[0].waiting == 0


def test_a_certificate_of_another_host_is_not_trusted(trust: Trust, tmp_path: Path) -> None:
    with mail_receiver(USER, PASSWORD, certificate(trust, "mail.example.org")) as box:
        said = refused(mail(box, tmp_path, trust.cafile))
        assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in said
        assert box.asked == []


def test_a_server_that_knows_no_tls_gets_nothing(tmp_path: Path, trust: Trust) -> None:
    with mail_receiver(USER, PASSWORD) as box:
        assert "STARTTLS" in refused(mail(box, tmp_path, trust.cafile))
        assert (box.asked, box.mail) == ([], [])


def test_a_wrong_password_and_a_file_that_is_not_there_are_named(
    box: MailReceiver, trust: Trust, tmp_path: Path
) -> None:
    assert "answered 535: " in refused(mail(box, tmp_path, trust.cafile, password="wrong-one"))
    nowhere = tmp_path / "none.pem"
    said = f"alerts.mail.cafile: {nowhere} cannot be read: No such file or directory"
    assert refused(mail(box, tmp_path, nowhere)) == said
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate\n")
    assert refused(mail(box, tmp_path, empty)) == f"alerts.mail.cafile: {empty} has no certificate"


def test_a_web_hook_is_told_over_tls_that_is_trusted_and_no_other(trust: Trust) -> None:
    receiver = HookReceiver(certificate(trust))
    try:
        for cafile, said in ((trust.other, "its certificate is not trusted: "), (Path("none.pem"), "cannot be read")):
            wrong = refused(Hook("ops", HookConfig(url=receiver.url, cafile=cafile), "mine"))
            assert said in wrong and "alerts.hook.ops.cafile" in wrong and "s3cret" not in wrong
        assert receiver.got == []
        Hook("ops", HookConfig(url=receiver.url, cafile=trust.cafile), "mine").send(1, BODY)
        assert len(receiver.got) == 1
    finally:
        receiver.stop()
