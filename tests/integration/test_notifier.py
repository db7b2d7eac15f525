"""Alerts are told: by mail and by web hooks, until they were taken, in their order, once if all goes well."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from headframe.daemon.alerting import Notifier, Notifying, RefusedNoticeError, UndeliveredError
from headframe.daemon.alerting.hook import Hook
from headframe.daemon.alerting.mail import Mail
from headframe.daemon.alerting.receivers import Receiver
from headframe.daemon.config.alerting import BOTH, HookConfig, MailConfig, Severities
from headframe.daemon.sweeper.alerting import Looking
from headframe.statemachine.store import alerts as kept
from headframe.statemachine.store import notices
from headframe.statemachine.views.alerts import receivers as how
from headframe.statemachine.views.conditions import CONDITIONS

from .alert_receivers import HookReceiver, MailReceiver, hook_receiver, mail_receiver
from .small_machine import SmallMachine
from .test_alerts import CALM, down, listed, look

SETTINGS = Notifying(
    instance="mine",
    url="https://mine.example.org",
    handbook="https://example.org/alerts/",
    look_s=0.05,
    again_s=0,
)


@pytest.fixture
def web_hook() -> Iterator[HookReceiver]:
    with hook_receiver() as made:
        yield made


@pytest.fixture
def mailbox() -> Iterator[MailReceiver]:
    with mail_receiver() as made:
        yield made


def hook(of: HookReceiver, **more: Any) -> Hook:
    return Hook("ops", HookConfig(url=of.url, **more), "mine")


def mail(of: MailReceiver, **more: Any) -> Mail:
    said = {"host": "127.0.0.1", "port": of.port, "sender": "headframe@mine.example.org", "to": ("ops@example.org",)}
    return Mail(MailConfig(**{**said, **more}), "mine")


def notifier(machine: SmallMachine, *receivers: Receiver, settings: Notifying = SETTINGS) -> Notifier:
    return Notifier(machine.engine, receivers, settings)


def told(machine: SmallMachine, *receivers: Receiver) -> None:
    """Tell all that is to be told, and that can be now."""
    one = notifier(machine, *receivers)
    one.gather()
    for receiver in receivers:
        while one.tell(receiver):
            pass


def test_a_web_hook_hears_of_an_alert_and_of_its_end_in_the_words_of_alertmanager(
    machine: SmallMachine, web_hook: HookReceiver, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    receiver = hook(web_hook, token_file=tmp_path / "token")
    look(machine, down())
    told(machine, receiver)
    told(machine, receiver)
    (first,) = web_hook.got
    assert (first["version"], first["status"], first["receiver"]) == ("4", "firing", "hook.ops")
    (alert,) = first["alerts"]
    assert alert["labels"] == {
        "alertname": "site-down", "code": "site-down", "name": "work", "severity": "page", "headframe": "mine",
    }  # fmt: skip
    assert alert["annotations"]["command"] == "headframe doctor"
    assert alert["annotations"]["remedy"] == "https://example.org/alerts/#site-down"
    assert (alert["generatorURL"], alert["endsAt"]) == ("https://mine.example.org/sites", "0001-01-01T00:00:00Z")
    look(machine, CALM)
    told(machine, receiver)
    assert [each["status"] for each in web_hook.got] == ["firing", "resolved"]
    assert web_hook.got[1]["alerts"][0]["fingerprint"] == alert["fingerprint"]
    assert web_hook.headers[0]["Authorization"] == "Bearer t0ken"
    assert web_hook.headers[0]["Idempotency-Key"] == f"headframe-mine-{first['id']}"


def test_people_get_a_mail_with_what_to_do(machine: SmallMachine, mailbox: MailReceiver) -> None:
    look(machine, down("work"))
    told(machine, mail(mailbox))
    (got,) = mailbox.mail
    text = str(got.get_payload())
    assert got["Subject"] == "[mine] 1 need somebody: site-down work"
    assert got["To"] == "ops@example.org"
    for words in (
        "site work is down",
        "run: headframe doctor",
        "https://example.org/alerts/#site-down",
        "headframe alerts ack",
    ):
        assert words in text.replace("=\n", "")


def test_several_alerts_are_told_together(machine: SmallMachine, mailbox: MailReceiver, web_hook: HookReceiver) -> None:
    look(machine, *(each for each in CONDITIONS if each.codes == ("no-conductor",)), down())
    told(machine, mail(mailbox), hook(web_hook))
    assert [each["Subject"] for each in mailbox.mail] == ["[mine] 2 need somebody: no-conductor, site-down work"]
    assert [len(each["alerts"]) for each in web_hook.got] == [2]


def test_a_mail_server_that_wants_to_know_who_sends_is_told(machine: SmallMachine, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("pa55\n")
    with mail_receiver("headframe", "pa55") as box:
        look(machine, down())
        wrong = mail(box, user="headframe", password_file=tmp_path / "none")
        with pytest.raises(UndeliveredError, match="password_file"):
            wrong.send(1, {"alerts": [], "commonLabels": {"headframe": "mine"}, "externalURL": ""})
        told(machine, mail(box, user="headframe", password_file=tmp_path / "password"))
        assert len(box.mail) == 1


def test_a_receiver_that_is_away_gets_all_in_order_once_it_is_back(
    machine: SmallMachine, web_hook: HookReceiver, mailbox: MailReceiver
) -> None:
    receivers = hook(web_hook), mail(mailbox)
    web_hook.stop()
    look(machine, down())
    told(machine, *receivers)
    look(machine, CALM)
    told(machine, *receivers)
    assert len(mailbox.mail) == 2
    with machine.engine.connect() as conn:
        away = how(conn)[0]
    assert (away.receiver, away.waiting) == ("hook.ops", 2)
    assert "secret" not in away.error
    web_hook.start()
    told(machine, *receivers)
    told(machine, *receivers)
    assert [each["status"] for each in web_hook.got] == ["firing", "resolved"]
    assert len(mailbox.mail) == 2


def test_who_dies_between_sending_and_marking_has_it_sent_again_under_the_same_number(
    machine: SmallMachine, web_hook: HookReceiver
) -> None:
    receiver = hook(web_hook)
    look(machine, down())

    class Killed(BaseException):
        """As a kill: nothing is caught, nothing is written down."""

    def send_and_die(number: int, body: dict[str, Any]) -> None:
        Hook.send(receiver, number, body)
        raise Killed

    receiver.send = send_and_die  # type: ignore[method-assign]
    one = notifier(machine, receiver)
    one.gather()
    with pytest.raises(Killed):
        one.tell(receiver)
    told(machine, hook(web_hook))
    assert len(web_hook.got) == 1  # it may still be under way
    machine.sql("update alert_notice set due_at = clock_timestamp()")
    told(machine, hook(web_hook))
    told(machine, hook(web_hook))
    assert len(web_hook.got) == 2
    assert web_hook.got[0] == web_hook.got[1]


def test_many_sweepers_tell_each_alert_once(machine: SmallMachine, web_hook: HookReceiver) -> None:
    stop = threading.Event()
    for _ in range(3):
        notifier(machine, hook(web_hook)).start(stop)
    for site in ("a", "b", "c", "d"):
        look(machine, down(site), how=Looking(every_s=0, calm_s=300, patience=0))
        web_hook.wait(len({each["id"] for each in web_hook.got}) + 1)
    stop.set()
    names = [
        alert["labels"]["name"] for each in web_hook.got for alert in each["alerts"] if alert["status"] == "firing"
    ]
    assert sorted(names) == ["a", "b", "c", "d"]
    assert len({each["id"] for each in web_hook.got}) == len(web_hook.got)


def test_a_receiver_that_hangs_keeps_neither_the_others_nor_the_end_of_the_process(
    machine: SmallMachine, web_hook: HookReceiver, mailbox: MailReceiver
) -> None:
    web_hook.hang = True
    stop = threading.Event()
    notifier(machine, hook(web_hook), mail(mailbox)).start(stop)
    look(machine, down())
    web_hook.wait(1)
    until(lambda: len(mailbox.mail) == 1)
    stop.set()
    assert all(thread.daemon for thread in threading.enumerate() if thread.name in ("hook.ops", "mail", "alerts"))


def until(so: Callable[[], bool], timeout_s: float = 30) -> None:
    end = time.monotonic() + timeout_s
    while not so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_somebody_knows_of_is_not_told_until_that_is_over(machine: SmallMachine, web_hook: HookReceiver) -> None:
    receiver = hook(web_hook)
    look(machine, down())
    with machine.engine.begin() as conn:
        kept.acknowledge(conn, "site-down", "work", "ada", "I know", 3600)
    told(machine, receiver)
    assert web_hook.got == []
    machine.sql("update alert_ack set until = clock_timestamp()")
    told(machine, receiver)
    told(machine, receiver)
    assert len(web_hook.got) == 1


def test_what_was_told_is_told_again_when_an_acknowledgement_ends(
    machine: SmallMachine, web_hook: HookReceiver
) -> None:
    receiver = hook(web_hook)
    look(machine, down())
    told(machine, receiver)
    with machine.engine.begin() as conn:
        kept.acknowledge(conn, "site-down", "work", "ada", "I know", 3600)
    told(machine, receiver)
    assert len(web_hook.got) == 1
    machine.sql("update alert_ack set until = clock_timestamp()")
    told(machine, receiver)
    told(machine, receiver)
    assert len(web_hook.got) == 2


def test_what_lasts_is_told_again_after_a_day(machine: SmallMachine, web_hook: HookReceiver) -> None:
    look(machine, down())
    told(machine, hook(web_hook))
    machine.sql("update alert set told_at = told_at - interval '25 hours'")
    told(machine, hook(web_hook))
    assert len(web_hook.got) == 2


def test_who_wants_pages_alone_hears_of_no_tickets(machine: SmallMachine, web_hook: HookReceiver) -> None:
    machine.sql(
        "insert into dead_letter (fingerprint, queue, code, sentence) values ('a', 'reports', 'bad', 'no JSON')"
    )
    look(machine, *(each for each in CONDITIONS if each.codes == ("dead-letters",)))
    assert [row.severity for row in listed(machine)] == ["ticket"]
    told(machine, hook(web_hook, severities=("page",)))
    assert web_hook.got == []


def test_what_a_receiver_will_never_take_does_not_keep_the_next_one(
    machine: SmallMachine, web_hook: HookReceiver
) -> None:
    web_hook.status = 400
    look(machine, down())
    told(machine, hook(web_hook))
    web_hook.status = 200
    look(machine, CALM)
    told(machine, hook(web_hook))
    assert [each["status"] for each in web_hook.got] == ["firing", "resolved"]


def test_a_receiver_that_is_tried_in_vain_is_tried_less_and_less(machine: SmallMachine, web_hook: HookReceiver) -> None:
    web_hook.status = 503
    look(machine, down())
    one = notifier(machine, hook(web_hook), settings=Notifying(instance="mine", again_s=100))
    one.gather()
    for expected in (100, 200, 400, 800, 900, 900):
        machine.sql("update alert_notice set due_at = clock_timestamp()")
        assert not one.tell(hook(web_hook))
        left = "select round(extract(epoch from due_at - clock_timestamp()) / 10) * 10 from alert_notice"
        assert int(machine.sql_value(left)) == expected


def test_no_secret_of_a_receiver_is_said_or_logged(
    machine: SmallMachine, web_hook: HookReceiver, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("t0ken")
    receiver = hook(web_hook, token_file=tmp_path / "token")
    look(machine, down())
    with capture_logs() as logs:
        for status in (503, 302, 404):
            web_hook.status = status
            told(machine, receiver)
            machine.sql("update alert_notice set due_at = clock_timestamp()")
        web_hook.stop()
        told(machine, receiver)
    assert len(logs) >= 4
    assert not [each for each in logs if "s3cret" in str(each) or "t0ken" in str(each)]
    assert receiver.described() == f"http://127.0.0.1:{web_hook.port}"


def test_a_receiver_that_is_configured_no_longer_keeps_nothing(machine: SmallMachine, web_hook: HookReceiver) -> None:
    web_hook.status = 503
    look(machine, down())
    told(machine, hook(web_hook))
    with machine.engine.begin() as conn:
        notices.drop_others(conn, ["mail"])
    web_hook.status = 200
    told(machine, hook(web_hook))
    assert len(web_hook.got) == 1


def test_a_heartbeat_is_heard_while_the_database_answers(machine: SmallMachine, web_hook: HookReceiver) -> None:
    stop = threading.Event()
    beating = Notifying(instance="mine", heartbeat_url=f"http://127.0.0.1:{web_hook.port}/beat", heartbeat_s=0.05)
    Notifier(machine.engine, (), beating).start(stop)
    until(lambda: web_hook.asked.count("/beat") >= 3)
    stop.set()


def test_a_heartbeat_is_missed_when_a_loop_of_the_process_stands_still(
    machine: SmallMachine, web_hook: HookReceiver
) -> None:
    stop, hanging = threading.Event(), ["sweeper"]
    beating = Notifying(instance="mine", heartbeat_url=f"http://127.0.0.1:{web_hook.port}/beat", heartbeat_s=0.05)
    with capture_logs() as logs:
        Notifier(machine.engine, (), beating, lambda: hanging).start(stop)
        until(lambda: len(logs) >= 3)
        assert web_hook.asked == []
        hanging.clear()
        until(lambda: "/beat" in web_hook.asked)
    stop.set()
    assert logs[0]["event"] == "no heartbeat, for this process stands still" and logs[0]["loops"] == ["sweeper"]


@pytest.mark.parametrize("status", [503, 404])
def test_a_heartbeat_is_missed_while_no_receiver_takes_what_it_is_told(
    machine: SmallMachine, web_hook: HookReceiver, mailbox: MailReceiver, status: int
) -> None:
    web_hook.status, mailbox.refuses = status, "452 the disk is full"
    look(machine, down())
    both = hook(web_hook), mail(mailbox)
    told(machine, *both)
    with hook_receiver() as missed:
        url = f"http://127.0.0.1:{missed.port}/beat"
        one = notifier(machine, *both, settings=replace(SETTINGS, heartbeat_url=url))
        one.beat_if_well()
        machine.sql("update alert_notice set made_at = made_at - interval '16 minutes'")
        with capture_logs() as logs:
            one.beat_if_well()
        assert missed.asked == ["/beat"]
        assert logs[0]["event"] == "no heartbeat, for no receiver takes alerts"
        assert sorted(logs[0]["receivers"]) == ["hook.ops", "mail"]
        mailbox.refuses = ""
        machine.sql("update alert_notice set due_at = clock_timestamp()")
        told(machine, mail(mailbox))
        one.beat_if_well()
        assert missed.asked == ["/beat", "/beat"]


def test_a_mail_that_nobody_may_get_is_said(mailbox: MailReceiver) -> None:
    body = {"alerts": [], "commonLabels": {"headframe": "mine"}, "externalURL": ""}
    mailbox.refuses = "554 we do not want this"
    with pytest.raises(RefusedNoticeError, match="554: we do not want this"):
        mail(mailbox).send(1, body)
    mailbox.refuses = "452 the disk is full"
    with pytest.raises(UndeliveredError, match="452: the disk is full") as found:
        mail(mailbox).send(1, body)
    assert not isinstance(found.value, RefusedNoticeError)


class Stumbles:
    """A receiver that cannot even say it."""

    name: str = "stumbles"
    severities: Severities = BOTH

    def send(self, number: int, body: dict[str, Any]) -> None:
        raise ValueError(f"notice {number} has a word that cannot be said")

    def described(self) -> str:
        return "nobody"


def test_a_notice_that_cannot_be_said_is_tried_less_and_less_and_given_up(machine: SmallMachine) -> None:
    receiver = Stumbles()
    one = notifier(machine, receiver)
    look(machine, down())
    one.gather()
    assert one.tell(receiver) is False
    with machine.engine.connect() as conn:
        (shown,) = how(conn)
    assert (shown.waiting, shown.tries, shown.error) == (1, 1, "it could not be said: ValueError")
    machine.sql("update alert_notice set made_at = made_at - interval '4 days', due_at = now()")
    assert one.tell(receiver) is False
    with machine.engine.connect() as conn:
        assert how(conn)[0].waiting == 0
