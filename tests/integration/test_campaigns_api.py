"""Campaigns over REST: what is counted is what is made, keys act once, large ones are left to a daemon."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from headframe.statemachine.store import campaign_make

from .signed import client_of, signed_app
from .small_machine import SmallMachine

URL = "/api/v1/campaigns"
BODY = {"name": "again", "pipeline": "default", "runs": {"kind": ["science"]}, "reason": "new gains"}
WHY = {"reason": "new gains"}


@pytest.fixture
def client(machine: SmallMachine) -> Iterator[FlaskClient]:
    """Run 1 is done; of run 2 one file is placed, the other has only arrived."""
    for run in (1, 2):
        machine.arrive(run, 1, 2)
        machine.inform(run, expected=2, closed=True)
    machine.through(1, 1, 2)
    machine.do(2, 1)
    machine.do(2, 1)
    yield client_of(signed_app(machine.engine, book=machine.book), "anna")


def test_a_dry_run_counts_what_is_then_made(client: FlaskClient) -> None:
    body = {**BODY, "start_state": "placed"}
    dry = client.post(f"{URL}?dry_run=true", json=body).get_json()
    assert (dry["plan"]["runs"], dry["plan"]["files"], dry["operation"]) == (2, 3, 0)
    assert client.get(f"{URL}/again").status_code == 404
    done = client.post(URL, json=body)
    assert (done.status_code, done.get_json()["plan"]) == (200, dry["plan"])
    assert client.get(done.headers["Location"]).get_json()["status"] == "done"
    found = client.get(f"{URL}/again").get_json()
    assert (found["status"], found["total"], found["runs"], found["states"]) == ("open", 3, 2, {"placed": 3})
    assert (found["left_out"], found["created_by"], found["status_reason"]) == ({"no-salt": 1}, "anna", "new gains")
    left = client.get(f"{URL}/again/left-out").get_json()
    assert [(row["run"], row["name"], row["code"]) for row in left["rows"]] == [(2, "run2_0002.h5", "no-salt")]


def test_the_same_key_makes_one_campaign(client: FlaskClient) -> None:
    first, second = (client.post(URL, json=BODY, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.get_json() == second.get_json()
    again = client.post(URL, json=BODY)
    assert (again.status_code, "already" in again.get_json()["detail"]) == (409, True)


def test_a_large_one_is_left_to_a_daemon(
    client: FlaskClient, machine: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_make, "PAGE", 2)
    answer = client.post(URL, json=BODY)
    assert (answer.status_code, answer.get_json()["waits"]) == (202, True)
    assert client.get(f"{URL}/again").get_json()["status"] == "making"
    while campaign_make.turn(machine.engine):
        pass
    assert client.get(f"{URL}/again").get_json()["status"] == "open"
    assert client.get(answer.headers["Location"]).get_json()["changed"] == 4


def test_growing_takes_in_what_has_come_since(client: FlaskClient, machine: SmallMachine) -> None:
    client.post(URL, json=BODY)
    machine.arrive(3, 1)
    machine.inform(3, expected=1, closed=True)
    assert client.post(f"{URL}/again/grow?dry_run=true", json=WHY).get_json()["plan"]["files"] == 1
    assert client.post(f"{URL}/again/grow", json=WHY).get_json()["changed"] == 1
    runs = client.get(f"{URL}/again/runs?limit=2").get_json()
    assert [row["run"] for row in runs["rows"]] == [3, 2]
    rest = client.get(f"{URL}/again/runs?limit=2&after={runs['next']}").get_json()
    assert [(row["run"], row["total"], row["states"]) for row in rest["rows"]] == [(1, 2, {"placed": 2})]


def test_pause_resume_and_close_say_what_became_of_it(client: FlaskClient) -> None:
    client.post(URL, json=BODY)
    dry = client.post(f"{URL}/again/pause?dry_run=true", json=WHY).get_json()
    assert (dry["status"], client.get(f"{URL}/again").get_json()["status"]) == ("paused", "open")
    for action, status in (("pause", "paused"), ("resume", "open"), ("close", "closed")):
        assert client.post(f"{URL}/again/{action}", json=WHY).get_json()["status"] == status
        assert client.get(f"{URL}/again").get_json()["status"] == status
    assert client.post(f"{URL}/again/grow", json=WHY).status_code == 409


def test_closing_can_cancel_what_is_not_done(client: FlaskClient) -> None:
    client.post(URL, json=BODY)
    body = {**WHY, "cancel": True}
    assert client.post(f"{URL}/again/close?dry_run=true", json=body).get_json()["changed"] == 4
    assert client.get(f"{URL}/again").get_json()["held"] == 0
    closed = client.post(f"{URL}/again/close", json=body).get_json()
    found = client.get(f"{URL}/again").get_json()
    assert (closed["changed"], found["held"], found["status"]) == (4, 4, "closed")


def test_a_list_is_filtered_by_any_part_of_the_name_and_by_status(client: FlaskClient) -> None:
    client.post(URL, json=BODY)
    client.post(URL, json={**BODY, "name": "Other_100"})
    for asked, names in (
        ("text=gai", ["again"]),
        ("text=other", ["Other_100"]),
        ("text=r_1", ["Other_100"]),
        ("text=%25", []),
        ("kind=bulk", ["Other_100", "again"]),
        ("status=paused", []),
        ("kind=bulk&limit=1", ["Other_100"]),
    ):
        assert [row["name"] for row in client.get(f"{URL}?{asked}").get_json()["rows"]] == names


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"reason": " "}, 400),
        ({"name": "a/b"}, 400),
        ({"runs": {"kinds": ["science"]}}, 400),
        ({"runs": {"since": "2026-01-01T00:00:00"}}, 400),
        ({"runs": {}}, 409),
        ({"runs": {"numbers": [[5, 1]]}}, 409),
        ({"runs": {"campaign": "other"}}, 404),
        ({"pipeline": "other"}, 404),
        ({"start_state": "cataloged"}, 409),
        ({"runs": {"kind": ["led"]}}, 409),
    ],
)
def test_what_cannot_be_is_refused_with_one_line(client: FlaskClient, change: dict[str, object], code: int) -> None:
    answer = client.post(URL, json={**BODY, **change})
    assert (answer.status_code, bool(answer.get_json()["detail"])) == (code, True)


def test_a_campaign_that_is_not_there_is_a_404(client: FlaskClient) -> None:
    for address in (f"{URL}/other", f"{URL}/other/runs", f"{URL}/other/left-out"):
        assert client.get(address).status_code == 404
    for action in ("grow", "pause", "resume", "close"):
        assert client.post(f"{URL}/other/{action}", json=WHY).status_code == 404
