"""Dead letters: said once and counted, cleared when they are mended, there again when they come back."""

import secrets

import msgspec
import pytest
from sqlalchemy import text

from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import ArrivedFile, Trouble
from headframe.statemachine.store.arrivals import known, register
from headframe.statemachine.store.dead import bury
from headframe.statemachine.store.operating import Selection, operate
from headframe.statemachine.views import dead_letters

from .small_machine import SmallMachine

BAD = Trouble(code="manifest-invalid", sentence="in/run_1.json: it is no list", subject="in/run_1.json")
MENDED = Trouble(code="manifest-invalid", sentence="mended", subject="in/run_1.json", mended=True)
OTHER = Trouble(code="name-unmatched", sentence="in/x: its name", subject="in/x")


def said(machine: SmallMachine, *troubles: Trouble) -> list[tuple[str, int]]:
    with machine.engine.begin() as conn:
        bury(conn, troubles)
    with machine.engine.connect() as conn:
        return sorted((row.code, row.count) for row in dead_letters(conn).rows)


def test_what_is_mended_clears_its_own_letter(machine: SmallMachine) -> None:
    assert said(machine, BAD, OTHER) == [("manifest-invalid", 1), ("name-unmatched", 1)]
    assert said(machine, MENDED) == [("name-unmatched", 1)]


def test_what_comes_back_stands_again_and_is_counted(machine: SmallMachine) -> None:
    said(machine, BAD)
    said(machine, MENDED)
    assert said(machine, BAD) == [("manifest-invalid", 2)]


def test_the_last_word_of_a_batch_counts(machine: SmallMachine) -> None:
    assert said(machine, BAD, MENDED) == []
    assert said(machine, MENDED, BAD) == [("manifest-invalid", 2)]


def test_what_was_never_said_can_be_mended(machine: SmallMachine) -> None:
    assert said(machine, MENDED) == []


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(code="x" * 5000, sentence="s" * 100_000, subject="".join(chr(0x4E00 + n % 20000) for n in range(3000))),
        Trouble(code="nul\0", sentence="a \0", subject="\0" * 9000, payload="\0\ud800" * 9000),
        Trouble(code="large", sentence="large", subject="large", run=-(2**70), size=2**70, mtime_ns=-(2**70)),
    ],
    ids=["long", "unprintable", "large"],
)
def test_whatever_is_in_a_letter_it_can_be_written_down(machine: SmallMachine, trouble: Trouble) -> None:
    assert [count for _, count in said(machine, trouble)] == [1]
    with machine.engine.connect() as conn:
        (row,) = dead_letters(conn).rows
    assert len(row.subject.encode()) <= 2500


def test_two_long_subjects_with_one_beginning_are_two(machine: SmallMachine) -> None:
    long = "incompressible".join(secrets.token_hex(300) for _ in range(10))
    one, other = (Trouble(code="c", sentence="s", subject=f"{long}{end}") for end in "ab")
    said(machine, one, other)
    with machine.engine.connect() as conn:
        assert len({row.subject for row in dead_letters(conn).rows}) == 2


def test_a_refused_file_with_a_path_too_long_for_a_subject_is_known(machine: SmallMachine) -> None:
    path = "/".join(secrets.token_hex(100) for _ in range(19))
    said(machine, Trouble(code="path-too-long", sentence="it is", subject=path, size=3, mtime_ns=1))
    file = ArrivedFile(site="source", path=path, name="a", run=1, sequence=1, size=3, mtime_ns=1)
    with machine.engine.connect() as conn:
        assert known(conn, [file, msgspec.structs.replace(file, path=path + "x")]) == [True, False]


def taken(machine: SmallMachine, site: str, name: str, **more: int) -> ArrivedFile:
    """Let a file arrive as the conductor does; what it is refused for is written down."""
    facts = {"run": 1, "sequence": 1, "size": 3, "mtime_ns": 1, **more}
    file = ArrivedFile(site=site, path=f"inbox/{name}", name=name, inbox=f"at-{site}", kind="science", **facts)
    with machine.engine.begin() as conn:
        bury(conn, register(conn, [file], machine.book).troubles)
    return file


def test_a_file_refused_at_one_site_is_not_known_at_another(machine: SmallMachine) -> None:
    taken(machine, "source", "a")
    refused = taken(machine, "source", "b")
    with machine.engine.connect() as conn:
        assert known(conn, [refused, msgspec.structs.replace(refused, site="mirror")]) == [True, False]


def test_mirrored_inboxes_have_letters_of_their_own_that_their_own_file_clears(machine: SmallMachine) -> None:
    taken(machine, "source", "a")
    here, there = taken(machine, "source", "b"), taken(machine, "mirror", "b", mtime_ns=2)
    with machine.engine.connect() as conn:
        assert known(conn, [here, there]) == [True, True]
        assert [row.count for row in dead_letters(conn).rows] == [1, 1]
    taken(machine, "mirror", "b", sequence=2, mtime_ns=3)
    with machine.engine.connect() as conn:
        assert [row.payload for row in dead_letters(conn).rows] == ["source:inbox/b"]
        assert known(conn, [here]) == [True]


def test_a_watcher_says_and_mends_for_its_own_site_alone(machine: SmallMachine) -> None:
    one, other = (
        Trouble(code="empty-file", sentence="it is empty", subject="inbox/b", payload=f"{site}:inbox/b")
        for site in ("source", "mirror")
    )
    assert said(machine, one, other) == [("empty-file", 1), ("empty-file", 1)]
    assert said(machine, msgspec.structs.replace(one, mended=True)) == [("empty-file", 1)]
    taken(machine, "source", "b")
    assert said(machine) == [("empty-file", 1)]
    taken(machine, "mirror", "b", run=2)
    assert said(machine) == []


def test_new_content_is_that_of_the_files_own_site(machine: SmallMachine) -> None:
    taken(machine, "source", "a")
    taken(machine, "mirror", "a", run=2)
    taken(machine, "source", "a", size=5, mtime_ns=5)
    taken(machine, "mirror", "a", run=2, size=7, mtime_ns=7)
    reset = {"actor": "anna", "reason": "meant", "state": "arrived", "new_content": True}
    assert operate(machine.engine, Trigger.RESET, Selection(runs=(1,), scope="file"), **reset).changed == 1
    with machine.engine.connect() as conn:
        assert [row.payload for row in dead_letters(conn).rows] == ["mirror:inbox/a"]
        assert conn.execute(text("select size from file order by id")).scalars().all() == [5, 3]
