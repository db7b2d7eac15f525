from datetime import UTC, datetime
from typing import Any

from headframe.statemachine.views import FileRow, Gaps, MissingFile, Range
from headframe.web.cells import MOST, cells

STATES = ("arrived", "salted", "cataloged")
NO_GAPS = Gaps(ranges=(), files=())


def row(sequence: int, state: str = "arrived", phase: str = "ready", **more: Any) -> FileRow:
    words = ("kind", "campaign", "step", "lane", "owner", "host", "job", "log", "actor", "reason_code", "reason")
    moments = ("trouble_since", "not_before", "submitted_at", "lease_until")
    values: dict[str, Any] = {
        **dict.fromkeys(words, ""),
        **dict.fromkeys(moments),
        **dict.fromkeys(("epoch", "version", "attempts", "failures", "interrupts", "size"), 1),
        "since": datetime(2026, 11, 21, tzinfo=UTC),
        "item": sequence,
        "file": 1000 + sequence,
        "run": 7,
        "sequence": sequence,
        "name": f"f{sequence}",
        "state": state,
        "phase": phase,
        **more,
    }
    return FileRow(**values)


def waived(sequence: int) -> MissingFile:
    return MissingFile(
        name="x", sequence=sequence, expected_size=None, waived=True, waived_by="ann", waived_reason="lost at source"
    )


def test_each_file_is_a_cell_that_leads_to_it_and_says_where_it_stands() -> None:
    (cell,) = cells(
        [row(3, "salted", "failed", reason_code="exit-3")], NO_GAPS, STATES, first=True, last=True, absent="missing"
    )
    assert cell == (1003, "cell failed", "3: salted, failed: exit-3")


def test_missing_files_stand_where_they_should_be() -> None:
    gaps = Gaps(ranges=(Range(first=2, last=3), Range(first=5, last=5)), files=())
    found = cells([row(1), row(4)], gaps, STATES, first=True, last=True, absent="missing")
    assert [cell.label.split(":")[0] for cell in found] == ["1", "2", "3", "4", "5"]
    assert [cell.file for cell in found] == [1001, None, None, 1004, None]


def test_what_an_open_run_still_writes_is_to_come_and_not_missing() -> None:
    gaps = Gaps(ranges=(Range(first=2, last=2),), files=())
    assert cells([row(1)], gaps, STATES, first=True, last=True, absent="coming")[1] == (
        None,
        "cell coming",
        "2: to come",
    )


def test_a_file_declared_missing_says_why() -> None:
    gaps = Gaps(ranges=(), files=(waived(2),))
    found = cells([row(1)], gaps, STATES, first=True, last=True, absent="missing")
    assert found[1] == (None, "cell waived", "2: declared missing: lost at source")


def test_a_page_in_the_middle_shows_only_the_gaps_between_its_files() -> None:
    gaps = Gaps(ranges=(Range(first=1, last=9), Range(first=12, last=12), Range(first=20, last=99)), files=())
    found = cells([row(11), row(13)], gaps, STATES, first=False, last=False, absent="missing")
    assert [cell.label.split(":")[0] for cell in found] == ["11", "12", "13"]


def test_a_gap_of_a_million_does_not_become_a_million_cells() -> None:
    gaps = Gaps(ranges=(Range(first=1, last=1_000_000),), files=())
    assert len(cells([row(0)], gaps, STATES, first=True, last=True, absent="missing")) <= MOST + 1
