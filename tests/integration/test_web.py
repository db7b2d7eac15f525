"""The pages on a database of 20,000 files: what they show, how few questions they ask, how quick they are."""

import re
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from headframe.statemachine.database import connect
from headframe.web.app import create_app
from headframe.web.serve import Listener
from headframe.web.settings import Settings

from ..patience import least, within
from ..statements import statements
from .servers import PostgresServer, free_ports
from .web_filled import ODD_NAME, Filled, cloned, fill

FILES = "select count(*) from file f join run r on r.id = run_id where number = :n"
ITEMS = "select count(*) from item i join run r on r.id = run_id where number = :n"
FAILED = "select min(file_id) from item i join run r on r.id = run_id where number = :n and phase = 'failed'"
QUESTIONS = {
    "/": 14,
    "/?sort=missing": 17,
    "/runs/{newest}": 23,
    "/runs/{newest}/files": 6,
    "/files/{file}": 14,
    "/dead-letters": 3,
    "/status": 17,
    "/queues": 8,
    "/latency": 10,
    "/failures": 4,
    "/metrics": 42,
}
"""The most questions to the database a page may ask, whatever there is to show."""


@dataclass
class Site:
    """A filled database, the application over it, and somebody who looks."""

    engine: Engine
    filled: Filled
    app: Flask
    client: FlaskClient

    def get(self, address: str, **headers: str) -> TestResponse:
        return self.client.get(address.format(newest=self.filled.newest, file=self.file()), headers=headers)

    def file(self, number: int | None = None) -> int:
        return int(self.one("select min(f.id) from file f join run r on r.id = f.run_id where r.number = :n", number))

    def one(self, question: str, number: int | None = None) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(text(question), {"n": number or self.filled.newest}).scalar_one())


@pytest.fixture(scope="module")
def site(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Site]:
    with cloned(postgres, database_template) as url:
        engine = connect(url, instance)
        app = create_app(engine, Settings(instance=instance, timezone="America/Denver", title="Test <mine>"))
        yield Site(engine, fill(engine, runs=20, files=1000), app, app.test_client())
        engine.dispose()


@pytest.fixture
def empty(database_url: str, instance: str) -> Iterator[FlaskClient]:
    engine = connect(database_url, instance)
    yield create_app(engine, Settings(instance=instance)).test_client()
    engine.dispose()


@pytest.fixture
def nowhere(instance: str) -> Iterator[FlaskClient]:
    (port,) = free_ports(1)
    engine = connect(f"postgresql://nobody@127.0.0.1:{port}/none", instance)
    yield create_app(engine, Settings(instance=instance)).test_client()
    engine.dispose()


def plain(response: TestResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text.replace("\u202f", "")))


PAGES = ("/", "/runs/{newest}", "/runs/{newest}/files", "/files/{file}", "/dead-letters")


@within(0.1)
@pytest.mark.parametrize("address", PAGES)
def test_each_page_is_quick_at_the_server(site: Site, address: str, limit_s: float) -> None:
    def took() -> float:
        response = site.get(address)
        assert response.status_code == 200
        return float(response.headers["Server-Timing"].partition("dur=")[2]) / 1000

    assert least(took, limit_s, tries=50) < limit_s


@pytest.mark.parametrize(("address", "most"), QUESTIONS.items())
def test_a_page_asks_a_fixed_number_of_questions(site: Site, address: str, most: int) -> None:
    site.get(address)
    with statements(site.engine) as asked:
        site.client.get(address.format(newest=site.filled.newest, file=site.file()))
    assert 1 <= len(asked) - 1 <= most, asked  # one of them is this test's own


def test_runs_are_listed_newest_first_with_counts_from_each_site_and_state(site: Site) -> None:
    page = site.get("/")
    numbers = [int(number) for number in re.findall(r'href="/runs/(\d+)"', page.text)]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] == site.filled.newest
    row = plain(page).split(str(site.filled.newest))[1].split(str(site.filled.newest - 1))[0]
    registered = site.one(f"{FILES} and registered_at is not null")
    assert f" 1000 {registered} " in row
    assert f"{1000 - registered} to come" in row


def test_the_numbers_on_the_runs_page_equal_a_recount(site: Site) -> None:
    number = site.filled.first + 3
    row = plain(site.client.get(f"/?number={number}"))
    for phase in ("failed", "held", "abandoned"):
        counted = site.one(f"{ITEMS} and phase = '{phase}'", number)
        assert f"{counted} {phase}" in row


def test_only_a_closed_run_misses_files(site: Site) -> None:
    gap = site.filled.first + 6
    assert "4 missing" in plain(site.client.get(f"/?number={gap}"))
    newest = site.client.get(f"/?number={site.filled.newest}&part=1").text
    assert "sign-missing" not in newest.split('id="runs"')[1]
    assert "sequence 17 to 19, 44" in plain(site.client.get(f"/runs/{gap}"))


