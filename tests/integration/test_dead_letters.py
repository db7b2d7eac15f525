"""Dead letters: said once and counted, cleared when they are mended, there again when they come back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headframe.statemachine.records import Trouble
from headframe.statemachine.store.dead import bury
from headframe.statemachine.views import dead_letters

from .small_machine import SmallMachine

BAD = Trouble(code="manifest-invalid", sentence="in/run_1.json: it is no list", subject="in/run_1.json")
MENDED = Trouble(code="manifest-invalid", sentence="mended", subject="in/run_1.json", mended=True)
OTHER = Trouble(code="name-unmatched", sentence="in/x: its name", subject="in/x")


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    made = SmallMachine(database_url, tmp_path)
    yield made
    made.engine.dispose()


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
