import csv
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headframe.web.exports import FORMULA, as_csv, as_json, cell


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", '=HYPERLINK("http://x")']
)
def test_what_a_spreadsheet_takes_for_a_formula_is_text(name: str) -> None:
    assert cell(name) == f"'{name}"


def test_numbers_and_times_are_written_as_they_are() -> None:
    assert cell(-3) == "-3"
    assert cell(None) == ""
    assert cell(datetime(2026, 11, 21, 12, tzinfo=UTC)) == "2026-11-21T12:00:00+00:00"


@given(st.lists(st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"])), min_size=1))
def test_any_text_comes_back_from_csv_and_json(names: list[str]) -> None:
    rows = [{"name": name} for name in names]
    read = [row["name"] for row in csv.DictReader(io.StringIO("".join(as_csv(iter(rows)))))]
    assert read == [f"'{name}" if name.startswith(FORMULA) else name for name in names]
    assert json.loads(b"".join(as_json(iter(rows)))) == rows


def test_no_rows_are_an_empty_list() -> None:
    assert json.loads(b"".join(as_json(iter(())))) == []
