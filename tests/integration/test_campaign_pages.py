"""The pages of campaigns: what they show, who may act there, and what acting does."""

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from headframe.web.app import create_app
from headframe.web.settings import Settings

from ..statements import statements
from .signed import client_of, signed_app
from .small_machine import SmallMachine

FORM = {"name": "again", "pipeline": "default", "start_state": "placed", "kind": "science", "reason": "new gains"}


@pytest.fixture
def done(machine: SmallMachine) -> SmallMachine:
    """Run 1 is done; of run 2 nothing is yet."""
    for run in (1, 2):
        machine.arrive(run, 1, 2)
        machine.inform(run, expected=2, closed=True)
    machine.through(1, 1, 2)
    return machine


@pytest.fixture
def operator(done: SmallMachine) -> Iterator[FlaskClient]:
    yield client_of(signed_app(done.engine, book=done.book), "ada")


@pytest.fixture
def viewer(done: SmallMachine) -> FlaskClient:
    return create_app(done.engine, Settings(instance="headframe", book=done.book)).test_client()


def plain(response: TestResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text.replace("\u202f", "")))


def begin(operator: FlaskClient, **changes: str) -> TestResponse:
    return operator.post("/campaigns/new", data={**FORM, "do": "begin", **changes})


def test_the_form_counts_before_it_begins(operator: FlaskClient) -> None:
    assert operator.get("/campaigns/new").status_code == 200
    counted = operator.post("/campaigns/new", data={**FORM, "do": "count"})
    said = plain(counted)
    assert "2 files of 1 run (1) would be taken in, by pipeline default" in said
    assert "Left out: 2 files of 1 run: step salt has not been done" in said
    assert "headframe campaign create again --pipeline default --start placed --type science" in said
    assert operator.get("/campaigns/again").status_code == 404
    made = begin(operator)
    assert (made.status_code, made.location) == (303, "/campaigns/again?did=begin")
    page = plain(operator.get(made.location))
    for part in ("Campaign again", "0 of 2 files done", "of type science", "2 files: step salt has not been done"):
        assert part in page


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"reason": ""}, 400, "Please say why"),
        ({"runs": "x"}, 400, "no run number"),
        ({"since": "x"}, 400, "is no time"),
        ({"name": "a/b"}, 409, "cannot be a campaign"),
        ({"kind": "led"}, 409, "no run fits"),
        ({"campaign": "other"}, 404, "there is no campaign other"),
        ({"weight": "x"}, 400, "a whole number"),
    ],
)
def test_what_cannot_be_is_said_on_the_form_which_keeps_what_was_written(
    operator: FlaskClient, changes: dict[str, str], code: int, said: str
) -> None:
    answer = begin(operator, **{"note": "kept words", **changes})
    assert (answer.status_code, said in plain(answer), "kept words" in answer.text) == (code, True, True)


def test_the_list_is_filtered_and_opened_to_runs_by_its_address(operator: FlaskClient, viewer: FlaskClient) -> None:
    begin(operator)
    shown = plain(viewer.get("/campaigns?text=AGA"))
    assert "again" in shown
    assert "realtime-" not in shown
    assert ">run 1<" not in viewer.get("/campaigns?text=AGA").text
    assert ">run 1<" in viewer.get("/campaigns?open=again").text
    assert "fits this filter" in plain(viewer.get("/campaigns?text=other"))
    assert "Campaigns" in plain(viewer.get("/"))


