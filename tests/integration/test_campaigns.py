"""Campaigns that people begin: what they take in, where they start, how they grow, rest and end."""

import pytest
from sqlalchemy import text

from headframe.statemachine.store import campaign_make, campaign_operate, campaign_plan, dispatch, operating
from headframe.statemachine.store.campaign_operate import Begun, Wanted
from headframe.statemachine.store.campaign_query import RunChoice
from headframe.statemachine.store.errors import NotFoundError, RefusedError
from headframe.statemachine.verify import verify

from .small_machine import SmallMachine

SCIENCE = RunChoice(kind=("science",))
BY = {"actor": "anna", "reason": "new gains"}


def wanted(name: str = "again", query: RunChoice = SCIENCE, **more: object) -> Wanted:
    return Wanted(name=name, pipeline="default", query=query, **more)  # type: ignore[arg-type]


def begin(machine: SmallMachine, what: Wanted) -> Begun:
    with machine.engine.begin() as conn:
        return campaign_operate.create(conn, what, machine.book, **BY)


def finish(machine: SmallMachine, job: int) -> int:
    """Make all pages of a job; give how many there were."""
    pages = 1
    while not campaign_make.make(machine.engine, job):
        pages += 1
    return pages


def create(machine: SmallMachine, what: Wanted) -> Begun:
    begun = begin(machine, what)
    finish(machine, begun.job)
    return begun


def grow(machine: SmallMachine, name: str = "again", query: RunChoice | None = None) -> Begun:
    with machine.engine.begin() as conn:
        begun = campaign_operate.grow(conn, name, query=query, **BY)
    finish(machine, begun.job)
    return begun


def places(machine: SmallMachine, name: str = "again") -> list[tuple[str, str, str, int]]:
    """Give (state, phase, step, how many) of the files of a campaign."""
    statement = text(
        "select i.state, i.phase, coalesce(i.step, ''), count(*) from item i join campaign c on c.id = i.campaign_id "
        "where c.name = :name and i.scope = 'file' group by 1, 2, 3 order by 1, 2, 3"
    )
    with machine.engine.connect() as conn:
        return [tuple(row) for row in conn.execute(statement, {"name": name})]  # type: ignore[misc]


def status(machine: SmallMachine, name: str = "again") -> str:
    with machine.engine.connect() as conn:
        return str(conn.execute(text("select status from campaign where name = :name"), {"name": name}).scalar_one())


def whole(machine: SmallMachine) -> None:
    with machine.engine.connect() as conn:
        assert list(verify(conn)) == []


@pytest.fixture
def two_runs(machine: SmallMachine) -> SmallMachine:
    """Run 1 is done; of run 2 one file is placed, the other has only arrived."""
    for run, files in ((1, (1, 2)), (2, (1, 2))):
        machine.arrive(run, *files)
        machine.inform(run, expected=2, closed=True)
    machine.through(1, 1, 2)
    machine.do(2, 1)
    machine.do(2, 1)
    return machine


def test_a_campaign_finds_done_what_belongs_to_the_file(two_runs: SmallMachine) -> None:
    begun = create(two_runs, wanted())
    assert (begun.plan.runs, begun.plan.files, begun.plan.left_out) == (2, 4, ())
    assert places(two_runs) == [("arrived", "ready", "salt", 1), ("placed", "ready", "reconstruct", 3)]
    assert status(two_runs) == "open"
    whole(two_runs)


def test_a_campaign_starts_in_its_state_and_names_what_cannot(two_runs: SmallMachine) -> None:
    begun = create(two_runs, wanted(start_state="placed"))
    assert places(two_runs) == [("placed", "ready", "reconstruct", 3)]
    (left,) = begun.plan.left_out
    assert (left.code, left.runs, left.files, left.names) == ("no-salt", 1, 1, ("2/run2_0002.h5",))
    assert "salt has not been done" in left.sentence
    whole(two_runs)


def test_what_could_not_start_joins_at_the_next_grow(two_runs: SmallMachine) -> None:
    create(two_runs, wanted(start_state="placed"))
    two_runs.do(2, 2)
    two_runs.do(2, 2)
    begun = grow(two_runs)
    assert (begun.plan.runs, begun.plan.files, begun.plan.there) == (1, 1, 3)
    assert places(two_runs) == [("placed", "ready", "reconstruct", 4)]
    assert (grow(two_runs).plan.files, status(two_runs)) == (0, "open")
    whole(two_runs)


def test_a_start_behind_what_each_campaign_makes_itself_is_refused(two_runs: SmallMachine) -> None:
    with pytest.raises(RefusedError, match="start in placed or before"):
        begin(two_runs, wanted(start_state="reconstructed"))
    with pytest.raises(RefusedError, match="starts in one of arrived, salted, placed, reconstructed, not cataloged"):
        begin(two_runs, wanted(start_state="cataloged"))


