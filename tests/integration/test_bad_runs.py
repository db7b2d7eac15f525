"""Bad runs and manifests through the whole tree: one clear line each, nothing lost, and what mends it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from headframe.daemon.config import ConfigError
from headframe.statemachine.store import runs
from headframe.statemachine.store.gather import gather

from .tree import MANIFESTS, Tree

Make = Callable[..., Tree]
MANIFEST = "manifest = '(?s:.*/)?run(?P<run>\\d+)\\.json'"
BY_MANIFEST = f"arrival = 'manifest'\n{MANIFEST}"
NOOPS = """
[[pipeline.default.step]]
name = "salt"
use = "noop"
to = "salted"
makes = "nothing"
[[pipeline.default.step]]
name = "place"
to = "placed"
makes = "copy"
owned_by = "file"
[[pipeline.default.step]]
name = "catalog"
to = "cataloged"
makes = "nothing"
"""


def say(one: Tree, number: int, what: Callable[..., object], *words: object) -> None:
    """Say something of a run as `headframe run` does."""
    with one.engine.begin() as conn:
        what(conn, number, *words)
        touched = runs.campaigns_of(conn, number)
    with one.engine.begin() as conn:
        gather(conn, touched)


def test_a_file_before_its_manifest_waits_for_it_and_is_taken_then(tree: Make) -> None:
    one = tree(inbox=f"{BY_MANIFEST}\nmanifest_wait_s = 0.4")
    one.manifest("run999.json", run=999, files=["run999_science_1"])
    one.write("run1_science_1", b"here first")
    before = one.sums()
    with one.up():
        letter = one.until_letter("unannounced")
        assert letter.sentence == "inbox/run1_science_1: no manifest names it; it is taken once one does"
        assert one.items(1) == []
        one.manifest("run1.json", run=1, files=[{"name": "run1_science_1", "size": 10}])
        one.until_cataloged("run1_science_1")
        one.is_whole(before)  # and the line is gone: nobody has to do anything any more


def test_files_whose_manifest_tells_their_type_are_held_until_it_comes(tree: Make) -> None:
    one = tree(pattern=r"run(?P<run>\d+)_(?P<sequence>\d+)", inbox=MANIFEST, more=MANIFESTS)
    one.write("run1_1")
    one.write("run1_2")
    before = one.sums()
    with one.up():
        one.until_in("arrived", "held", ["run1_1", "run1_2"])
        assert one.item("run1_1").reason_code == "run-type-unknown"
        assert one.why_run(1).code == "run-type-unknown"
        one.manifest("run1.json", run=1, type="science", closed=True, files=["run1_1", "run1_2"])
        one.until_cataloged("run1_1", "run1_2")
        one.until(lambda: one.run(1) == ("cataloged", "done"), "run 1 done")
        assert one.letters() == []
        assert one.faults() == []
        assert before.items() <= one.sums().items()


def test_a_run_that_never_ends_says_since_when_and_what_to_do(tree: Make) -> None:
    one = tree(inbox=MANIFEST, more=MANIFESTS)
    began = datetime.now(UTC) - timedelta(hours=30)
    one.manifest("run1.json", run=1, type="science", started=began.isoformat(), ended=None)
    one.write("run1_science_1")
    before = one.sums()
    with one.up():
        one.until_cataloged("run1_science_1")
        one.until(lambda: one.why_run(1).code == "open", "run 1 open")
        answer = one.why_run(1)
        assert answer.sentence == "the detector has not ended it, says manifests"
        assert answer.since == began
        assert answer.command == 'headframe run close 1 --reason "..."'
        assert one.run(1) == ("arrived", "waiting")
        say(one, 1, runs.close, "anna", "the detector crashed")
        one.until(lambda: one.run(1) == ("cataloged", "done"), "run 1 done")
        one.is_whole(before)


def test_a_run_number_used_again_is_said_and_changes_nothing(tree: Make) -> None:
    one = tree(inbox=MANIFEST, more=MANIFESTS)
    said = {"run": 1, "type": "science", "closed": True}
    one.write("run1_science_1")
    one.manifest("run1.json", **said, started="2026-03-01T00:00:00Z", files=["run1_science_1"])
    with one.up():
        one.until(lambda: bool(one.items(1)) and one.run(1) == ("cataloged", "done"), "run 1 done")
        one.write("again/run1_science_1", b"of another year")
        one.manifest("again/run1.json", **said, started="2027-03-01T00:00:00Z", files=["run1_science_1"])
        before = one.sums()
        letter = one.until_letter("run-number-reused")
        assert letter.sentence == (
            "run number 1 is used twice: it was 2026-03-01T00:00:00+00:00, manifests now says "
            "2027-03-01T00:00:00+00:00; nothing was changed: give the later run a number of its own"
        )
        assert "already has run1_science_1" in one.until_letter("name-twice").sentence
        assert one.run(1) == ("cataloged", "done")
        one.is_whole(before, letters=2)


def test_an_unknown_run_type_is_held_and_never_passes_salt_until_somebody_says_what_it_is(tree: Make) -> None:
    one = tree(pipeline=NOOPS, bypass='["salt"]')
    one.write("run1_mystery_1")
    one.write("run2_calibration_1")
    before = one.sums()
    with one.up():
        one.until_in("arrived", "held", ["run1_mystery_1"])
        answer = one.why_run(1)
        assert (answer.code, answer.command) == ("run-type-unknown", 'headframe run reclassify 1 TYPE --reason "..."')
        assert answer.sentence.startswith("type mystery is not configured, so 1 file of it is held: nobody knows")
        one.still_works()
        one.until_cataloged("run2_calibration_1")
        assert one.item("run1_mystery_1").state == "arrived"
        say(one, 1, runs.reclassify, "science", one.config.pipeline_for, "anna", "it was one")
        one.until_cataloged("run1_mystery_1")
        assert ("succeed", "salted", "ready") in one.history("run1_mystery_1")
        assert "bypassed" in {trigger for trigger, _, _ in one.history("run2_calibration_1")}
        assert "bypassed" not in {trigger for trigger, _, _ in one.history("run1_mystery_1")}
        one.is_whole(before)


def test_an_unknown_run_type_goes_on_by_itself_once_it_is_configured(tree: Make) -> None:
    one = tree(pipeline=NOOPS)
    one.write("run1_led_1")
    before = one.sums()
    with one.up():
        one.until_in("arrived", "held", ["run1_led_1"])
    one.configure(pipeline=NOOPS, more="[run_type.led]\nplaced_when = ['work']")
    with one.up():
        one.until_cataloged("run1_led_1")
        assert ("succeed", "salted", "ready") in one.history("run1_led_1")
        one.is_whole(before)


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b'{"run": 1, "files": [', "manifest-unreadable", "it is not JSON: "),
        (b'{"run": 1, "files": [{"name": 7}]}', "manifest-invalid", "files[0].name: expected `str`, got `int`"),
        (b'{"run": 2}', "manifest-invalid", "run: it says 2 but its name says 1"),
    ],
)
def test_a_manifest_that_is_none_is_said_and_its_files_wait(tree: Make, body: bytes, code: str, said: str) -> None:
    one = tree(inbox=BY_MANIFEST)
    one.write("run1.json", body)
    one.write("run1_science_1")
    one.manifest("run999.json", run=999, files=["run999_science_1"])
    before = one.sums()
    with one.up():
        assert said in one.until_letter(code).sentence
        one.is_whole(before, letters=1)
        assert one.items(1) == []
        one.manifest("run1.json", run=1, files=["run1_science_1"])
        one.until_cataloged("run1_science_1")


def test_a_manifest_that_promises_fewer_files_than_came_stops_its_run_until_the_number_is_mended(tree: Make) -> None:
    one = tree(inbox=MANIFEST, more=MANIFESTS)
    names = [f"run1_science_{n}" for n in (1, 2, 3)]
    for name in names:
        one.write(name)
    one.manifest("run1.json", run=1, type="science", closed=True, expected=2, files=names[:2])
    before = one.sums()
    with one.up():
        one.until_cataloged(*names)
        one.until(lambda: one.why_run(1).code == "more-files-than-announced", "too many files")
        answer = one.why_run(1)
        assert answer.sentence == "more files came than were announced: 3, announced were 2"
        assert answer.command == 'headframe run expect 1 3 --reason "..."'
        assert one.run(1) == ("arrived", "waiting")
        say(one, 1, runs.expect, 3, "anna", "the manifest forgot one")
        one.until(lambda: one.run(1) == ("cataloged", "done"), "run 1 done")
        one.is_whole(before)


def test_a_run_that_ends_before_it_starts_is_said_and_cataloged(tree: Make) -> None:
    one = tree(inbox=MANIFEST, more=MANIFESTS)
    one.write("run1_science_1")
    times = {"started": "2026-03-01T02:00:00Z", "ended": "2026-03-01T01:00:00Z"}
    one.manifest("run1.json", run=1, type="science", files=["run1_science_1"], **times)
    before = one.sums()
    with one.up():
        letter = one.until_letter("clock-backwards")
        assert letter.sentence == (
            "run 1: run 1 ends at 2026-03-01T01:00:00+00:00, before it starts at 2026-03-01T02:00:00+00:00"
        )
        one.until_cataloged("run1_science_1")
        one.until(lambda: one.run(1) == ("cataloged", "done"), "run 1 done")
        one.is_whole(before, letters=1)


def test_a_wrong_configuration_key_is_named_with_what_is_allowed(tree: Make) -> None:
    with pytest.raises(ConfigError) as told:
        tree(inbox="arival = 'closed'")
    (line,) = str(told.value).splitlines()
    assert 'inbox.main.arival: is no known key; did you mean "arrival"? allowed: arrival, ' in line
