"""Bad names and places through the whole tree: one clear line each, the other files go on, no raw byte changes."""

import os
from collections.abc import Callable
from pathlib import Path

from .tree import Tree

Make = Callable[..., Tree]


def test_a_name_that_does_not_match_is_said_and_the_rest_goes_on(tree: Make) -> None:
    one = tree()
    one.write("run1_science_1.h5")
    one.write("holiday.jpg")
    before = one.sums()
    with one.up():
        letter = one.until_letter("name-unmatched")
        assert letter.subject == "inbox/holiday.jpg"
        assert letter.sentence.startswith("inbox/holiday.jpg: its name does not match")
        one.until_cataloged("run1_science_1.h5")
        one.is_whole(before, letters=1)


def test_a_run_number_that_overflows_is_refused(tree: Make) -> None:
    one = tree()
    one.write(f"run{2**63 - 1}_science_1.h5")
    one.write(f"run{2**63}_science_1.h5")
    before = one.sums()
    with one.up():
        letter = one.until_letter("run-number-out-of-range")
        assert letter.sentence == f"inbox/run{2**63}_science_1.h5: its run number {2**63} is larger than {2**63 - 1}"
        one.until_cataloged(f"run{2**63 - 1}_science_1.h5")
        one.is_whole(before, letters=1)


def test_of_one_name_with_two_contents_the_first_is_taken_and_the_second_is_said(tree: Make) -> None:
    one = tree()
    one.write("a/run1_science_1.h5", b"the first")
    with one.up():
        one.until_cataloged("run1_science_1.h5")
        one.write("b/run1_science_1.h5", b"quite another")
        before = one.sums()
        letter = one.until_letter("name-twice")
        assert letter.sentence == (
            "run 1 already has run1_science_1.h5, from inbox/a/run1_science_1.h5; inbox/b/run1_science_1.h5 was not "
            "taken: give it a name and a sequence number of its own, or remove it"
        )
        one.is_whole(before, letters=1)
        assert [item.name for item in one.items(1)] == ["run1_science_1.h5"]


def test_of_one_name_met_twice_in_one_look_exactly_one_is_taken(tree: Make) -> None:
    one = tree()
    one.write("a/run1_science_1.h5", b"the first")
    one.write("b/run1_science_1.h5", b"quite another")
    before = one.sums()
    with one.up():
        one.until_letter("name-twice")
        one.until_cataloged("run1_science_1.h5")
        one.is_whole(before, letters=1)
        assert len(one.items(1)) == 1


def test_a_sequence_number_used_twice_is_said(tree: Make) -> None:
    one = tree()
    one.write("run1_science_1.h5")
    with one.up():
        one.until_cataloged("run1_science_1.h5")
        one.write("run1_science_1-again.h5")
        before = one.sums()
        letter = one.until_letter("sequence-twice")
        assert letter.sentence == (
            "run 1 already has sequence 1: run1_science_1.h5; run1_science_1-again.h5 was not taken: give it a "
            "sequence number of its own, or remove it"
        )
        one.is_whole(before, letters=1)


def test_unicode_spaces_newlines_and_dots_in_names_go_all_the_way(tree: Make) -> None:
    one = tree()
    names = [
        "run1_science_1 é∂ 🦀.h5",
        "run1_science_2 a  b .h5",
        "run1_science_3\nsecond line.h5",
        "run1_science_4..h5",
        "run1_science_5'; drop table run; --",
        "run1_science_6" + "x" * 241,
        "run1_science_7\u202egnp.h5",
    ]
    for name in names:
        one.write(f"deep down/{name}")
    before = one.sums()
    with one.up():
        one.until_cataloged(*names)
        one.is_whole(before)
        links = one.folder / "work" / "files" / "run000001" / "place"
        assert {path.name: path.read_bytes() for path in links.iterdir()} == {
            name: (one.inbox / "deep down" / name).read_bytes() for name in names
        }


def test_a_name_that_is_not_utf8_is_said(tree: Make) -> None:
    one = tree()
    bad = one.write(os.fsdecode(b"run1_science_1\xff.h5"))
    one.write("run1_science_2")
    with one.up():
        letter = one.until_letter("name-not-utf8")
        assert letter.subject == r"inbox/run1_science_1\xff.h5"
        one.until_cataloged("run1_science_2")
        one.is_whole({}, letters=1)
    assert bad.exists()


def test_a_manifest_that_names_a_file_outside_the_inbox_gets_only_what_is_inside(tree: Make, tmp_path: Path) -> None:
    one = tree(inbox="arrival = 'manifest'\nmanifest = '(?s:.*/)?run(?P<run>\\d+)\\.json'")
    (one.inbox.parent / "run1_science_2").write_bytes(b"not the detector's")
    one.write("run1_science_1")
    one.manifest("run1.json", run=1, files=["run1_science_1", "../run1_science_2", "/etc/passwd"])
    one.manifest("run999.json", run=999, files=["run999_science_1"])
    before = one.sums()
    with one.up():
        one.until_cataloged("run1_science_1")
        one.until(lambda: one.letters() != [], "a dead letter")
        assert {letter.code for letter in one.letters()} == {"outside-inbox"}
        one.is_whole(before, letters=len(one.letters()))
        assert [item.name for item in one.items(1)] == ["run1_science_1"]


def test_symbolic_links_that_lead_out_of_the_inbox_are_refused(tree: Make, tmp_path: Path) -> None:
    one = tree(inbox="follow_symlinks = true")
    secret = tmp_path / "secret"
    secret.write_bytes(b"not the detector's")
    (one.inbox / "run1_science_1").symlink_to(secret)
    one.write("run1_science_2")
    one.write("kept/original", b"in the inbox")
    (one.inbox / "run1_science_3").symlink_to("kept/original")
    with one.up():
        letter = one.until_letter("outside-inbox")
        assert letter.sentence == "inbox/run1_science_1: a symbolic link leads out of the inbox"
        one.until_cataloged("run1_science_2", "run1_science_3")
        assert {item.name for item in one.items(1)} == {"run1_science_2", "run1_science_3"}
        assert secret.read_bytes() == b"not the detector's"
