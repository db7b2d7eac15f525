"""The REST API on a filled database: what it answers, how it refuses, and the document that describes it."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from headframe.statemachine.database import connect
from headframe.statemachine.views import trouble
from headframe.web.app import create_app
from headframe.web.context import KEY
from headframe.web.settings import Settings

from .servers import PostgresServer
from .web_filled import Filled, cloned, fill


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[tuple[Flask, Filled]]:
    with cloned(postgres, database_template) as url:
        engine = connect(url, instance)
        yield create_app(engine, Settings(instance=instance)), fill(engine, runs=3, files=30)
        engine.dispose()


@pytest.fixture
def client(filled: tuple[Flask, Filled]) -> FlaskClient:
    return filled[0].test_client()


def test_a_list_is_paged_by_the_cursor_that_each_page_gives(client: FlaskClient) -> None:
    first = client.get("/api/v1/runs?limit=2").get_json()
    second = client.get(f"/api/v1/runs?limit=2&after={first['next']}").get_json()
    numbers = [row["number"] for row in (*first["rows"], *second["rows"])]
    assert len(numbers) == len(set(numbers)) == 3
    assert second["next"] == ""


def test_only_the_fields_asked_for_are_given(client: FlaskClient) -> None:
    assert {tuple(row) for row in client.get("/api/v1/runs?fields=number,state").get_json()["rows"]} == {
        ("number", "state")
    }


def test_what_has_not_changed_is_not_sent_again(client: FlaskClient) -> None:
    first = client.get("/api/v1/runs")
    again = client.get("/api/v1/runs", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("asked", ["limit=-1", "stat=placed", "fields=nmber", "after=zzz", "number=x"])
def test_what_makes_no_sense_is_a_problem_with_one_clear_line(client: FlaskClient, asked: str) -> None:
    answer = client.get(f"/api/v1/runs?{asked}")
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["detail"]


LISTS = [
    "runs?sort=-missing",
    "runs?sort=started&since=2026-11-20T00:00:00Z",
    "runs?incomplete=true&site=SURF",
    "runs/1201/catalog",
    "files?run=1203&site=SURF",
    "files?phase=failed&host=node07",
    "attempts?running=true",
    "history?run=1203",
    "replicas?site=SURF",
    "replicas?run=1201&role=salt",
    "products?run=1202&type=raw",
    "dead-letters?every=true",
    "pilots",
]


@pytest.mark.parametrize("asked", LISTS)
def test_each_list_gives_all_its_rows_page_by_page_and_none_twice(client: FlaskClient, asked: str) -> None:
    whole = client.get(f"/api/v1/{asked}{'&' if '?' in asked else '?'}limit=1000").get_json()["rows"]
    address, found = f"/api/v1/{asked}{'&' if '?' in asked else '?'}limit=7", []
    while True:
        answer = client.get(address)
        found += answer.get_json()["rows"]
        if not answer.get_json()["next"]:
            break
        address = answer.headers["Link"].split(">")[0].removeprefix("<")
    assert found[:1000] == whole
    assert len(found) == len({str(row) for row in found})


@pytest.mark.parametrize("asked", ["status", "sites", "queues", "processes?alive=true", "pauses", "runs/1201/gaps"])
def test_what_fits_on_one_page_is_given_whole(client: FlaskClient, asked: str) -> None:
    answer = client.get(f"/api/v1/{asked}")
    assert answer.status_code == 200, answer.text
    head = client.head(f"/api/v1/{asked}")
    assert (head.status_code, head.data) == (200, b"")


@pytest.mark.parametrize("asked", ["history", "replicas?status=present", "products?type=raw", "files?host=node07"])
def test_a_list_that_would_read_everything_says_what_to_name_besides(client: FlaskClient, asked: str) -> None:
    answer = client.get(f"/api/v1/{asked}")
    assert answer.status_code == 400
    assert "run" in answer.get_json()["detail"]


@pytest.mark.parametrize(
    "numbers", [list(range(1, 10_001)), "1-10000", "1202 1,3-10000"], ids=["list", "range", "words"]
)
def test_ten_thousand_runs_are_looked_up_at_once(client: FlaskClient, numbers: object) -> None:
    answer = client.post("/api/v1/runs/lookup?fields=number", json={"numbers": numbers}).get_json()
    assert [row["number"] for row in answer["rows"]] == [1203, 1202, 1201]
    assert len(answer["unknown"]) in (9996, 9997)
    assert client.post("/api/v1/runs/lookup", json={"numbers": "1-20000"}).status_code == 400


def test_a_run_that_is_not_there_is_a_404_problem(client: FlaskClient) -> None:
    answer = client.get("/api/v1/runs/999999")
    assert (answer.status_code, answer.get_json()["detail"]) == (404, "There is no run 999999 here.")


def test_no_foreign_name_gets_into_the_document(client: FlaskClient) -> None:
    answer = client.get("/api/v1/openapi.json", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert (answer.status_code, "evil" in answer.text) == (200, False)


def test_the_document_describes_each_answer_with_a_schema(client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    for operations in document["paths"].values():
        for operation in operations.values():
            (content,) = operation["responses"]["200"]["content"].values()
            assert content["schema"]
    assert {"RunRow", "RunDetail", "Why", "Problem"} <= set(document["components"]["schemas"])


SORTED = {
    "files?run={run}&fields=sequence": ("sequence", "-sequence"),
    "files?run={run}&fields=name": ("name", "-name"),
    "campaigns?fields=name": ("name", "-name"),
    "campaigns?fields=id": ("started", "-started"),
    "operations?fields=at": ("at", "-at"),
    "dead-letters?every=true&fields=last_at,id": ("last", "-last"),
    "attempts?fields=ended_at,item,epoch": ("ended", "-ended"),
    "attempts?run={run}&fields=item,epoch": ("ended", "-ended"),
}


def here_engine(app: Flask) -> Engine:
    engine: Engine = app.extensions[KEY].engine
    return engine


def paged(client: FlaskClient, address: str) -> list[list[Any]]:
    """Give the rows of a list, page by page of three."""
    rows: list[list[Any]] = []
    after = ""
    while True:
        answer = client.get(f"/api/v1/{address}&limit=3&after={after}").get_json()
        rows += [list(row.values()) for row in answer["rows"]]
        after = answer["next"]
        if not after:
            return rows


@pytest.mark.parametrize("address", SORTED)
def test_a_list_is_sorted_both_ways_over_all_pages(
    client: FlaskClient, filled: tuple[Flask, Filled], address: str
) -> None:
    rising, falling = (paged(client, f"{address.format(run=filled[1].newest)}&sort={sort}") for sort in SORTED[address])
    assert rising == sorted(rising) == falling[::-1]
    assert rising or "operations" in address


def test_files_without_sequence_numbers_are_paged_by_name(filled: tuple[Flask, Filled]) -> None:
    app, there = filled
    number = there.newest - 1
    whose = "where run_id = (select id from run where number = :number)"
    with here_engine(app).begin() as connection:
        connection.execute(text(f"update file set sequence = null {whose}"), {"number": number})
        n = connection.execute(text(f"select count(*) from file {whose}"), {"number": number}).scalar_one()
    rows = paged(app.test_client(), f"files?run={number}&fields=name")
    assert len(rows) == n > 3
    assert rows == sorted(rows)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("files?sort=name", "run="),
        ("files?since=2026-11-20T00:00:00Z", "of a run"),
        ("history?trigger=fail", "run="),
        ("replicas?role=raw", "of a run"),
        ("products?step=salt", "of a run"),
    ],
)
def test_a_filter_that_needs_a_run_says_so_in_one_line(client: FlaskClient, address: str, said: str) -> None:
    answer = client.get(f"/api/v1/{address}")
    assert answer.status_code == 400
    assert said in answer.get_json()["detail"]
    assert "\n" not in answer.get_json()["detail"]


def test_what_misses_most_says_where_not_all_could_be_counted(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "note" not in client.get("/api/v1/runs?sort=-missing").get_json()
    monkeypatch.setattr(trouble, "MOST", 1)
    assert "more than 1 runs are not done" in client.get("/api/v1/runs?sort=-missing").get_json()["note"]
    assert "more than 1 runs are not done" in client.get("/?sort=missing").text


def test_each_example_of_the_document_fits_its_schema(client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").get_json()
    seen = 0
    for path, calls in document["paths"].items():
        for called in calls.values():
            for content in called.get("requestBody", {}).get("content", {}).values() if "responses" in called else ():
                assert "example" in content, path
                schema = {**content["schema"], "components": document["components"]}
                jsonschema_rs.validate(schema, content["example"])
                seen += 1
    assert seen > 15


def test_the_document_points_at_nothing_that_it_does_not_have(client: FlaskClient) -> None:
    answer = client.get("/api/v1/openapi.json")
    pointed = set(re.findall(r'"#/components/schemas/([^"]+)"', answer.text))
    assert pointed <= set(answer.get_json()["components"]["schemas"])


def test_a_number_that_no_column_holds_leads_nowhere_on_pages_too(client: FlaskClient) -> None:
    for page in ("runs", "files", "operations", "dead-letters"):
        assert client.get(f"/{page}/{2**63}").status_code == 404
