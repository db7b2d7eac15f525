"""The page of drills has each drill that can be run, and only those."""

import ast
import re

from .links import TOP


def drills() -> set[str]:
    """Name the drills of the suite."""
    tree = ast.parse((TOP / "tests" / "drills" / "test_drills.py").read_text())
    tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    return {name.removeprefix("test_").replace("_", " ") for name in tests}


def test_every_drill_stands_in_the_handbook_with_what_it_printed() -> None:
    parts = re.split(r"^## ", (TOP / "docs" / "drills.md").read_text(), flags=re.MULTILINE)[1:]
    told = {part.partition("\n")[0].lower(): part for part in parts}
    assert set(told) == drills()
    assert [name for name, part in told.items() if "$ headframe verify --deep" not in part] == []