def test_filters_narrow_the_runs_and_stay_in_the_address(site: Site) -> None:
    page = site.client.get(f"/?kind=science&number={site.filled.first}-{site.filled.first + 5}")
    shown = plain(page)
    assert "calibration" not in shown.split("Trouble")[1]
    assert len(re.findall(r'<th scope="row"', page.text)) == 4
    assert "No run fits this filter" in plain(site.client.get("/?kind=nonsense"))


def test_pages_of_files_go_on_where_the_last_ended_and_miss_none(site: Site) -> None:
    address, seen = f"/runs/{site.filled.first}/files", list[str]()
    while address:
        page = site.client.get(address)
        seen += re.findall(r'class="name" href="/files/(\d+)"', page.text)
        found = re.search(r'rel="next" href="([^"]+)"', page.text)
        address = found[1].replace("&amp;", "&") if found else ""
    assert len(seen) == len(set(seen)) == site.filled.files


def test_a_run_shows_a_cell_for_each_file_and_each_one_that_is_not_there(site: Site) -> None:
    page = site.client.get(f"/runs/{site.filled.first + 6}")
    cells = re.findall(r'class="cell [^"]+"[^>]*aria-label="(\d+): ([^"]+)"', page.text)
    assert [int(number) for number, _ in cells] == list(range(1000))
    assert [number for number, said in cells if said == "missing"] == ["17", "18", "19", "44"]


def test_a_run_says_why_and_which_command_unblocks_it(site: Site) -> None:
    shown = plain(site.client.get(f"/runs/{site.filled.first + 3}"))
    assert "Who must act: operator" in shown
    assert f"headframe requeue --run {site.filled.first + 3}" in shown


def test_a_file_shows_its_replicas_products_history_and_attempts_with_reasons(site: Site) -> None:
    failed = site.one(FAILED, site.filled.first + 18)
    shown = plain(site.client.get(f"/files/{failed}"))
    for said in ("salt", "USDC", "verified", "arrive", "strax: no peaks in 1,024 of 4,096 channels", "failed", ".log"):
        assert said in shown


def test_names_with_html_in_them_are_shown_as_text(site: Site) -> None:
    for address in ("/files/{file}", "/runs/{newest}", "/runs/{newest}/files", "/dead-letters"):
        page = site.get(address)
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert" in page.text
    assert "Test &lt;mine&gt;" in site.get("/").text
    assert ODD_NAME.startswith("<script>")


def test_a_filter_with_html_or_sql_in_it_is_shown_as_text_and_finds_nothing(site: Site) -> None:
    for bad in ('"><script>x</script>', "' or 1=1 --", "\ufffd\u202e", "%s%(x)s", "\\"):
        for name in ("kind", "state"):
            page = site.client.get("/", query_string={name: bad})
            assert page.status_code == 200
            assert "<script>x" not in page.text
            assert "No run fits this filter" in page.text


