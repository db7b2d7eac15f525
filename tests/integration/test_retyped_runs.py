"""A run that is given another type starts again in every campaign that has it, and nothing made of it so far stands."""

from typing import Any

import pytest
from sqlalchemy import text

from headframe.statemachine.pipeline import RunType, build
from headframe.statemachine.store import campaign_make, campaign_operate, runs, words
from headframe.statemachine.store.campaign_operate import Wanted
from headframe.statemachine.store.campaign_query import RunChoice
from headframe.statemachine.store.campaigns import Book
from headframe.statemachine.store.gather import gather
from headframe.statemachine.verify import verify
from headframe.statemachine.why import why_file

from .small_machine import SmallMachine, pipeline

BY = {"actor": "anna", "reason": "because"}
SCIENCE = RunChoice(kind=("science",))


@pytest.fixture
def two_campaigns(machine: SmallMachine) -> SmallMachine:
    """Run 1 is done in its own campaign; `again` began with its copies and waits for `reconstruct`."""
    machine.arrive(1, 1, 2)
    machine.inform(1, expected=2, closed=True)
    machine.through(1, 1, 2)
    begin(machine, machine.book, "default", "placed")
    return machine


def begin(machine: SmallMachine, book: Book, pipeline: str, state: str | None = None) -> None:
    wanted = Wanted(name="again", pipeline=pipeline, query=SCIENCE, start_state=state)
    with machine.engine.begin() as conn:
        job = campaign_operate.create(conn, wanted, book, **BY).job
    assert campaign_make.make(machine.engine, job)


def places(machine: SmallMachine) -> list[tuple[Any, ...]]:
    statement = text(
        "select c.kind, i.state, i.phase, i.kind, count(*) from item i join campaign c on c.id = i.campaign_id "
        "where i.scope = 'file' group by 1, 2, 3, 4 order by 1, 2, 3, 4"
    )
    with machine.engine.connect() as conn:
        return [tuple(row) for row in conn.execute(statement)]


def standing(machine: SmallMachine) -> tuple[int, int]:
    """Count the products and the copies that stand."""
    with machine.engine.connect() as conn:
        products = conn.execute(text("select count(*) from product where superseded_at is null")).scalar_one()
        copies = text("select count(*) from replica where retired_at is null and step is not null and step <> ''")
        return products, conn.execute(copies).scalar_one()


def retype(machine: SmallMachine, kind: str) -> words.Said:
    with machine.engine.begin() as conn:
        said = words.reclassify(conn, 1, kind, machine.book.pipelines.get, **BY)
    with machine.engine.begin() as conn:
        gather(conn, runs.campaigns_of(conn, 1))
    return said


def whole(machine: SmallMachine) -> None:
    with machine.engine.connect() as conn:
        assert list(verify(conn)) == []


def test_it_starts_again_in_all_its_campaigns_from_the_first_state_and_the_answer_names_them(
    two_campaigns: SmallMachine,
) -> None:
    assert places(two_campaigns)[0][:3] == ("bulk", "placed", "ready")
    said = retype(two_campaigns, "calibration")
    assert said.sentence == "run 1 is of type calibration; 6 items started again, also in again"
    salted = ("salted", "ready", "calibration", 2)
    assert places(two_campaigns) == [("bulk", *salted), ("realtime", *salted)]
    assert standing(two_campaigns)[0] == 0
    whole(two_campaigns)


def test_no_item_passes_a_step_for_what_another_made_under_the_old_type(two_campaigns: SmallMachine) -> None:
    retype(two_campaigns, "calibration")
    retype(two_campaigns, "science")
    assert {place[1:3] for place in places(two_campaigns)} == {("arrived", "ready")}
    assert standing(two_campaigns) == (0, 0)
    whole(two_campaigns)


def test_it_is_held_in_a_campaign_whose_pipeline_has_no_such_type_and_why_says_so(machine: SmallMachine) -> None:
    machine.arrive(1, 1)
    machine.inform(1, expected=1, closed=True)
    machine.through(1, 1)
    narrow = build("narrow", list(pipeline().steps), {"science": RunType()})
    begin(machine, Book(pipelines={"science": narrow}, default=narrow), "narrow")
    said = retype(machine, "calibration")
    assert said.sentence.endswith("4 items started again; held in again, whose pipeline has no such type")
    assert ("bulk", "arrived", "held", "calibration", 1) in places(machine)
    machine.sql("update run set campaign_id = (select id from campaign where name = 'again')")
    with machine.engine.connect() as conn:
        answer = why_file(conn, "1/1")
    assert answer is not None
    assert answer.code == "type-elsewhere" and answer.command.startswith("headframe abandon")
    whole(machine)
