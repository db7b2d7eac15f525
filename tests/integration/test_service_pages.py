"""The pages about the service: what they show of a filled database, who may act there, and what acting does."""

import json
import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from headframe.statemachine.database import connect
from headframe.web.app import create_app
from headframe.web.settings import Settings

from ..patience import least, within
from ..statements import statements
from .servers import PostgresServer
from .service_filled import fill_service
from .signed import client_of, signed_app
from .web_filled import ODD_NAME, cloned, fill

PAGES = {
    "/status": 30,
    "/workers": 6,
    "/workers/w-3": 6,
    "/queues": 14,
    "/sites": 5,
    "/dead-letters": 4,
    "/dead-letters/1": 4,
    "/operations": 3,
}
"""The pages, with the most questions to the database that each may ask, whatever there is to show."""
EXECUTED = """
select i.owner, f.name from item i join file f on f.id = i.file_id where i.phase = 'executing'
order by i.since, i.id limit 1
"""


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Engine]:
    with cloned(postgres, database_template) as url:
        made = connect(url, instance)
        fill(made, runs=10, files=400)
        fill_service(made)
        yield made
        made.dispose()


@pytest.fixture(autouse=True)
def alive(engine: Engine) -> None:
    """Let all processes have been heard of just now, however long the tests before took."""
    with engine.begin() as connection:
        connection.execute(text("update process set seen_at = clock_timestamp()"))


@pytest.fixture
def viewer(engine: Engine, instance: str) -> FlaskClient:
    return create_app(engine, Settings(instance=instance)).test_client()


@pytest.fixture
def operator(engine: Engine) -> FlaskClient:
    return client_of(signed_app(engine), "ada")


def plain(response: TestResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text.replace("\u202f", "")))


def one(engine: Engine, question: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(question)).scalar_one())


def did(engine: Engine, action: str) -> list[tuple[str, str, dict[str, object]]]:
    statement = text("select actor, reason, selection from operation where action = :action and reason like 'test %'")
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(statement, {"action": action})]  # type: ignore[misc]


@within(0.1)
@pytest.mark.parametrize("address", PAGES)
def test_each_page_is_quick_at_the_server(viewer: FlaskClient, address: str, limit_s: float) -> None:
    def took() -> float:
        response = viewer.get(address)
        assert response.status_code == 200
        return float(response.headers["Server-Timing"].partition("dur=")[2]) / 1000

    assert least(took, limit_s, tries=50) < limit_s


@pytest.mark.parametrize(("address", "most"), PAGES.items())
def test_a_page_asks_a_fixed_number_of_questions(viewer: FlaskClient, engine: Engine, address: str, most: int) -> None:
    viewer.get(address)
    with statements(engine) as asked:
        viewer.get(address)
    assert 1 <= len(asked) <= most, asked


@pytest.mark.parametrize("address", PAGES)
def test_parts_come_alone_and_those_who_may_only_look_are_offered_nothing(viewer: FlaskClient, address: str) -> None:
    page = viewer.get(address)
    assert "…</a>" not in page.text
    assert "<form method=post" not in page.text
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=|(?:src|href)=.?https?:", page.text)
    part = viewer.get(f"{address}?part=1")
    assert "<html" not in part.text
    assert "data-part" in part.text


def test_the_status_names_each_problem_with_what_to_do_and_where(viewer: FlaskClient) -> None:
    page = viewer.get("/status")
    shown = plain(page)
    assert "failed: somebody must look and requeue or abandon begin with headframe get files --phase failed" in shown
    assert "site SURF has 3.0% of its space left" in shown
    assert re.search(r'<a href="/dead-letters">\d+ dead letters: input', page.text)


def test_workers_show_what_they_do_and_how_they_stand(viewer: FlaskClient, engine: Engine) -> None:
    shown = plain(viewer.get("/workers?role=worker"))
    assert "12 worker" in shown
    with engine.connect() as connection:
        owner, name = connection.execute(text(EXECUTED)).one()
    page = plain(viewer.get(f"/workers/{owner}"))
    assert name in page.split("Does now")[1].split("Did last")[0]
    assert viewer.get("/workers/nobody").status_code == 404


def test_queues_show_what_the_broker_holds_and_what_nobody_reads(viewer: FlaskClient) -> None:
    shown = plain(viewer.get("/queues"))
    assert "headframe.arrivals what arrives 5 0 nobody reads it" in shown
    assert "headframe.dead what the broker gave up not there" in shown
    assert "Looked at by a conductor" in shown


def test_old_depths_say_that_they_are_old(viewer: FlaskClient, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("update queue_depth set at = now() - interval '9 min'"))
    page = viewer.get("/queues")
    with engine.begin() as connection:
        connection.execute(text("update queue_depth set at = now()"))
    assert "this is how it was then" in page.text
    assert "Looked at by a conductor 9 min ago" in plain(page)


