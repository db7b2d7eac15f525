"""Bad files through the whole tree: one clear line each, nothing partial accepted, no raw byte changed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from headframe.statemachine.lifecycle import Trigger

from .small_disk import again_where_one_may_mount, may_mount, small_disk
from .tree import Tree
from .users import DETECTOR, GROUP, WORKER, own, shared_folder, up_as_worker

Make = Callable[..., Tree]
KEYS = """
[private.salt]
committee_public_key_file = "committee.public"
salt_secret_file = "salt.secret"
"""
PHYSICS = """
[[pipeline.default.step]]
name = "salt"
to = "salted"
owned_by = "file"
[[pipeline.default.step]]
name = "reconstruct"
to = "reconstructed"
[[pipeline.default.step]]
name = "catalog"
to = "cataloged"
makes = "nothing"
"""


def test_the_same_content_under_two_names_is_held_and_released_by_hand(tree: Make) -> None:
    one = tree()
    one.write("run1_science_1", b"the same")
    with one.up():
        one.until_cataloged("run1_science_1")
        one.write("run2_science_1", b"the same")
        before = one.sums()
        one.until_in("placed", "held", ["run2_science_1"])
        answer = one.why_file("run2_science_1")
        assert answer.code == "duplicate-content"
        assert answer.sentence == "it is held because it has the same content as run1_science_1 of run 1"
        assert answer.command == 'headframe release --run 2 --file run2_science_1 --reason "..."'
        one.is_whole(before)
        one.operate(Trigger.RELEASE, "run2_science_1")
        one.until_cataloged("run2_science_1")


def test_of_many_files_with_one_content_that_come_together_exactly_one_goes_on(tree: Make) -> None:
    one = tree(workers=2)
    names = [f"run1_science_{n}" for n in range(1, 9)]
    for name in names:
        one.write(name, b"the same" * 1000)
    before = one.sums()
    with one.up():
        one.until(lambda: len([i for i in one.items(1) if i.phase in ("done", "held")]) == len(names), "all judged")
        one.is_whole(before)
        assert sorted(item.phase for item in one.items(1)) == ["done"] + ["held"] * 7


def test_a_file_rewritten_before_its_first_step_fails_for_good_until_its_new_content_is_taken(tree: Make) -> None:
    one = tree(workers=0)
    path = one.write("run1_science_1", b"as it came")
    with one.up():
        one.until_in("arrived", "submitted", ["run1_science_1"])
        path.write_bytes(b"as it was rewritten")
        before = one.sums()
        letter = one.until_letter("rewritten")
        assert letter.sentence == (
            "run1_science_1 was rewritten after it arrived (10 bytes then, 19 now); what was made from it stays; to "
            "take the new content: headframe reset --file run1_science_1 --to arrived --new-content --reason ..."
        )
        with one.worker():
            one.until_in("arrived", "failed", ["run1_science_1"])
            assert one.item("run1_science_1").reason_code == "input-changed"
            one.operate(Trigger.RESET, "run1_science_1", state="arrived", new_content=True)
            one.until_cataloged("run1_science_1")
            one.is_whole(before)
            assert placed(one, "run1_science_1") == b"as it was rewritten"


def test_a_file_rewritten_after_its_steps_keeps_what_was_made_until_its_new_content_is_taken(tree: Make) -> None:
    one = tree()
    path = one.write("run1_science_1", b"as it came")
    with one.up():
        one.until_cataloged("run1_science_1")
        path.write_bytes(b"as it was rewritten")
        before = one.sums()
        one.until_letter("rewritten")
        one.still_works()
        assert one.item("run1_science_1").phase == "done"
        assert placed(one, "run1_science_1") == b"as it came"
        one.operate(Trigger.RESET, "run1_science_1", state="arrived", new_content=True)
        one.until_cataloged("run1_science_1")
        one.is_whole(before)
        assert placed(one, "run1_science_1") == b"as it was rewritten"


def test_an_empty_file_is_said_and_taken_once_it_has_content(tree: Make) -> None:
    one = tree()
    path = one.write("run1_science_1", b"")
    one.write("run1_science_2")
    before = one.sums()
    with one.up():
        letter = one.until_letter("empty-file")
        assert letter.sentence == "inbox/run1_science_1: it is empty; it is taken once something is in it"
        one.until_cataloged("run1_science_2")
        one.is_whole(before, letters=1)
        path.write_bytes(b"late, but here")
        one.until_cataloged("run1_science_1")
        one.until(lambda: one.letters() == [], "the line gone")


def test_a_file_that_was_promised_and_vanished_is_said(tree: Make) -> None:
    one = tree(inbox="arrival = 'semaphore'")
    path = one.write("run1_science_1")
    one.write("run1_science_2")
    one.write("run999_science_1")
    one.write("run999_science_1.done", b"")
    with one.up():
        one.until_cataloged("run999_science_1")
        path.unlink()
        one.write("run1_science_1.done", b"")
        one.write("run1_science_2.done", b"")
        letter = one.until_letter("file-vanished")
        assert letter.sentence == "inbox/run1_science_1: it was announced and is not there"
        one.until_cataloged("run1_science_2")
        one.is_whole({}, letters=1)


def test_a_file_that_vanishes_after_it_arrived_fails_and_comes_back_with_a_requeue(tree: Make) -> None:
    one = tree(workers=0)
    path = one.write("run1_science_1")
    one.write("run1_science_2")
    with one.up():
        one.until_in("arrived", "submitted", ["run1_science_1", "run1_science_2"])
        aside = path.rename(one.folder / "aside")
        with one.worker():
            one.until_in("arrived", "failed", ["run1_science_1"])
            item = one.item("run1_science_1")
            assert (item.reason_code, item.reason) == (
                "input-missing",
                f"reading run1_science_1: {path} is not there",
            )
            assert [trigger for trigger, _, _ in one.history("run1_science_1")].count("fail") == 2
            one.until_cataloged("run1_science_2")
            aside.rename(path)
            one.operate(Trigger.RESOLVE, "run1_science_1")
            one.until_cataloged("run1_science_1")
            one.is_whole({})


def test_what_may_not_be_read_is_said_and_stops_only_itself(tree: Make) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything; as root the next test does this as another user")
    one = tree()
    before = mixed_inbox(one)
    (one.inbox / "shut").chmod(0)
    with one.up():
        unreadable(one)
    assert one.sums() == before


def test_what_may_not_be_read_is_said_and_stops_only_itself_as_another_user(database_url: str) -> None:
    with shared_folder() as folder:
        one = Tree(folder, database_url)
        one.config.source.chmod(0o644)
        before = mixed_inbox(one)
        for path in (folder, one.inbox, one.inbox / "run1_science_1"):
            os.chown(path, WORKER, GROUP)
        own(folder / "work", WORKER, 0o2775)
        own(one.inbox / "shut", DETECTOR, 0o700)
        try:
            with up_as_worker(folder, one.config.source):
                unreadable(one)
            assert one.sums() == before
        finally:
            one.close()


def mixed_inbox(one: Tree) -> dict[str, str]:
    one.write("run1_science_1")
    shut = one.write("run1_science_2")
    one.write("shut/run1_science_3")
    before = one.sums()
    shut.chmod(0)
    return before


def unreadable(one: Tree) -> None:
    one.until_cataloged("run1_science_1")
    one.until(lambda: len(one.letters()) == 2, "two lines")
    assert sorted((letter.code, letter.sentence) for letter in one.letters()) == [
        ("unreadable", "inbox/run1_science_2: it may not be read by the watcher"),
        ("unreadable", "inbox/shut: the folder cannot be read: Permission denied"),
    ]
    (one.inbox / "shut").chmod(0o755)
    (one.inbox / "run1_science_2").chmod(0o644)
    one.until_cataloged("run1_science_2", "run1_science_3")
    assert one.faults() == []


@pytest.mark.parametrize("place", ["work", "archive"])
def test_a_full_disk_interrupts_and_the_work_is_done_once_there_is_space(
    tree: Make, place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not may_mount(tmp_path / "tried"):
        again_where_one_may_mount(request.node)
        return
    one = tree(place_at=place, sites='[site.archive]\npath = "archive"')
    with small_disk(one.folder / place) as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 750_000)
        names = ["run1_science_1", "run1_science_2"]
        for n, name in enumerate(names):
            one.write(name, bytes([n]) * 400_000)
        before = one.sums()
        with one.up():
            one.until(lambda: {i.reason_code for i in one.items(1)} == {"no-space"}, "no space")
            for item in one.items(1):
                assert item.state == "arrived"
                assert item.phase in ("ready", "submitted", "executing")  # it is tried again and again
                assert item.reason.startswith(f"copying {item.name} to {place}: No space left on device")
            one.until(lambda: one.why_file("run1_science_1").code == "backing-off", "backing off, between its tries")
            # Nothing partial is left that would keep the disk full for the next try.
            one.until(lambda: not [p for p in disk.rglob("run1_*") if p.is_file()], "partial copies gone")
            ballast.unlink()
            one.until_cataloged(*names)
            one.is_whole(before)
            assert "failed" not in {phase for name in names for _, _, phase in one.history(name)}


def test_a_truncated_file_fails_for_good_with_its_reason_and_stays_as_it_is(tree: Make) -> None:
    pytest.importorskip("strax")
    from headframe.consumers.steps.sealing import make_keypair
    from headframe.consumers.tpc.simulate import write_raw

    one = tree(pipeline=PHYSICS, bypass='["salt"]', more=KEYS)
    (one.folder / "committee.public").write_text(make_keypair()[1])
    (one.folder / "salt.secret").write_text("known in this test only")
    good = one.folder / "good.h5"
    for kind in ("science", "calibration"):
        run = 1 if kind == "science" else 2
        for sequence in (1, 2):
            write_raw(good, run=run, sequence=sequence, kind=kind, seed=run * 10 + sequence, events=2, first_event=0)
            content = good.read_bytes()
            one.write(f"run{run}_{kind}_{sequence}", content if sequence == 1 else content[: len(content) // 2])
    before = one.sums()
    with one.up():
        one.until_cataloged("run1_science_1", "run2_calibration_1")
        one.until_in("arrived", "failed", ["run1_science_2"])
        one.until_in("salted", "failed", ["run2_calibration_2"])
        for name in ("run1_science_2", "run2_calibration_2"):
            assert one.item(name).reason_code == "truncated"
            assert name in one.item(name).reason
            assert [trigger for trigger, _, _ in one.history(name)].count("fail") == 1
        assert one.letters() == []
        assert one.sums() == before
        assert one.faults() == []


def test_times_of_files_that_run_backwards_matter_to_nobody(tree: Make) -> None:
    one = tree()
    moments = {1: 4_000_000_000, 2: 1_000_000_000, 3: 1, 4: -86_400, 5: 1_000_000_000}
    for sequence, seconds in moments.items():
        one.write(f"run1_science_{sequence}", changed_at=seconds)
    before = one.sums()
    with one.up():
        one.until_cataloged(*(f"run1_science_{sequence}" for sequence in moments))
        one.write("run1_science_6", changed_at=5)
        one.until_cataloged("run1_science_6")
        one.is_whole(before)


def placed(one: Tree, name: str) -> bytes:
    """Read a file's copy by its readable name."""
    one.until_settled()
    run = name.partition("_")[0].removeprefix("run")
    return (one.folder / "work" / "files" / f"run{int(run):06d}" / "place" / name).read_bytes()
