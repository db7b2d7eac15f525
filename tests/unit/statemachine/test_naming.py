"""Readable names: no two files of a run share one."""

import pytest

from headframe.statemachine.naming import own_name


@pytest.mark.parametrize(
    ("name", "file", "sequence", "given"),
    [
        ("run000007_0003.root", "xams-7-3.h5", 3, "run000007_0003.root"),
        ("xams-7-3.root", "xams-7-3.h5", 3, "xams-7-3.root"),
        ("xams-7-3.h5", "xams-7-3.h5", 3, "xams-7-3.h5"),
        ("plain", "plain", 3, "plain"),
        ("xams-7-31.root", "xams-7-3.h5", 3, "0003_xams-7-31.root"),
        ("out.root", "xams-7-3.h5", 3, "0003_out.root"),
        ("deep/../../out.root", "xams-7-3.h5", 3, "0003_deep_.._.._out.root"),
        ("summary.json", None, None, "summary.json"),
    ],
)
def test_a_product_gets_a_name_of_its_own(name: str, file: str | None, sequence: int | None, given: str) -> None:
    assert own_name(name, 7, file, sequence) == given
