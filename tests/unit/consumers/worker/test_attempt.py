"""An attempt's folder is its own: nothing that was made before lies in it, is written over or removed."""

from pathlib import Path

from headframe.consumers.messages import Work, WorkItem
from headframe.consumers.steps.api import Site
from headframe.consumers.worker.attempt import Attempt
from headframe.consumers.worker.child import Answer
from headframe.consumers.worker.settings import WorkerSettings
from headframe.statemachine.records import Location


def attempt(root: Path) -> Attempt:
    """Take the same hint, as the same worker."""
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
