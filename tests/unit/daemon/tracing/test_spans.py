"""Spans: their ids follow from names, and their times never contradict each other, whatever clocks say."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import StatusCode

from headframe.daemon.tracing.ids import span_id, trace_id
from headframe.daemon.tracing.spans import Writer, times
from headframe.statemachine.views.journeys import Happened, Journey, Tried

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


TRIED = Tried(
    epoch=1,
    step="place",
    owner="w1",
    host="n1",
    job="",
    ready_at=at(10),
    began_at=at(20),
    ended_at=at(32),
    worked_s=10.0,
    outcome="succeeded",
    code="",
    reason="",
)
WAY = Journey(
    item=5,
    run=7,
    file="run7_1.raw",
    kind="science",
    campaign="realtime",
    lane="live",
    again=0,
    closed_at=at(0),
    began_at=at(10),
    first_state="arrived",
    ended_at=at(33),
    state="placed",
    phase="done",
    code="",
    reason="",
    attempts=(TRIED,),
    events=(),
)


def changed(**values: object) -> Tried:
    return msgspec.structs.replace(TRIED, **values)


@pytest.mark.parametrize(
    ("tried", "began", "ended"),
    [
        (TRIED, 20, 30),
        (changed(began_at=at(5000)), 22, 32),  # the worker's clock is ahead
        (changed(began_at=at(-5000)), 22, 32),  # or behind
        (changed(worked_s=None), 20, 32),  # lost: nobody measured
        (changed(began_at=None, worked_s=None), 32, 32),  # never begun
        (changed(worked_s=1e12), 10, 32),  # no step can have worked for longer than there was time
        (changed(worked_s=-4.0), 20, 20),
        (changed(ready_at=None), 20, 30),
    ],
)
def test_an_attempt_lasts_as_long_as_was_measured_between_ready_and_ended(
    tried: Tried, began: float, ended: float
) -> None:
    assert times(tried) == (at(began), at(ended))


seconds = st.floats(-1e7, 1e7, allow_nan=False)


@given(st.none() | seconds, st.none() | seconds, seconds, st.none() | st.floats(allow_nan=False))
def test_no_clock_makes_an_attempt_end_before_it_begins(
    ready: float | None, began: float | None, ended: float, worked: float | None
) -> None:
    tried = changed(
        ready_at=None if ready is None else at(min(ready, ended)),
        began_at=None if began is None else at(began),
        ended_at=at(ended),
        worked_s=worked,
    )
    first, last = times(tried)
    assert (tried.ready_at or first) <= first <= last <= tried.ended_at


def test_ids_are_the_same_in_every_process_and_of_each_file_its_own() -> None:
    one, other = Writer("lz", 1.0).spans(WAY), Writer("lz", 1.0).spans(WAY)
    assert [span.context for span in one] == [span.context for span in other]
    assert one[0].context.trace_id == trace_id("lz", "realtime", "7/run7_1.raw")
    ids = {
        trace_id(*parts)
        for parts in (
            ("lz", "realtime", "7/run7_1.raw"),
            ("lz", "realtime", "7/run7_2.raw"),
            ("lz", "again", "7/run7_1.raw"),
            ("xe", "realtime", "7/run7_1.raw"),
            ("lzr", "ealtime", "7/run7_1.raw"),
        )
    }
    assert len(ids) == 5
    assert span_id(1, "place", "5/1") != span_id(1, "place", "5/11") != span_id(11, "place", "5/1")


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 1000))
def test_what_a_small_share_has_a_larger_one_has_too(one: float, other: float, sequence: int) -> None:
    way = msgspec.structs.replace(WAY, file=f"run7_{sequence}.raw")
    few, many = (len(Writer("lz", share).spans(way)) for share in sorted((one, other)))
    assert few in (0, 4) and many in (0, 4) and few <= many


def test_a_share_is_of_the_files() -> None:
    writer = Writer("lz", 0.25)
    ways = [msgspec.structs.replace(WAY, file=f"run7_{n}.raw") for n in range(2000)]
    assert 420 < sum(bool(writer.spans(way)) for way in ways) < 580
    assert not any(Writer("lz", 0.0).spans(way) for way in ways[:100])


def test_what_an_operator_said_of_who_did_it_stays_here() -> None:
    held = Happened(at=at(15), trigger="hold", state="arrived", code="")
    way = msgspec.structs.replace(WAY, events=(held,))
    (root,) = (span for span in Writer("lz", 1.0).spans(way) if span.parent is None)
    assert [(event.name, dict(event.attributes or {})) for event in root.events] == [("hold", {"state": "arrived"})]


def test_what_is_handed_back_is_no_error_and_what_is_lost_is() -> None:
    for code, error in (("drain", False), ("preempted", False), ("lost-lease", True)):
        tried = changed(outcome="interrupted", code=code, reason="so it is")
        spans = Writer("lz", 1.0).spans(msgspec.structs.replace(WAY, attempts=(tried,)))
        (step,) = (span for span in spans if span.name == "place")
        assert (step.status.status_code is StatusCode.ERROR) is error
        assert (step.status.description == f"{code}: so it is") is error


def test_a_runs_own_item_is_named_by_its_run() -> None:
    way = msgspec.structs.replace(WAY, file=None, closed_at=None)
    spans = Writer("lz", 1.0).spans(way)
    (root,) = (span for span in spans if span.parent is None)
    assert root.name == "run"
    assert (root.attributes or {})["trace"] == "7/run000007"
    assert [span.name for span in spans] == ["waiting place", "place", "run"]
