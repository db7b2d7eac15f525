"""`headframe dead`: what it lists and shows, what it asks for, how it ends."""

import pytest
from sqlalchemy import text

from headframe.statemachine.records import Trouble
from headframe.statemachine.store.dead import bury
from headframe.statemachine.store.letters import LARGEST, Letter, asked, keep, replayed
from headframe.statemachine.views import dead_letter_body

from ....integration.small_machine import SmallMachine
from .conftest import Headframe, process

BODY = b'{"message":"report","lane":"live"}'


@pytest.fixture
def letters(machine: SmallMachine) -> SmallMachine:
    """Give a machine with four dead letters: a message twice, a large one, a stray one, a file."""
    one = Letter(queue="hf.reports.live", code="message-unreadable", sentence="no \x1b[31m version", body=BODY)
    large = Letter(queue="hf.arrivals", code="message-unreadable", sentence="large", body=b"x" * (LARGEST + 1))
    stray = Letter(queue="", code="stray", sentence="came by itself", body=b"\x00\xff", headers={"trace": "a"})
    with machine.engine.begin() as connection:
        keep(connection, [one, large, stray, one])
        bury(connection, [Trouble(code="empty-file", sentence="is empty", subject="inbox/x", run=7, mtime_ns=5)])
    return machine


def number(headframe: Headframe, *filters: str) -> str:
    (found,) = headframe("dead", "list", "-o", "name", *filters).lines
    return found


def test_the_list_shows_code_queue_times_and_what_happened(letters: SmallMachine, headframe: Headframe) -> None:
    said = headframe("dead", "list", "--code", "message-unreadable", "--queue", "hf.reports.live")
    assert said.lines[0].split() == ["ID", "CODE", "QUEUE", "SUBJECT", "TIMES", "LAST", "STANDING", "WHAT", "HAPPENED"]
    assert "hf.reports.live" in said.lines[1]
    assert r"no \x1b[31m version" in said.lines[1]
    assert [row["count"] for row in headframe("dead", "list", "-o", "json", "--queue", "hf.reports.live").json] == [2]
    assert len(headframe("dead", "list", "-o", "name").lines) == 4
    assert len(headframe("dead", "list", "-o", "name", "--run", "7").lines) == 1
    assert headframe("dead", "list", "--code", "none").err == "no dead letters match\n"


def test_one_is_shown_with_its_message_and_gives_its_body_byte_by_byte(
    letters: SmallMachine, headframe: Headframe, config_file: object
) -> None:
    said = headframe("dead", "show", number(headframe, "--queue", "hf.reports.live"))
    assert said.code == 0
    assert '"lane": "live"' in said.out
    assert "headframe dead replay" in said.out
    stray = number(headframe, "--code", "stray")
    assert "it cannot be replayed" in headframe("dead", "show", stray).out
    assert headframe("dead", "show", stray, "-o", "json").json["headers"] == {"trace": "a"}
    with letters.engine.connect() as connection:
        assert dead_letter_body(connection, int(stray)) == b"\x00\xff"
    assert process(config_file, "dead", "show", stray, "--body", shell="od -An -tx1").stdout.split() == ["00", "ff"]  # type: ignore[arg-type]


def test_a_replay_is_asked_for_by_name_with_the_reason_and_only_what_can_be_is(
    letters: SmallMachine, headframe: Headframe
) -> None:
    some = ("dead", "replay", "--all-of", "message-unreadable", "--reason", "mended")
    dry = headframe(*some, "--dry-run")
    assert (dry.code, dry.out) == (3, "would replay 1 dead letter; nothing was changed\n")
    did = headframe(*some, "--yes")
    assert did.code == 3
    assert did.lines[0] == "asked the conductors to replay 1 dead letter"
    assert "1 dead letter cannot be replayed" in did.err
    with letters.engine.begin() as connection:
        (wanted,) = asked(connection, 10)
        assert (wanted.queue, wanted.body) == ("hf.reports.live", BODY)
    (row,) = headframe("dead", "list", "-o", "json", "--queue", "hf.reports.live").json
    assert (row["asked_by"], row["asked_reason"]) == ("anna", "mended")
    with letters.engine.begin() as connection:
        replayed(connection, [wanted.id])
    assert headframe("dead", "list", "--queue", "hf.reports.live").out == ""
    (row,) = headframe("dead", "list", "-o", "json", "--queue", "hf.reports.live", "--all").json
    assert (row["replayed_by"], row["cleared_reason"]) == ("anna", "replayed: mended")


def test_a_replayed_file_is_looked_at_again_until_it_is_as_bad_as_before(
    letters: SmallMachine, headframe: Headframe
) -> None:
    one = number(headframe, "--code", "empty-file")
    assert headframe("dead", "replay", one, "--reason", "filled", "--yes").code == 0
    known = text("select count(*) from dead_letter where id = :id and (replayed_at is null or replayed_at < last_at)")
    with letters.engine.begin() as connection:
        (wanted,) = asked(connection, 10)
        assert wanted.queue == ""
        replayed(connection, [wanted.id])
        assert connection.execute(known, {"id": wanted.id}).scalar_one() == 0
        bury(connection, [Trouble(code="empty-file", sentence="is empty", subject="inbox/x", run=7, mtime_ns=5)])
        assert connection.execute(known, {"id": wanted.id}).scalar_one() == 1


def test_what_cannot_be_replayed_ends_1_and_what_is_not_there_ends_4(
    letters: SmallMachine, headframe: Headframe
) -> None:
    stray = number(headframe, "--code", "stray")
    refused = headframe("dead", "replay", stray, "--reason", "x", "--yes")
    assert refused.code == 1
    assert "cannot be replayed" in refused.err
    assert headframe("dead", "replay", "999999", "--reason", "x", "--yes").code == 4
    assert headframe("dead", "show", "999999").code == 4
    assert headframe("dead", "replay", "--reason", "x", "--yes").code == 2
    assert headframe("dead", "replay", stray, "--yes").code == 2
    assert headframe("dead", "replay", "--all-of", "none", "--reason", "x", "--yes").code == 0


def test_what_is_forgotten_leaves_the_list_and_is_still_there(letters: SmallMachine, headframe: Headframe) -> None:
    stray = number(headframe, "--code", "stray")
    assert headframe("dead", "forget", stray, "--reason", "ours", "--dry-run").lines == [
        "would forget 1 dead letter; nothing was changed"
    ]
    assert headframe("dead", "forget", stray, "--reason", "ours", "--yes").out == "forgot 1 dead letter\n"
    assert stray not in headframe("dead", "list", "-o", "name").lines
    shown = headframe("dead", "show", stray).out
    assert "anna" in shown
    assert "ours" in shown


def test_the_page_shows_who_asked_what_came_of_it_and_what_can_be_done(
    letters: SmallMachine, headframe: Headframe
) -> None:
    from headframe.web.app import create_app
    from headframe.web.settings import Settings

    client = create_app(letters.engine, Settings(instance="headframe", timezone="UTC")).test_client()
    one = number(headframe, "--queue", "hf.reports.live")
    before = client.get("/dead-letters").text
    assert f"headframe dead replay {one}" in before
    assert "cannot be replayed" in before
    headframe("dead", "replay", one, "--reason", "mended", "--yes")
    assert "asked for by anna: mended" in client.get("/dead-letters").text
    with letters.engine.begin() as connection:
        replayed(connection, [int(one)])
        again = Letter(queue="hf.reports.live", code="message-unreadable", sentence="no version", body=BODY)
        keep(connection, [again])
    after = client.get("/dead-letters").text
    assert "by anna, came back" in after
