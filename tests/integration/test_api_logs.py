"""The log of an attempt over REST: whole, in parts, its end; and never a file that is not below its site's root."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from headframe.statemachine.database import connect

from .signed import client_of, signed_app
from .small_machine import SmallMachine

TEXT = "".join(f"line {n}\n" for n in range(1, 1001))


@pytest.fixture
def client(machine: SmallMachine, database_url: str) -> Iterator[FlaskClient]:
    machine.sql("insert into site (name, path) values ('work', :root)", root=str(machine.root / "work"))
    machine.arrive(1, 1)
    machine.do(1, 1)
    engine = connect(database_url, "headframe", pool=8)
    yield client_of(signed_app(engine), "anna")
    engine.dispose()


@pytest.fixture
def attempt(machine: SmallMachine, client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/attempts?run=1").get_json()["rows"][0]
    (machine.root / "work" / found["log"]).write_text(TEXT)
    return found


def address(attempt: dict[str, Any], asked: str = "") -> str:
    return f"/api/v1/attempts/{attempt['item']}/{attempt['epoch']}/log{asked}"


def test_a_log_is_given_whole_in_parts_and_by_its_end(client: FlaskClient, attempt: dict[str, Any]) -> None:
    whole = client.get(address(attempt))
    assert (whole.status_code, whole.mimetype, whole.text) == (200, "text/plain", TEXT)
    part = client.get(address(attempt), headers={"Range": "bytes=5-8"})
    assert (part.status_code, part.text) == (206, TEXT[5:9])
    assert client.get(address(attempt, "?tail=2")).text == "line 999\nline 1000\n"
    assert client.get(address(attempt, "?tail=5000")).text == TEXT
    assert client.get(address(attempt, "?tail=0")).text == ""
    assert client.head(address(attempt)).headers["Content-Length"] == str(len(TEXT))


def test_a_log_that_is_not_here_says_where_it_lies(
    machine: SmallMachine, client: FlaskClient, attempt: dict[str, Any]
) -> None:
    (machine.root / "work" / attempt["log"]).unlink()
    answer = client.get(address(attempt))
    assert answer.status_code == 404
    assert answer.get_json()["detail"].startswith(f"the log is {attempt['log']} at site work, and cannot be read here")
    machine.sql("update attempt set log_site = '', host = 'node-7'")
    assert "on node-7" in client.get(address(attempt)).get_json()["detail"]


@pytest.mark.parametrize(
    "path", ["../secret", "logs/../../secret", "/etc/passwd", "link", "linked/secret", "logs", ".."]
)
def test_nothing_outside_the_root_is_ever_read(
    machine: SmallMachine, client: FlaskClient, attempt: dict[str, Any], tmp_path: Path, path: str
) -> None:
    (machine.root / "secret").write_text("secret")
    (machine.root / "work" / "link").symlink_to(machine.root / "secret")
    (machine.root / "work" / "linked").symlink_to(machine.root)
    machine.sql("update attempt set log = :path", path=path)
    answer = client.get(address(attempt))
    assert (answer.status_code, "secret" in answer.text.replace(path, "")) == (404, False)


def test_a_folder_that_becomes_a_link_while_the_log_is_opened_leads_nowhere(
    machine: SmallMachine, client: FlaskClient, attempt: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = machine.root / "elsewhere"
    folder = (machine.root / "work" / attempt["log"]).parent
    elsewhere.mkdir()
    (elsewhere / Path(attempt["log"]).name).write_text("secret")
    real = os.open

    def swapped(path: str, flags: int, *more: Any, **others: Any) -> int:
        if str(path).endswith(".log") and not folder.is_symlink():
            folder.rename(folder.with_name("before"))
            folder.symlink_to(elsewhere)
        return real(path, flags, *more, **others)

    monkeypatch.setattr("headframe.web.logfile.os.open", swapped)
    answer = client.get(address(attempt))
    assert (answer.status_code, "secret" in answer.text) == (404, False)
