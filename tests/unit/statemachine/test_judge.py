"""What becomes of an arrived file: each case has one verdict, and each trouble one line that names what it is about."""

from types import SimpleNamespace
from typing import Any

import pytest

from headframe.statemachine.records import ArrivedFile, Trouble
from headframe.statemachine.store.judge import Register, Same, judge
from headframe.statemachine.store.pin import RunRow

RUN = RunRow(id=1, number=7, kind="science", known_kind=True, campaign_id=1)


def arrival(**said: Any) -> ArrivedFile:
    found = {"site": "daq", "path": "in/a.h5", "name": "a.h5", "run": 7, "sequence": 1, "size": 10, "mtime_ns": 5}
    return ArrivedFile(**{**found, **said})


def row(**said: Any) -> Any:
    there = {"id": 3, "site": "daq", "path": "in/a.h5", "name": "a.h5", "sequence": 1, "size": 10, "mtime_ns": 5}
    return SimpleNamespace(**{**there, "expected_size": None, "registered_at": "now", **said})


def announced(**said: Any) -> Any:
    return row(**{"site": None, "path": None, "size": None, "mtime_ns": None, "registered_at": None, **said})


def test_a_new_file_is_registered() -> None:
    assert judge(arrival(), RUN, None) == Register()


def test_an_announced_file_becomes_its_row() -> None:
    assert judge(arrival(), RUN, announced(expected_size=10)) == Register(expected=3)
    assert judge(arrival(), RUN, announced(sequence=None)) == Register(expected=3)


def test_the_same_again_changes_nothing_even_after_a_reclassification() -> None:
    assert judge(arrival(), RUN, row()) == Same()
    assert judge(arrival(kind="calibration"), RUN, row()) == Same()


@pytest.mark.parametrize(
    ("code", "found", "there", "numbered"),
    [
        ("kind-mismatch", arrival(kind="led"), None, None),
        ("size-differs", arrival(), announced(expected_size=11), None),
        ("sequence-differs", arrival(), announced(sequence=2), None),
        ("name-twice", arrival(path="in/more/a.h5"), row(), None),
        ("sequence-twice", arrival(path="in/b.h5", name="b.h5"), row(), None),
        ("sequence-twice", arrival(), announced(sequence=None), row(id=4, name="b.h5", path="in/b.h5")),
        ("rewritten", arrival(size=11), row(), None),
        ("rewritten", arrival(mtime_ns=6), row(), None),
    ],
)
def test_each_trouble_has_its_code_and_one_clear_line(code: str, found: ArrivedFile, there: Any, numbered: Any) -> None:
    verdict = judge(found, RUN, there, numbered)
    assert isinstance(verdict, Trouble)
    assert verdict.code == code
    assert found.name in verdict.sentence
    assert "\n" not in verdict.sentence
    assert (verdict.subject, verdict.size, verdict.mtime_ns) == (found.path, found.size, found.mtime_ns)
