"""Doctor's look at plug-ins: those that the configuration names, and no other."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from headframe.daemon.config import Config, load
from headframe.daemon.plugins import named, plugin_findings

CONFIG = """
[database]
url = "postgresql://127.0.0.1:1/none"
[broker]
url = "memory:"
[site.work]
path = "work"
[worker]
work_site = "work"
[command.mine]
argv = ["true"]
"""
PLAIN = """
[[pipeline.default.step]]
name = "place"
to = "placed"
makes = "copy"
[[pipeline.default.step]]
name = "analyse"
to = "analysed"
use = "command:mine"
"""
PHYSICS = """
[[pipeline.default.step]]
name = "salt"
to = "salted"
options = { salter = "%s" }
[[pipeline.default.step]]
name = "reconstruct"
to = "reconstructed"
"""
LOOK = """
import pathlib, sys
from headframe.daemon.config import load
from headframe.daemon.plugins import plugin_findings
print([found.level for found in plugin_findings(load(pathlib.Path(sys.argv[1]), {}))])
print(sorted({"strax", "numba", "nestpy", "uproot"} & set(sys.modules)))
"""


def config(folder: Path, steps: str) -> Config:
    return load(written(folder, steps), {})


def written(folder: Path, steps: str) -> Path:
    file = folder / "headframe.toml"
    file.write_text(CONFIG + steps)
    return file


def test_steps_name_themselves_and_what_they_call(tmp_path: Path) -> None:
    assert list(named(config(tmp_path, PLAIN))) == [("headframe.steps", "place")]
    assert list(named(config(tmp_path, PHYSICS % "ours"))) == [
        ("headframe.steps", "salt"),
        ("headframe.salters", "ours"),
        ("headframe.steps", "reconstruct"),
        ("headframe.reconstructors", "tpc"),
    ]


def test_what_the_configuration_does_not_name_is_not_loaded(tmp_path: Path) -> None:
    file = written(tmp_path, PLAIN)
    told = subprocess.run([sys.executable, "-c", LOOK, str(file)], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["['ok']", "[]"]


def test_what_is_not_installed_or_does_not_load_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        ("headframe.salters", "bare"): "no_such_package.inside:Salter",
        ("headframe.salters", "broken"): "json:there_is_none",
    }
    installed = metadata.entry_points

    def and_ours(**asked: str) -> object:
        value = points.get((asked["group"], asked["name"]))
        return [metadata.EntryPoint(asked["name"], value, asked["group"])] if value else installed(**asked)

    monkeypatch.setattr(metadata, "entry_points", and_ours)
    told = {
        name: next(each for each in plugin_findings(config(tmp_path, PHYSICS % name)) if name in each.what)
        for name in ("bare", "broken", "none-such")
    }
    assert {name: each.level for name, each in told.items()} == {"bare": "warn", "broken": "fail", "none-such": "fail"}
    assert told["bare"].sentence == "needs no_such_package, which is not installed"
    assert "json:there_is_none" in told["broken"].todo
    assert told["none-such"].sentence == "is not installed"
