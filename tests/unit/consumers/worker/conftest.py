"""A job for any step, over a folder of the test's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headframe.consumers.steps.api import Content, Input, Job, Location, Site

MakeJob = Callable[..., Job]


@pytest.fixture
def job(tmp_path: Path) -> MakeJob:
    """Makes a job with one raw input at site `daq`, which writes at site `work`: `job(**changes)`."""
    folder = tmp_path / "work" / "attempts" / "1"
    folder.mkdir(parents=True)
    source = tmp_path / "daq" / "in" / "a.h5"
    source.parent.mkdir(parents=True)
    source.write_bytes(b"raw")
    content = Content(role="raw", location=Location(site="daq", path="in/a.h5"), name="a.h5", size=3)

    def make(**changes: Any) -> Job:
        said = {
            "item": 1,
            "epoch": 1,
            "step": "count",
            "scope": "file",
            "campaign": "c",
            "run": 1,
            "kind": "science",
            "name": "a.h5",
            "sequence": 1,
            "inputs": (Input(content=content, path=str(source)),),
            "folder": str(folder),
            "site": "work",
            "folder_path": "attempts/1",
            "sites": {name: Site(name=name, root=str(tmp_path / name)) for name in ("daq", "work")},
        }
        return Job(**{**said, **changes})

    return make
