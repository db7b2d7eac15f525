from headframe.statemachine.views import CellRow, Gaps, MissingFile, Range
from headframe.web.cells import MOST, Cell, cells, drawn

STATES = ("arrived", "salted", "cataloged")
NO_GAPS = Gaps(ranges=(), files=())


def row(sequence: int, state: str = "arrived", phase: str = "ready", reason_code: str = "", tries: int = 0) -> CellRow:
    return CellRow(1000 + sequence, sequence, f"f{sequence}", state, phase, reason_code, 2000 + sequence, tries)


def waived(sequence: int) -> MissingFile:
    return MissingFile(
        name="x", sequence=sequence, expected_size=None, waived=True, waived_by="ann", waived_reason="lost at source"
    )


def test_each_file_is_a_cell_that_leads_to_it_and_says_where_it_stands() -> None:
    (cell,) = cells(
        [row(3, "salted", "failed", reason_code="exit-3")], NO_GAPS, STATES, first=True, last=True, absent="missing"
    )
    assert cell == (1003, "cell failed", "3: salted, failed: exit-3", 2003)


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
        0,
    )


def test_a_file_declared_missing_says_why() -> None:
    gaps = Gaps(ranges=(), files=(waived(2),))
    found = cells([row(1)], gaps, STATES, first=True, last=True, absent="missing")
    assert found[1] == (None, "cell waived", "2: declared missing: lost at source", 0)


def test_a_page_in_the_middle_shows_only_the_gaps_between_its_files() -> None:
    gaps = Gaps(ranges=(Range(first=1, last=9), Range(first=12, last=12), Range(first=20, last=99)), files=())
    found = cells([row(11), row(13)], gaps, STATES, first=False, last=False, absent="missing")
    assert [cell.label.split(":")[0] for cell in found] == ["11", "12", "13"]


def test_a_gap_of_a_million_does_not_become_a_million_cells() -> None:
    gaps = Gaps(ranges=(Range(first=1, last=1_000_000),), files=())
    assert len(cells([row(0)], gaps, STATES, first=True, last=True, absent="missing")) <= MOST + 1


def test_drawn_cells_have_one_tab_stop_and_say_a_label_as_text() -> None:
    shown = [Cell(None, "cell missing", "1: missing"), Cell(7, "cell l0", '2: <b>"x"'), Cell(8, "cell l0", "3: x")]
    html = drawn(shown, "/files/")
    assert [line.partition(" ")[0] for line in html.split("\n")] == ["<span", "<a", "<a"]
    assert 'href="/files/7" data-item="0" aria-label="2: &lt;b&gt;&#34;x&#34;"' in html
    assert html.count('tabindex="-1"') == 1


def test_failed_not_yet_tried_tried_before_and_skipped_are_four_things() -> None:
    rows = [row(1), row(2, tries=2), row(3, "cataloged", "done", "no-events"), row(4, "salted", "failed", "exit-3")]
    found = cells(rows, NO_GAPS, STATES, first=True, last=True, absent="missing")
    assert [cell.label.partition(": ")[2] for cell in found] == [
        "arrived, ready, not yet tried",
        "arrived, ready, to be tried again",
        "cataloged, done, skipped: no-events",
        "salted, failed: exit-3",
    ]
    assert [cell.classes.split()[-1] for cell in found] == ["untried", "again", "skipped", "failed"]
