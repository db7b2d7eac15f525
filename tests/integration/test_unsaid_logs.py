"""A log is found though its worker died before its first report, which would have said where it lies."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from headframe.statemachine.naming import log_path, work_folder
from headframe.web.app import create_app
from headframe.web.settings import Settings

from .small_machine import SmallMachine


@pytest.fixture
def client(machine: SmallMachine) -> Iterator[FlaskClient]:
    machine.sql("insert into site (name, path) values ('work', :root)", root=str(machine.root / "work"))
    machine.arrive(1, 1)
    machine.sql("""update pipeline set definition = jsonb_set(definition, '{steps,0,site}', '"work"')""")
    yield create_app(machine.engine, Settings(instance="headframe")).test_client()


def write(machine: SmallMachine, epoch: int, owner: str, words: str, at: int = 0) -> Path:
    campaign = machine.sql_value("select name from campaign")
    folder = work_folder(campaign, 1, machine.item(1, 1).id, "salt")
    path = machine.root / "work" / log_path(folder, epoch, owner)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(words)
    os.utime(path, (at, at))
    return path


def address(machine: SmallMachine, epoch: int = 1) -> str:
    return f"/api/v1/attempts/{machine.item(1, 1).id}/{epoch}/log"


def test_what_was_lost_before_its_first_report_has_its_log(machine: SmallMachine, client: FlaskClient) -> None:
    write(machine, 1, "dead", "all went dark\n", 10)
    machine.say(1, 1, "interrupt", reason_code="delivery-limit", reason="nobody answers")
    assert machine.sql_value("select log from attempt") == ""
    answer = client.get(address(machine))
    assert (answer.status_code, answer.text) == (200, "all went dark\n")
    page = client.get(f"/files/{machine.item(1, 1).file_id}").get_data(as_text=True)
    assert address(machine) in page


def test_of_several_workers_in_one_epoch_the_log_that_was_written_last_is_given(
    machine: SmallMachine, client: FlaskClient
) -> None:
    write(machine, 1, "first", "first\n", 10)
    write(machine, 1, "second", "second\n", 30)
    write(machine, 11, "other", "another epoch\n", 50)
    machine.submit(1, 1)
    assert client.get(address(machine)).text == "second\n"
    assert client.get(address(machine, 2)).status_code == 404


def test_where_there_is_none_that_is_said(machine: SmallMachine, client: FlaskClient) -> None:
    machine.say(1, 1, "interrupt", reason_code="delivery-limit", reason="nobody answers")
    answer = client.get(address(machine))
    assert (answer.status_code, "has kept no log" in answer.get_json()["detail"]) == (404, True)


def test_a_link_that_somebody_put_there_under_such_a_name_leads_nowhere(
    machine: SmallMachine, client: FlaskClient
) -> None:
    (machine.root / "secret").write_text("secret")
    path = write(machine, 1, "dead", "")
    path.unlink()
    path.symlink_to(machine.root / "secret")
    machine.say(1, 1, "interrupt", reason_code="delivery-limit", reason="nobody answers")
    answer = client.get(address(machine))
    assert (answer.status_code, "secret" in answer.text.replace("secret.h5", "")) == (404, False)