def test_sites_show_their_space_and_copies(viewer: FlaskClient) -> None:
    shown = plain(viewer.get("/sites"))
    assert "30 MB free of 1 GB, 97.0% used" in shown
    assert "on gate1" in shown
    assert "nobody who sees it has measured it" in shown


def test_a_step_is_paused_and_resumed_with_a_reason_and_the_page_says_so(operator: FlaskClient, engine: Engine) -> None:
    form = operator.get("/queues?act=pause&what=step&name=salt")
    assert 'method="post"' in form.text
    assert 'headframe pause --step salt --reason "..."' in plain(form).replace("&#34;", '"')
    sent = {"act": "pause", "what": "step", "name": "salt", "reason": "test broken magnet"}
    answer = operator.post("/queues", data=sent)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/queues?did=pause")
    page = plain(operator.get("/queues?did=pause"))
    assert "Paused. What is executing runs on to its end." in page
    assert "by ada just now: test broken magnet" in page
    again = operator.post("/queues", data=sent)
    assert again.status_code == 409
    assert operator.post("/queues", data={**sent, "act": "resume", "reason": "test mended"}).status_code == 303
    assert one(engine, "select count(*) from pause") == 0
    assert did(engine, "pause") == [("ada", "test broken magnet", {"what": "step", "name": "salt"})]


@pytest.mark.parametrize(
    ("address", "what", "name"),
    [
        ("/queues", "lane", "bulk"),
        ("/sites", "site", "SURF"),
        ("/workers", "worker", "w-1"),
        ("/workers", "node", "node01"),
    ],
)
def test_lanes_sites_workers_and_nodes_are_paused_too(
    operator: FlaskClient, engine: Engine, address: str, what: str, name: str
) -> None:
    sent = {"act": "pause", "what": what, "name": name, "reason": "test because"}
    assert operator.post(address, data=sent).status_code == 303
    assert "test because" in operator.get(address).text
    assert operator.post(address, data={**sent, "act": "resume"}).status_code == 303
    assert one(engine, "select count(*) from pause") == 0


def test_a_worker_is_drained(operator: FlaskClient, engine: Engine) -> None:
    sent = {"act": "drain", "what": "worker", "name": "w-2", "reason": "test reboot"}
    assert operator.post("/workers", data=sent).status_code == 303
    assert "draining" in plain(operator.get("/workers"))
    assert did(engine, "drain") == [("ada", "test reboot", {"owners": ["w-2"], "worker": "w-2"})]
    with engine.begin() as connection:
        connection.execute(text("delete from pause"))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"act": "pause", "what": "step", "name": "salt", "reason": "  "}, 400),
        ({"act": "pause", "what": "step", "name": "salt"}, 400),
        ({"act": "pause", "what": "site", "name": "SURF", "reason": "x"}, 400),
        ({"act": "drain", "what": "step", "name": "salt", "reason": "x"}, 400),
        ({"act": "explode", "what": "step", "name": "salt", "reason": "x"}, 400),
        ({"act": "pause", "what": "step", "name": "nonsense", "reason": "x"}, 404),
        ({"act": "resume", "what": "step", "name": "salt", "reason": "x"}, 404),
        ({"act": "pause", "what": "step", "name": "a\0b", "reason": "x"}, 400),
        ({}, 400),
    ],
)
def test_what_a_form_may_not_say_changes_nothing(
    operator: FlaskClient, engine: Engine, sent: dict[str, str], code: int
) -> None:
    assert operator.post("/queues", data=sent).status_code == code
    assert one(engine, "select count(*) from pause") == 0


@pytest.mark.parametrize("address", ["/queues", "/sites", "/workers", "/dead-letters"])
def test_who_may_only_look_changes_nothing(viewer: FlaskClient, engine: Engine, address: str) -> None:
    before = one(engine, "select count(*) from operation")
    sent = {"act": "pause", "what": "step", "name": "salt", "reason": "x", "id": "1"}
    assert viewer.post(address, data=sent).status_code in (401, 403)
    assert one(engine, "select count(*) from operation") == before


def test_dead_letters_are_filtered_by_code_queue_and_run(viewer: FlaskClient, engine: Engine) -> None:
    def rows(asked: str) -> int:
        return len(re.findall(r'<th scope="row"', viewer.get(f"/dead-letters?{asked}").text))

    assert rows("code=vanished") == one(engine, "select count(*) from dead_letter where code = 'vanished'")
    assert rows("run=1205") == one(engine, "select count(*) from dead_letter where run_number = 1205")
    assert rows("queue=nowhere") == 0
    assert viewer.get("/dead-letters?run=x").status_code == 400


