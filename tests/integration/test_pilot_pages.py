"""The pages about pilots: launchers, what work wants, each pilot with its end, who may end one."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from headframe.statemachine.database import connect
from headframe.web.app import create_app
from headframe.web.settings import Settings

from ..statements import statements
from .pilots_filled import fill_pilots, launcher
from .servers import PostgresServer
from .service_filled import fill_service
from .signed import client_of, signed_app
from .web_filled import cloned, fill


class Filled(NamedTuple):
    """A filled database, and its pilots by word."""

    engine: Engine
    pilots: dict[str, int]


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Filled]:
    with cloned(postgres, database_template) as url:
        made = connect(url, instance)
        fill(made, runs=6, files=300)
        fill_service(made)
        yield Filled(made, fill_pilots(made))
        made.dispose()


@pytest.fixture(autouse=True)
def alive(filled: Filled) -> None:
    """Let all but one launcher have been heard of just now, however long the tests before took."""
    with filled.engine.begin() as connection:
        connection.execute(text("update process set seen_at = clock_timestamp() where owner <> 'launcher-old'"))


@pytest.fixture
def viewer(filled: Filled, instance: str) -> FlaskClient:
    return create_app(filled.engine, Settings(instance=instance)).test_client()


@pytest.fixture
def operator(filled: Filled) -> FlaskClient:
    return client_of(signed_app(filled.engine), "ada")


def plain(response: TestResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text.replace("\u202f", "")))


def rows(response: TestResponse) -> list[str]:
    """Give the numbers of the pilots that a list shows."""
    return re.findall(r'<th scope="row" data-label="Pilot"><span><a class="offer" href="/pilots/(\d+)"', response.text)


def test_a_launcher_shows_when_it_was_seen_and_what_slurm_refuses_it(viewer: FlaskClient) -> None:
    shown = plain(viewer.get("/pilots"))
    assert "perlmutter running heard of just now login04 commands perlmutter reco, merge" in shown
    assert "merge : Batch job submission failed: Invalid qos specification; tried again at 05:41:00 UTC" in shown
    assert "old silent heard of 2 h ago" in shown


def test_work_stands_beside_the_pilots_that_are_there_for_it(viewer: FlaskClient) -> None:
    page = viewer.get("/pilots").text
    row = page.split('data-part id="wanted"')[1].split("reconstruct</th>")[1].split("</tr>")[0]
    numbers = dict(re.findall(r'data-label="(Asked for|Pending|Running)">(\d+)<', row))
    assert numbers == {"Asked for": "1", "Pending": "2", "Running": "2"}


def test_nodes_that_are_set_aside_are_named_with_the_reason(viewer: FlaskClient) -> None:
    shown = plain(viewer.get("/pilots"))
    assert "set aside nid004199 by sweeper" in shown
    assert "5 attempts in a row ended there by io-error" in shown


def test_an_operator_lets_a_node_go_on_from_the_page(operator: FlaskClient, filled: Filled) -> None:
    link = re.search(r'href="([^"]+)" aria-label="resume node nid004199"', operator.get("/pilots").text)
    assert link is not None
    assert "Resume node nid004199" in plain(operator.get(link[1].replace("&amp;", "&")))


def test_pilots_say_what_they_wait_for_and_what_their_workers_do(viewer: FlaskClient, filled: Filled) -> None:
    page = viewer.get("/pilots")
    shown = plain(page)
    assert "no node with what it asks for is free (Resources)" in shown
    assert "somebody with its account has held it (JobHeldUser)" in shown
    assert "asked for; whether the batch system has it is being found out" in shown
    assert re.search(r"of 2 busy", shown)
    assert "3 h left" in shown
    assert "to be drained" in shown
    live = [filled.pilots[word] for word in ("intended", "held", "pending", "leaving", "running")]
    assert rows(page) == [str(number) for number in live]


def test_pilots_are_filtered_by_status_name_launcher_and_whether_they_are_over(
    viewer: FlaskClient, filled: Filled
) -> None:
    number = filled.pilots
    over = viewer.get("/pilots?show=over")
    assert rows(over) == [str(number[word]) for word in ("refused", "preempted", "failed")]
    assert "it was preempted: PREEMPTED" in plain(over)
    assert len(rows(viewer.get("/pilots?show=all"))) == 8
    assert rows(viewer.get("/pilots?status=refused")) == [str(number["refused"])]
    assert rows(viewer.get("/pilots?launcher=nobody")) == []
    assert len(rows(viewer.get("/pilots?name=reco"))) == 5
    assert "No pilot fits this filter" in plain(viewer.get("/pilots?name=none"))
    for wrong in ("show=some", "name=a%00b", "after=zzz"):
        assert viewer.get(f"/pilots?{wrong}").status_code == 400


def test_a_pilot_shows_what_was_asked_for_how_it_went_and_what_it_worked_on(
    viewer: FlaskClient, filled: Filled
) -> None:
    page = viewer.get(f"/pilots/{filled.pilots['running']}")
    shown = plain(page)
    for each in ("hf-headframe-5f0c9a1b2d3e4f50", "realtime", "xenon", "--licenses=cfs,scratch", "umask 002"):
        assert each in shown
    assert "after 5 min 0 s in the queue" in shown
    assert "64 GB" in shown
    assert "/global/logs/%j.out" in shown
    assert "<b>shift" not in page.text
    assert "reco-w-3" in shown.split("Its workers")[1].split("Worked on")[0]
    assert "succeeded" in shown.split("Worked on")[1]
    over = plain(viewer.get(f"/pilots/{filled.pilots['preempted']}"))
    assert "it was preempted: PREEMPTED preempted" in over
    assert "41 GB" in over
    assert viewer.get("/pilots/99999").status_code == 404


def test_a_job_leads_to_its_pilot(viewer: FlaskClient, filled: Filled) -> None:
    answer = viewer.get("/pilots/of-job/4711")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/pilots/{filled.pilots['running']}")
    assert "was no pilot of this instance" in plain(viewer.get("/pilots/of-job/1"))


def test_workers_and_attempts_lead_to_their_pilot(viewer: FlaskClient, filled: Filled) -> None:
    link = f'<a href="/pilots/{filled.pilots["running"]}">job 4711</a>'
    assert link in viewer.get("/workers").text
    assert link in viewer.get("/workers/w-3").text
    with filled.engine.connect() as connection:
        question = "select i.file_id from attempt a join item i on i.id = a.item_id where a.job = '4711' limit 1"
        file = connection.execute(text(question)).scalar_one()
    assert link in viewer.get(f"/files/{file}").text


@pytest.mark.parametrize("word", ["pending", "running"])
def test_an_operator_has_a_pilot_drained_or_cancelled_with_a_reason(
    operator: FlaskClient, filled: Filled, word: str
) -> None:
    number = filled.pilots[word]
    form = operator.get(f"/pilots/{number}?act=cancel")
    assert 'method="post"' in form.text
    assert f"headframe pilots cancel {number} --reason" in plain(form)
    assert operator.post(f"/pilots/{number}", data={"act": "cancel", "reason": " "}).status_code == 400
    assert operator.post(f"/pilots/{number}", data={"act": "explode", "reason": "x"}).status_code == 400
    answer = operator.post(f"/pilots/{number}", data={"act": "cancel", "reason": "test: <b>reservation"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/pilots/{number}?did=pilot-cancel")
    page = operator.get(f"/pilots/{number}?did=pilot-cancel")
    assert "Its launcher ends its job in its next round" in plain(page)
    assert "<b>reservation" not in page.text
    assert "cancel by ada" in plain(page)
    assert f"pilot {number}" in plain(operator.get("/operations"))


def test_what_is_over_is_not_ended_again(operator: FlaskClient, filled: Filled) -> None:
    number = filled.pilots["preempted"]
    assert "drain…" not in operator.get(f"/pilots/{number}?act=drain").text
    answer = operator.post(f"/pilots/{number}", data={"act": "drain", "reason": "x"})
    assert answer.status_code == 409
    assert f"pilot {number} is ended already" in plain(answer)
    assert operator.post("/pilots/99999", data={"act": "drain", "reason": "x"}).status_code == 404


def test_who_may_only_look_is_offered_nothing(viewer: FlaskClient, filled: Filled) -> None:
    number = filled.pilots["leaving"]
    for address in ("/pilots", f"/pilots/{number}?act=cancel"):
        assert "…</a>" not in viewer.get(address).text
    assert viewer.post(f"/pilots/{number}", data={"act": "cancel", "reason": "x"}).status_code in (401, 403)


@pytest.mark.parametrize(("address", "most"), [("/pilots", 20), ("/pilots/{running}", 9)])
def test_a_page_asks_a_fixed_number_of_questions(viewer: FlaskClient, filled: Filled, address: str, most: int) -> None:
    there = address.format(**filled.pilots)
    viewer.get(there)
    with statements(filled.engine) as asked:
        page = viewer.get(there)
    assert len(asked) <= most, asked
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=|(?:src|href)=.?https?:", page.text)
    part = viewer.get(f"{there}{'&' if '?' in there else '?'}part=1")
    assert "<html" not in part.text
    assert "data-part" in part.text


def test_an_instance_without_a_launcher_says_how_to_have_one(database_url: str, instance: str) -> None:
    engine = connect(database_url, instance)
    client = create_app(engine, Settings(instance=instance)).test_client()
    shown = plain(client.get("/pilots"))
    assert "No launcher has been heard of, so workers are started by people or by services" in shown
    assert "headframe launcher" in shown
    with engine.begin() as connection:
        launcher(connection)
    assert "No pilot is there now." in plain(client.get("/pilots"))
    assert "No pilot has been asked for yet" in plain(client.get("/pilots?show=all"))
    engine.dispose()