def test_the_list_says_of_which_types_its_runs_are_and_when_it_will_be_done(
    operator: FlaskClient, viewer: FlaskClient, done: SmallMachine
) -> None:
    begin(operator)
    done.sql(
        "insert into measure_rate (span, at, campaign_id, step, lane, done, passed, busy_s) select 1, "
        "date_bin('1 minute', now(), 'epoch') - n * interval '1 minute', c.id, s, 'bulk', 2, 0, 4 "
        "from campaign c, generate_series(1, 60) n, unnest(array['reconstruct', 'catalog']) s where c.name = 'again'"
    )
    said = plain(viewer.get("/campaigns?text=again"))
    assert "1 run 1 science" in said
    assert "holds it up; nine times in ten by" in said
    (row,) = viewer.get("/api/v1/campaigns?text=again").json["rows"]
    assert (row["samples"], row["bottleneck"]) == ({"science": 1}, "reconstruct")
    assert row["p50"] < row["p90"]
    (other,) = viewer.get("/api/v1/campaigns?kind=realtime").json["rows"]
    assert (other["samples"], other["p50"]) == ({"science": 2}, None)


def test_a_campaigns_page_asks_once_how_fast_it_goes(operator: FlaskClient, done: SmallMachine) -> None:
    begin(operator)
    with statements(done.engine) as asked:
        page = plain(operator.get("/campaigns/again"))
    assert "no forecast" in page
    assert len([each for each in asked if each.startswith("SELECT measure_rate.at")]) == 1, asked


def test_growing_says_first_which_runs_it_would_take_in_and_which_files_not(
    operator: FlaskClient, done: SmallMachine
) -> None:
    begin(operator)
    done.do(2, 1)
    done.do(2, 1)
    said = plain(operator.get("/campaigns/again?act=grow"))
    assert "would take in 1 file of 1 run (2), besides the 2 it has" in said
    assert "Left out: 1 file of 1 run: step salt has not been done" in said
    assert "(2/run2_0002.h5)" in said


def test_actions_are_asked_for_by_a_link_and_done_with_a_reason(operator: FlaskClient) -> None:
    begin(operator)
    for verb, said in (("grow", "would take in 0 files"), ("pause", "Nothing more"), ("end", "cannot be taken back")):
        assert said in plain(operator.get(f"/campaigns/again?act={verb}"))
    for verb, status in (("pause", "paused"), ("resume", "open"), ("grow", "open"), ("close", "closed")):
        done = operator.post("/campaigns/again", data={"act": verb, "reason": "test"})
        assert done.location == f"/campaigns/again?did={verb}"
        assert status in plain(operator.get(done.location))
    assert operator.post("/campaigns/again", data={"act": "pause", "reason": "test"}).status_code == 409
    assert operator.get("/campaigns/again?act=pause").status_code == 400


def test_closing_with_cancel_holds_what_is_left(operator: FlaskClient) -> None:
    begin(operator)
    operator.post("/campaigns/again", data={"act": "end", "reason": "test"})
    assert operator.get("/api/v1/campaigns/again").get_json()["held"] == 2


def test_a_realtime_campaign_can_be_paused_with_a_warning_and_no_more(
    operator: FlaskClient, done: SmallMachine
) -> None:
    done.sql("update campaign set name = 'realtime-x'")
    page = operator.get("/campaigns/realtime-x?act=pause")
    assert "live files too" in plain(page)
    assert "act=grow" not in page.text
    assert operator.get("/campaigns/realtime-x?act=close").status_code == 400


def test_who_only_looks_is_offered_nothing_and_changes_nothing(operator: FlaskClient, viewer: FlaskClient) -> None:
    begin(operator)
    for address in ("/campaigns", "/campaigns/again", "/campaigns/again?act=close"):
        page = viewer.get(address)
        assert (page.status_code, "reason" in page.text.replace("status_reason", "")) == (200, False)
    assert viewer.get("/campaigns/new").status_code == 401
    for address in ("/campaigns/new", "/campaigns/again"):
        assert viewer.post(address, data={"act": "close", "reason": "x"}).status_code == 401


def test_what_people_write_is_shown_as_text(operator: FlaskClient, viewer: FlaskClient) -> None:
    begin(operator, note="<b>note</b>", reason="<i>why</i>")
    for address in ("/campaigns", "/campaigns/again"):
        assert "<b>note" not in viewer.get(address).text
    assert "<i>why" not in viewer.get("/campaigns/again").text