@pytest.mark.parametrize(
    ("query", "runs"),
    [
        (RunChoice(numbers=((1, 1),)), 1),
        (RunChoice(numbers=((1, 9),)), 2),
        (RunChoice(kind=("calibration",)), 0),
        (RunChoice(quality=("unknown",)), 2),
        (RunChoice(state=("cataloged",)), 1),
        (RunChoice(numbers=((2, 5),), kind=("science",), state=("arrived",)), 1),
        (RunChoice(campaign="realtime"), 2),
    ],
)
def test_the_query_chooses_the_runs(two_runs: SmallMachine, query: RunChoice, runs: int) -> None:
    two_runs.sql("update campaign set name = 'realtime'")
    with two_runs.engine.connect() as conn:
        assert campaign_operate.count(conn, wanted(query=query), two_runs.book).runs == runs


def test_an_open_run_joins_once_it_is_closed(two_runs: SmallMachine) -> None:
    two_runs.arrive(3, 1)
    begun = create(two_runs, wanted())
    assert [(left.code, left.files) for left in begun.plan.left_out] == [("run-open", 1)]
    two_runs.inform(3, expected=1, closed=True)
    assert grow(two_runs).plan.files == 1


def test_the_dry_run_counts_what_is_then_made_and_changes_nothing(two_runs: SmallMachine) -> None:
    with two_runs.engine.connect() as conn:
        counted = campaign_operate.count(conn, wanted(), two_runs.book)
    assert places(two_runs) == []
    assert create(two_runs, wanted()).plan == counted
    assert sum(n for *_, n in places(two_runs)) == counted.files


def test_what_takes_longer_to_count_than_it_may_is_refused_with_a_way_out(
    two_runs: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_plan, "_COUNT", "select pg_sleep(30)")
    with two_runs.engine.begin() as conn, pytest.raises(RefusedError, match="choose fewer runs"):
        conn.execute(text("set local statement_timeout = '20ms'"))
        campaign_operate.count(conn, wanted(), two_runs.book)


def test_items_are_made_in_pages_that_anybody_can_carry_on_with(
    two_runs: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_make, "PAGE", 1)
    monkeypatch.setattr(campaign_make, "RUNS", 1)
    begun = begin(two_runs, wanted())
    with two_runs.engine.begin() as conn:  # its runs have not followed: whoever made it was killed
        campaign_make.page(conn, begun.job)
    assert (status(two_runs), sum(n for *_, n in places(two_runs))) == ("making", 1)
    finish(two_runs, begun.job)
    assert (status(two_runs), sum(n for *_, n in places(two_runs))) == ("open", 4)
    assert not campaign_make.turn(two_runs.engine)
    with two_runs.engine.connect() as conn:
        row = conn.execute(text("select * from operation where id = :id"), {"id": begun.job}).one()
    assert (row.status, row.total, row.changed, row.actor) == ("done", 4, 4, "anna")
    whole(two_runs)


def test_two_campaigns_cannot_have_one_name(two_runs: SmallMachine) -> None:
    begin(two_runs, wanted())
    with pytest.raises(RefusedError, match="there is a campaign again already"):
        begin(two_runs, wanted())


@pytest.mark.parametrize("name", ["", "a/b", "..", "realtime-x", "files", "a" * 81, "a b", "ü"])
def test_a_name_that_no_folder_can_have_is_refused(two_runs: SmallMachine, name: str) -> None:
    with pytest.raises(RefusedError, match="cannot be a campaign's name"):
        begin(two_runs, wanted(name))


def test_an_unknown_pipeline_or_version_is_named_with_those_that_there_are(two_runs: SmallMachine) -> None:
    with pytest.raises(NotFoundError, match="no pipeline other is configured; there are default"):
        begin(two_runs, Wanted(name="again", pipeline="other", query=SCIENCE))
    with pytest.raises(NotFoundError, match=two_runs.book.default.version):
        begin(two_runs, wanted(version="0"))
    assert begin(two_runs, wanted(version=two_runs.book.default.version)).plan.files == 4


def test_a_paused_campaign_sends_nothing_out_until_it_is_resumed(two_runs: SmallMachine) -> None:
    create(two_runs, wanted())
    two_runs.sql("delete from pause")
    with two_runs.engine.begin() as conn:
        assert campaign_operate.pause(conn, "again", **BY).status == "paused"
        assert not campaign_operate.pause(conn, "again", **BY).changed
    with two_runs.engine.begin() as conn:
        assert dispatch.waiting(conn, "reconstruct", "bulk", 10) == []
        campaign_operate.resume(conn, "again", **BY)
        assert len(dispatch.waiting(conn, "reconstruct", "bulk", 10)) == 3
    assert status(two_runs) == "open"


