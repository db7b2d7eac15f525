"""Pages and REST of what is measured: latency, failures, a file beside one that worked, forecasts."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from headframe.statemachine.store import measure
from headframe.web.app import create_app
from headframe.web.settings import Settings

from .small_machine import SmallMachine


@pytest.fixture
def client(machine: SmallMachine) -> Iterator[FlaskClient]:
    machine.arrive(5, 1, 2, 3, 4)
    machine.through(5, 1)
    for sequence in (2, 3, 4):
        machine.say(5, sequence, "fail", reason_code="exit-3", reason=f"<b>no</b> peaks in {sequence} channels")
    with machine.engine.begin() as conn:
        measure.take(conn, 1000)
    yield create_app(machine.engine, Settings(instance="headframe")).test_client()


def file_number(client: FlaskClient, sequence: int) -> int:
    rows = client.get("/api/v1/files?run=5").get_json()["rows"]
    return next(int(row["file"]) for row in rows if row["sequence"] == sequence)


def test_the_latency_page_and_rest_say_the_same(client: FlaskClient) -> None:
    found = client.get("/api/v1/latency").get_json()
    assert (found["today"]["n"], len(found["steps"])) == (1, 4)
    page = client.get("/latency").get_data(as_text=True)
    assert "Last hour" in page
    assert "reconstruct" in page
    assert client.get("/latency?part=1").status_code == 200


def test_failures_are_listed_as_families_and_markup_in_them_is_text(client: FlaskClient) -> None:
    (row,) = client.get("/api/v1/failures?run=5").get_json()["rows"]
    assert (row["n"], row["template"]) == (3, "<b>no</b> peaks in # channels")
    page = client.get("/failures").get_data(as_text=True)
    assert "&lt;b&gt;no&lt;/b&gt; peaks in # channels" in page
    assert client.get("/failures?step=place").get_data(as_text=True).count("Nothing failed in this time.") == 1


def test_a_failed_file_is_shown_beside_one_that_worked(client: FlaskClient) -> None:
    number = file_number(client, 3)
    found = client.get(f"/api/v1/files/{number}/compare").get_json()
    assert (found["this"]["outcome"], found["that"]["outcome"]) == ("failed", "succeeded")
    page = client.get(f"/files/{number}/compare").get_data(as_text=True)
    assert "the nearest file of run 5 whose salt worked" in page


def test_a_run_and_a_campaign_have_a_forecast(client: FlaskClient) -> None:
    found = client.get("/api/v1/runs/5/forecast").get_json()
    assert found["left"] == 3
    assert found["sentence"].startswith("no forecast")
    name = client.get("/api/v1/runs/5").get_json()["row"]["campaign"]
    assert client.get(f"/api/v1/campaigns/{name}/forecast").get_json()["left"] == 3


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/api/v1/runs/99/forecast", 404),
        ("/api/v1/campaigns/nix/forecast", 404),
        ("/api/v1/files/999999/compare", 404),
        ("/files/999999/compare", 404),
        ("/api/v1/latency?hours=0", 400),
        ("/api/v1/latency?hours=x", 400),
        ("/api/v1/failures?after=zzz", 400),
        ("/api/v1/failures?nonsense=1", 400),
        ("/failures?span=year", 400),
        ("/failures?run=x", 400),
    ],
)
def test_what_makes_no_sense_is_refused(client: FlaskClient, address: str, status: int) -> None:
    assert client.get(address).status_code == status


def test_the_run_page_says_when_and_what_fails_alike(client: FlaskClient) -> None:
    page = client.get("/runs/5").get_data(as_text=True)
    assert "no forecast" in page
    assert "peaks in # channels" in page


def test_prometheus_reads_latencies_and_what_steps_did(client: FlaskClient) -> None:
    said = client.get("/metrics").get_data(as_text=True)
    assert 'headframe_latency_files{window="hour"} 1.0' in said
    assert 'headframe_latency_seconds{quantile="0.95",window="day"}' in said
    assert 'headframe_attempts_last_hour{outcome="failed",step="salt"} 3.0' in said
    assert "headframe_measures_waiting 0.0" in said
