"""Alerts on the command line: listed, acknowledged until a time, told as a test."""

from pathlib import Path

import pytest

from ....integration import test_alerts as alerting
from ....integration.alert_receivers import hook_receiver, mail_receiver
from ....integration.small_machine import SmallMachine
from .conftest import Headframe

DOCS = Path(__file__).parents[4] / "docs"
WHY = ("--reason", "the cable is being mended", "--yes")


@pytest.fixture
def down(machine: SmallMachine) -> SmallMachine:
    """Site work is down, and the alert of it open."""
    alerting.look(machine, alerting.down())
    return machine


def test_open_alerts_are_listed_and_acknowledged_until_a_time(down: SmallMachine, headframe: Headframe) -> None:
    found = headframe("alerts", "list")
    assert found.code == 1
    assert "site-down" in found.out
    assert "site work is down" in found.out
    assert (
        "would have: site-down work ack"
        in headframe("alerts", "ack", "site-down", "work", "--for", "8h", "--dry-run").out
    )
    said = headframe("alerts", "ack", "site-down", "work", "--for", "8h", *WHY)
    assert (said.code, said.out[:32]) == (0, "site-down work acknowledged unti")
    found = headframe("alerts", "list")
    assert found.code == 0
    assert "anna" in found.out
    shown = headframe("alerts", "show", "site-down", "work")
    assert "the cable is being mended" in shown.out
    assert "next: headframe doctor" in shown.out
    assert f'remedy: {DOCS / "alerts.md"}, under "site-down"' in shown.out
    assert headframe("alerts", "unack", "site-down", "work", *WHY).out.startswith("site-down work is told again")
    assert headframe("alerts", "list").code == 1


def test_what_is_not_open_cannot_be_acknowledged(down: SmallMachine, headframe: Headframe) -> None:
    assert "there is no open alert site-down x" in headframe("alerts", "ack", "site-down", "x", "--for", "1h", *WHY).err
    assert headframe("alerts", "ack", "site-down", "work", *WHY).code == 2
    assert headframe("alerts", "ack", "site-down", "work", "--for", "1h", "--yes").code == 2
    assert headframe("alerts", "show", "site-down", "x").code == 4


def test_the_remedy_is_a_link_where_the_handbook_has_an_address(
    down: SmallMachine, headframe: Headframe, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headframe.daemon.cli.handbook.BESIDE", Path("/none/alerts.md"))
    shown = headframe("alerts", "show", "site-down", "work")
    assert 'remedy: the handbook\'s page Alerts, under "site-down"' in shown.out
    with config_file.open("a") as more:
        more.write('[alerts]\nhandbook = "https://example.org/handbook/alerts/"\n')
    shown = headframe("alerts", "show", "site-down", "work")
    assert "remedy: https://example.org/handbook/alerts/#site-down" in shown.out


def test_what_is_acknowledged_and_not_open_is_listed_and_taken_back(down: SmallMachine, headframe: Headframe) -> None:
    headframe("alerts", "ack", "site-down", "work", "--for", "8h", *WHY)
    assert "not open" not in headframe("alerts", "list").out
    headframe("alerts", "ack", "database-away", "--for", "2h", "--reason", "a new disk", "--yes")
    found = headframe("alerts", "list")
    (line,) = [line for line in found.lines if "not open" in line]
    assert line.split()[:3] == ["database-away", "-", "anna"] and line.rstrip().endswith("not open  a new disk")
    listed = headframe("alerts", "acks", "-o", "json").json
    assert [(each["code"], each["name"], each["open"]) for each in listed] == [
        ("database-away", "", False),
        ("site-down", "work", True),
    ]
    alerting.look(down, alerting.CALM)
    assert [each["open"] for each in headframe("alerts", "acks", "-o", "json").json] == [False, False]
    for of in (("database-away",), ("site-down", "work")):
        assert headframe("alerts", "unack", *of, *WHY).code == 0
    found = headframe("alerts", "acks")
    assert (found.code, found.out, found.err) == (0, "", "nobody has acknowledged anything that is not over\n")


def test_status_says_who_knows(down: SmallMachine, headframe: Headframe) -> None:
    headframe("alerts", "ack", "site-down", "work", "--for", "8h", *WHY)
    found = headframe("status")
    assert "! site work is down (anna knows, until" in found.out


def test_a_list_without_alerts_says_that_all_is_well(machine: SmallMachine, headframe: Headframe) -> None:
    found = headframe("alerts", "list")
    assert (found.code, found.err) == (0, "no alerts: nothing needs anybody\n")


def test_each_receiver_is_tried_and_what_became_of_it_is_said(
    machine: SmallMachine, headframe: Headframe, config_file: Path
) -> None:
    assert "nobody is told" in headframe("alerts", "test").err
    with hook_receiver() as hook, mail_receiver() as mail:
        config_file.write_text(
            config_file.read_text()
            + f"""
[alerts]
heartbeat_url = "http://127.0.0.1:{hook.port}/beat"
[alerts.mail]
host = "127.0.0.1"
port = {mail.port}
from = "headframe@example.org"
to = ["ops@example.org"]
[alerts.hook.ops]
url = "{hook.url}"
[alerts.hook.gone]
url = "http://127.0.0.1:9/hook?secret=s3cret"
"""
        )
        found = headframe("alerts", "test")
        assert found.code == 1
        assert found.lines == [
            f"mail: taken (ops@example.org by 127.0.0.1:{mail.port})",
            f"hook.ops: taken (http://127.0.0.1:{hook.port})",
            "hook.gone: not taken: http://127.0.0.1:9 does not answer: Connection refused",
            f"heartbeat: taken (http://127.0.0.1:{hook.port})",
        ]
        assert mail.mail[0]["Subject"] == "[headframe] 1 need somebody: test"
        assert hook.got[0]["alerts"][0]["labels"]["code"] == "test"