def test_a_campaign_that_is_paused_while_it_is_made_stays_so(two_runs: SmallMachine) -> None:
    begun = begin(two_runs, wanted())
    with two_runs.engine.begin() as conn:
        campaign_operate.pause(conn, "again", **BY)
    finish(two_runs, begun.job)
    assert (status(two_runs), len(places(two_runs))) == ("paused", 2)


def test_a_closed_campaign_takes_nothing_more_in_and_goes_on_with_what_it_has(two_runs: SmallMachine) -> None:
    begun = create(two_runs, wanted(query=RunChoice(numbers=((1, 1),))))
    with two_runs.engine.begin() as conn:
        assert campaign_operate.close(conn, "again", **BY).status == "closed"
    with pytest.raises(RefusedError, match="is closed"):
        grow(two_runs)
    with two_runs.engine.begin() as conn:
        assert len(dispatch.waiting(conn, "reconstruct", "bulk", 10)) == begun.plan.files
    with two_runs.engine.begin() as conn, pytest.raises(RefusedError, match="is closed"):
        campaign_operate.pause(conn, "again", **BY)


def test_closing_ends_what_is_still_being_made(two_runs: SmallMachine) -> None:
    begun = begin(two_runs, wanted())
    with two_runs.engine.begin() as conn:
        campaign_operate.close(conn, "again", **BY)
    assert finish(two_runs, begun.job) == 1
    assert (status(two_runs), places(two_runs)) == ("closed", [])


def test_the_rest_of_one_that_is_being_made_can_be_left_and_taken_in_later(
    two_runs: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_make, "PAGE", 3)
    begun = begin(two_runs, wanted())
    campaign_make.make(two_runs.engine, begun.job)
    with two_runs.engine.begin() as conn:
        operating.cancel(conn, begun.job, **BY)
    assert (finish(two_runs, begun.job), status(two_runs)) == (1, "open")
    assert sum(n for *_, n in places(two_runs)) == 3
    with two_runs.engine.begin() as conn, pytest.raises(RefusedError, match="is cancelled"):
        operating.cancel(conn, begun.job, **BY)
    assert grow(two_runs).plan.files == 1
    whole(two_runs)


def test_a_realtime_campaign_is_paused_with_a_warning_and_neither_grown_nor_closed(two_runs: SmallMachine) -> None:
    two_runs.sql("update campaign set name = 'realtime-x'")
    with two_runs.engine.begin() as conn:
        assert "new runs join it" in campaign_operate.pause(conn, "realtime-x", **BY).warning
        with pytest.raises(RefusedError, match="takes in new runs by itself"):
            campaign_operate.grow(conn, "realtime-x", **BY)
        with pytest.raises(RefusedError, match="the next one begins by itself"):
            campaign_operate.close(conn, "realtime-x", **BY)


def test_growing_by_another_query_takes_that_in_as_well(two_runs: SmallMachine) -> None:
    create(two_runs, wanted(query=RunChoice(numbers=((1, 1),))))
    assert grow(two_runs, query=RunChoice(numbers=((2, 2),))).plan.files == 2
    assert sum(n for *_, n in places(two_runs)) == 4


def test_a_run_of_a_campaign_is_done_when_its_files_are(two_runs: SmallMachine) -> None:
    create(two_runs, wanted(start_state="placed", query=RunChoice(numbers=((1, 1),))))
    statement = text(
        "select i.state from item i join campaign c on c.id = i.campaign_id where c.name = 'again' and i.scope = 'run'"
    )
    with two_runs.engine.connect() as conn:
        assert list(conn.execute(statement).scalars()) == ["placed"]


def test_a_daemon_carries_on_with_what_nobody_is_at_each_campaign_in_turn(
    two_runs: SmallMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_make, "PAGE", 1)
    for name in ("again", "more"):
        begin(two_runs, wanted(name))
    for _ in range(2):
        assert campaign_make.turn(two_runs.engine)
    assert [sum(n for *_, n in places(two_runs, name)) for name in ("again", "more")] == [1, 1]
    while campaign_make.turn(two_runs.engine):
        pass
    assert (status(two_runs), status(two_runs, "more")) == ("open", "open")
    whole(two_runs)


def test_a_job_that_cannot_be_carried_on_with_fails_with_its_reason_and_blocks_no_other(two_runs: SmallMachine) -> None:
    begun = begin(two_runs, wanted())
    two_runs.sql('update operation set selection = selection || \'{"after": "x"}\' where id = :id', id=begun.job)
    begin(two_runs, wanted("more"))
    while campaign_make.turn(two_runs.engine):
        pass
    assert (status(two_runs), status(two_runs, "more")) == ("open", "open")
    with two_runs.engine.connect() as conn:
        row = conn.execute(text("select status, why from operation where id = :id"), {"id": begun.job}).one()
    assert row.status == "failed"
    assert "Expected `int`" in row.why
