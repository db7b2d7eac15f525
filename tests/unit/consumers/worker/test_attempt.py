"""An attempt's folder is its own: nothing that was made before lies in it, is written over or removed."""

import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headframe.consumers.messages import Work, WorkItem
from headframe.consumers.steps.api import InfrastructureError, PayloadError, Result, Site
from headframe.consumers.worker.attempt import Attempt
from headframe.consumers.worker.child import Answer
from headframe.consumers.worker.settings import WorkerSettings
from headframe.statemachine.records import Content, Location, Resources, Usage


def attempt(root: Path, **changes: Any) -> Attempt:
    """Take the same hint, as the same worker; `changes` are of its item."""
    item = WorkItem(
        item=7,
        epoch=2,
        run=1,
        kind="science",
        name="a.h5",
        sequence=1,
        inputs=(),
        folder=Location(site="work", path="attempts/c/run000001/007/7-salt"),
    )
    item = msgspec.structs.replace(item, **changes)
    work = Work(
        step="salt", lane="live", use="salt", scope="file", makes="product", campaign="c", lease_s=60, parcel=(item,)
    )
    settings = WorkerSettings(steps=("salt",), sites={"work": Site(name="work", root=str(root))})
    return Attempt(work, item, "0wner", settings)


def made(tried: Attempt) -> Path:
    """Prepare an attempt and let it write a product."""
    product = Path(tried.prepare().job.folder) / "a.root"
    product.write_text("events")
    return product


def test_a_hint_that_comes_again_is_worked_on_in_another_folder(tmp_path: Path) -> None:
    first = made(attempt(tmp_path))
    again = attempt(tmp_path)
    assert not list(Path(again.prepare().job.folder).iterdir())
    assert first.read_text() == "events"


def test_dropping_a_hint_that_came_again_leaves_what_was_accepted(tmp_path: Path) -> None:
    accepted = made(attempt(tmp_path))
    for end in (Attempt.remove, lambda tried: tried.given_back("drain", "told to leave")):
        again = attempt(tmp_path)
        made(again)
        end(again)
        assert accepted.exists()
    attempt(tmp_path).given_back("drain", "told to leave before it began")
    failing = attempt(tmp_path)
    made(failing)
    failing.outcome(Answer(kind="fail", code="broken"))
    assert accepted.exists()
    assert [path.name for path in accepted.parent.parent.iterdir()] == ["e2-0wner"]


def test_what_others_have_left_beside_a_result_is_named_with_it(tmp_path: Path) -> None:
    tried = attempt(tmp_path)
    folder = made(tried).parent
    for name in ("e1-dead", "e2-other"):
        (folder.parent / name).mkdir()
    for answer in (Answer(kind="succeed", result=Result()), Answer(kind="skip")):
        assert tried.outcome(answer).beside == ("e1-dead", "e2-other")
    assert tried.outcome(Answer(kind="fail", code="broken")).beside == ()


REFUSED = Answer(kind="interrupt", code="unknown-site", reason="no site\0 here\n")


def test_an_attempt_at_a_site_that_this_host_lacks_is_handed_back(tmp_path: Path) -> None:
    for site in ("nowhere", ""):
        lost = attempt(tmp_path, folder=Location(site=site, path="attempts/x"))
        with pytest.raises(InfrastructureError) as caught:
            lost.prepare()
        assert caught.value.code == "unknown-site"
        ended = lost.outcome(REFUSED)
        assert (ended.trigger, ended.log, ended.reason) == ("interrupt", None, "no site  here")


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.EACCES])
def test_an_outcome_is_given_though_its_log_cannot_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def failing(_: Path) -> bool:
        raise OSError(number, "?")

    tried = attempt(tmp_path)
    monkeypatch.setattr(Path, "exists", failing)
    ended = tried.outcome(REFUSED)
    assert (ended.trigger, ended.log) == ("interrupt", tried.log)


def test_no_folder_is_made_where_the_site_of_the_input_is_not_mounted(tmp_path: Path) -> None:
    content = Content(role="salt", location=Location(site="work", path="x/a.root"), name="a.root", size=1)
    with pytest.raises(InfrastructureError) as caught:
        attempt(tmp_path, inputs=(content,)).prepare()
    assert caught.value.code == "site-away"
    assert not list(tmp_path.iterdir())


def test_an_attempt_says_how_long_its_item_had_waited(tmp_path: Path) -> None:
    tried = attempt(tmp_path, ready_at=datetime.now(UTC) - timedelta(hours=1))
    tried.prepare()
    ended = tried.outcome(Answer(kind="skip", usage=Usage(wall_s=2.0, cpu_s=1.0, memory_peak=3)))
    assert ended.usage is not None
    assert (ended.usage.wall_s, ended.usage.cpu_s, ended.usage.memory_peak) == (2.0, 1.0, 3)
    assert 3600 <= ended.usage.queue_s < 3700
    assert tried.started().usage == Usage(queue_s=ended.usage.queue_s)


def test_no_time_in_the_queue_is_negative_where_clocks_differ_or_nobody_said_when_it_began(tmp_path: Path) -> None:
    for ready_at in (datetime.now(UTC) + timedelta(hours=1), None):
        tried = attempt(tmp_path, ready_at=ready_at)
        tried.prepare()
        assert tried.started().usage == Usage(queue_s=0.0)


@pytest.mark.parametrize("large", [False, True])
def test_what_may_use_more_memory_than_a_worker_has_fails_for_good(tmp_path: Path, large: bool) -> None:
    wanting = attempt(tmp_path, resources=Resources(memory=2**30))
    wanting.settings = msgspec.structs.replace(wanting.settings, memory=2**29, large=large, pilot_name="fast")
    with pytest.raises(PayloadError) as caught:
        wanting.prepare()
    assert (caught.value.code, caught.value.permanent) == ("too-little-memory", True)
    assert "1024 MiB of memory, but each worker of pilot fast has 512 MiB" in caught.value.sentence
    raised = "memory or large" if large else "memory"
    assert f"; raise {raised} of [pilot.fast], or lower its workers, then requeue it" in caught.value.sentence
    wanting.settings = msgspec.structs.replace(wanting.settings, memory=2**30)
    assert wanting.prepare().job.resources.memory == 2**30