def letter(engine: Engine, body: bytes, code: str) -> int:
    statement = text(
        "insert into dead_letter (fingerprint, queue, code, sentence, body, body_size) "
        "values (:code, 'headframe.reports.live', :code, 'cannot be read', :body, :size) returning id"
    )
    with engine.begin() as connection:
        found = connection.execute(statement, {"code": code, "body": body, "size": len(body)})
        return int(found.scalar_one())


def test_a_message_is_shown_as_text_and_given_as_a_file_that_no_browser_opens(
    viewer: FlaskClient, engine: Engine
) -> None:
    body = json.dumps({"name": ODD_NAME, "n": 1}).encode()
    number = letter(engine, body, "test-html")
    page = viewer.get(f"/dead-letters/{number}")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text
    kept = viewer.get(f"/dead-letters/{number}/body")
    assert kept.data == body
    assert kept.mimetype == "application/octet-stream"
    assert kept.headers["Content-Disposition"].startswith("attachment")
    assert kept.headers["X-Content-Type-Options"] == "nosniff"


def test_a_large_message_and_one_that_is_no_text_are_cut_and_shown(viewer: FlaskClient, engine: Engine) -> None:
    number = letter(engine, b"\xff\x00" * 100_000, "test-binary")
    page = viewer.get(f"/dead-letters/{number}")
    assert "Only its beginning is shown" in page.text
    assert len(page.data) < 60_000
    assert viewer.get("/dead-letters/99999999999999999999").status_code == 404
    assert viewer.get("/dead-letters/999999/body").status_code == 404


def test_one_dead_letter_is_replayed_and_forgotten_with_a_reason(operator: FlaskClient, engine: Engine) -> None:
    number = letter(engine, b"{}", "test-one")
    sent = {"id": str(number), "code": "", "n": ""}
    assert operator.post("/dead-letters", data={**sent, "act": "replay", "reason": "test again"}).status_code == 303
    assert "asked for by ada" in plain(operator.get("/dead-letters"))
    assert operator.post("/dead-letters", data={**sent, "act": "forget", "reason": "test enough"}).status_code == 303
    assert one(engine, f"select count(*) from dead_letter where id = {number} and cleared_by = 'ada'") == 1
    assert did(engine, "forget_letters")[-1][:2] == ("ada", "test enough")


def test_all_of_a_code_are_forgotten_by_their_exact_number_or_not_at_all(operator: FlaskClient, engine: Engine) -> None:
    n = one(engine, "select count(*) from dead_letter where code = 'bad-manifest' and cleared_at is null")
    page = operator.get("/dead-letters?act=forget&what=code&name=bad-manifest")
    assert f"Forget {n} dead letters with code bad-manifest" in plain(page)
    sent = {"act": "forget", "id": "", "code": "bad-manifest", "reason": "test all", "n": str(n - 1)}
    answer = operator.post("/dead-letters", data=sent)
    assert answer.status_code == 409
    assert f"there are {n} now" in plain(answer)
    assert operator.post("/dead-letters", data={**sent, "n": str(n)}).status_code == 303
    assert one(engine, "select count(*) from dead_letter where code = 'bad-manifest' and cleared_at is null") == 0


def test_operations_say_who_did_what_to_which_runs_and_how_far_it_is(viewer: FlaskClient) -> None:
    page = viewer.get("/operations")
    shown = plain(page)
    assert re.search(r"bob hold run 1202 because &lt;b&gt;1 40 of 100 running 40.0%", shown)
    assert "requeue" in shown
    assert "<b>1" not in page.text


def test_operations_are_narrowed_paged_and_exported(viewer: FlaskClient) -> None:
    page = viewer.get("/operations?actor=ada&run=1203")
    rows = re.findall(r'<th scope="row"', page.text)
    exported = viewer.get("/operations?actor=ada&run=1203&format=json").get_json()
    assert len(exported) == len(rows) > 5
    assert {row["actor"] for row in exported} == {"ada"}
    assert {row["runs"] for row in exported} == {"1203"}
    table = viewer.get("/operations?format=csv")
    assert table.text.startswith("at,actor,action,reason")
    assert 'rel="next"' in viewer.get("/operations").text
    for asked in ("run=x", "since=yesterday", "until=2026-13-01", "format=xml", "after=zzz", "since=9999-12-31"):
        assert viewer.get(f"/operations?{asked}").status_code in (200, 400)


def test_an_empty_instance_has_these_pages_too(database_url: str, instance: str) -> None:
    engine = connect(database_url, instance)
    client = create_app(engine, Settings(instance=instance)).test_client()
    for address in ("/status", "/workers", "/queues", "/sites", "/dead-letters", "/operations"):
        assert client.get(address).status_code == 200
    assert "no conductor has been heard of lately" in plain(client.get("/status"))
    engine.dispose()