def test_a_fragment_is_not_sent_again_while_nothing_changed(site: Site) -> None:
    for address in PAGES:
        first = site.get(address + "?part=1")
        assert first.status_code == 200
        assert "<html" not in first.text
        assert "data-part" in first.text
        again = site.get(address + "?part=1", **{"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        assert "UTC" in again.headers["X-As-Of"]


def test_every_answer_forbids_what_is_inline_or_from_elsewhere(site: Site) -> None:
    for address in (*PAGES, "/nothing", "/healthz", "/metrics", "/static/live.js"):
        response = site.get(address)
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert not re.search(r"<script>|<style|\sstyle=|\son\w+=|(?:src|href)=.?https?:", response.text)


@pytest.mark.parametrize(
    ("address", "code", "line"),
    [
        ("/nothing", 404, "nothing at this address"),
        ("/runs/77", 404, "There is no run 77 here"),
        ("/runs/77/files", 404, "There is no run 77 here"),
        ("/runs/99999999999999999999", 404, "There is no number 99999999999999999999"),
        ("/runs/-1", 404, "nothing at this address"),
        ("/files/9223372036854775808", 404, "There is no number 9223372036854775808"),
        ("/?number=abc", 400, "“abc” is no run number"),
        ("/?kind=%00", 400, "kind: this is too long"),
        ("/?after=zzz", 400, "no place in this list"),
        ("/runs/1201/files?after=W251bGxd", 400, "no place in this list"),
        ("/?after=W10", 400, "no place in this list"),
    ],
)
def test_what_cannot_be_answered_gets_one_clear_line(site: Site, address: str, code: int, line: str) -> None:
    response = site.client.get(address)
    assert response.status_code == code
    assert line in plain(response)
    assert "Traceback" not in response.text


def test_pages_can_only_be_read(site: Site) -> None:
    for address in PAGES:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            response = site.client.open(address.format(newest=site.filled.newest, file=1), method=method)
            acts = (address, method) == ("/dead-letters", "POST")
            assert response.status_code == (401 if acts else 405)


def test_a_fault_in_a_page_is_a_500_without_a_stack_trace(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headframe.web.pages.dead.dead_letters", lambda *_a, **_k: 1 / 0)
    response = site.client.get("/dead-letters")
    assert response.status_code == 500
    assert "ZeroDivisionError" not in response.text
    assert "the log of the web process says what" in plain(response)


def test_an_empty_instance_has_pages_too(empty: FlaskClient) -> None:
    assert "No run has arrived yet" in plain(empty.get("/"))
    assert "There is none" in plain(empty.get("/dead-letters"))
    assert empty.get("/metrics").status_code == empty.get("/healthz").status_code == 200


def test_pages_say_in_a_sentence_that_the_database_is_away(nowhere: FlaskClient) -> None:
    for address in ("/", "/runs/1", "/files/1", "/dead-letters"):
        response = nowhere.get(address)
        assert response.status_code == 503
        assert "The database is away" in plain(response)
        assert response.headers["Retry-After"]
        assert 'http-equiv="refresh"' in response.text


def test_healthz_is_200_only_while_the_database_answers(site: Site, nowhere: FlaskClient) -> None:
    well = site.get("/healthz")
    assert (well.status_code, well.json["status"], well.json["checks"]["database"]["ok"]) == (200, "ok", True)  # type: ignore[index]
    ill = nowhere.get("/healthz")
    assert (ill.status_code, ill.json["checks"]["database"]["ok"]) == (503, False)  # type: ignore[index]
    assert ill.json["checks"]["database"]["error"] == "PostgreSQL is not reachable"  # type: ignore[index]


def test_a_missing_schema_is_not_healthy(empty_database_url: str, instance: str) -> None:
    engine = connect(empty_database_url, instance)
    response = create_app(engine, Settings(instance=instance)).test_client().get("/healthz")
    assert response.status_code == 503
    assert "headframe db upgrade" in response.text
    engine.dispose()


def metrics(client: FlaskClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_metrics_equal_a_recount_and_name_no_run(site: Site) -> None:
    found = metrics(site.client)
    failed = sum(
        n for (name, labels), n in found.items() if name == "headframe_items" and ("phase", "failed") in labels
    )
    assert failed == site.one("select count(*) from item where phase = 'failed' and :n > 0")
    dead = sum(n for (name, _), n in found.items() if name == "headframe_dead_letters")
    assert dead == site.one("select count(*) from dead_letter where :n > 0")
    assert found["headframe_processes", (("role", "worker"),)] == 12
    assert any(name == "headframe_oldest_ready_seconds" and n > 0 for (name, _), n in found.items())
    assert not {"run", "file", "owner"} & {label for _, labels in found for label, _ in labels}


def test_metrics_say_that_the_database_is_away(nowhere: FlaskClient) -> None:
    assert metrics(nowhere)["headframe_database_up", ()] == 0


def test_each_application_has_metrics_of_its_own(site: Site) -> None:
    other = create_app(site.engine, Settings(instance=site.filled and "headframe")).test_client()
    assert not any(name == "headframe_web_request_seconds_count" for name, _ in metrics(other))


def test_the_server_answers_many_at_once_and_stops_when_told(site: Site) -> None:
    listener, stop = Listener(site.app, "127.0.0.1", 0), threading.Event()
    server = threading.Thread(target=listener.run, args=(stop,))
    server.start()
    codes: list[int] = []

    def look() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{listener.port}/") as answer:
            codes.append(answer.status)

    viewers = [threading.Thread(target=look) for _ in range(20)]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join()
    stop.set()
    server.join(timeout=60)
    assert codes == [200] * 20
    assert not server.is_alive()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{listener.port}/", timeout=2)


def test_a_taken_port_is_said_at_once(site: Site) -> None:
    listener = Listener(site.app, "127.0.0.1", 0)
    with pytest.raises(OSError, match="in use"):
        Listener(site.app, "127.0.0.1", listener.port)
    listener.close()


def test_a_body_that_is_too_large_is_refused(site: Site) -> None:
    response = site.client.post("/", data=secrets.token_bytes(2 << 20))
    assert response.status_code in (405, 413)


def test_a_question_that_takes_too_long_ends_as_a_503(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headframe.web.context.PATIENCE", text("set local statement_timeout = '50ms'"))
    monkeypatch.setattr(
        "headframe.web.pages.dead.dead_letters", lambda c, *_, **__: c.execute(text("select pg_sleep(9)"))
    )
    assert site.client.get("/dead-letters").status_code == 503


def test_pages_only_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "headframe.web.pages.dead.dead_letters", lambda c, *_, **__: c.execute(text("delete from pause"))
    )
    answer = site.client.get("/dead-letters")
    assert answer.status_code == 503, "PostgreSQL refuses it, as a server does that has become a standby"
