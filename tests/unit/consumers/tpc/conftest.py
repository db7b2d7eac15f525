"""Real files of a simulated run, made once for all tests here, and jobs as the worker would give them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uproot

from headframe.consumers.steps.api import Content, Input, Job, Location, Site
from headframe.consumers.steps.files import checksums
from headframe.consumers.steps.sealing import make_keypair
from headframe.consumers.tpc.reconstruction import TpcReconstructor
from headframe.consumers.tpc.simulate import EventTruth, write_raw

SEED = 20260101
KEYS = make_keypair()


@pytest.fixture(scope="session")
def keys() -> tuple[str, str]:
    return KEYS


@pytest.fixture(scope="session")
def science(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[EventTruth, ...]]:
    """A science file of 25 events, run 7, sequence 3, and its truth."""
    path = tmp_path_factory.mktemp("raw") / "run000007_0003.h5"
    print(f"seed {SEED}")
    return path, write_raw(path, run=7, sequence=3, kind="science", seed=SEED, events=25, first_event=75)


@pytest.fixture(scope="session")
def open_trees() -> Callable[[Path], tuple[dict, dict]]:
    """Opens a product: the columns of `events` and of `pulses`."""

    def open_(path: Path) -> tuple[dict, dict]:
        with uproot.open(path) as file:
            return tuple(file[name].arrays(library="np") for name in ("events", "pulses"))

    return open_


@pytest.fixture(scope="session")
def reconstructed(science: Any, tmp_path_factory: pytest.TempPathFactory, open_trees: Any) -> Any:
    target = tmp_path_factory.mktemp("rq") / "rq.root"
    TpcReconstructor({}).reconstruct(science[0], target)
    return open_trees(target)


@pytest.fixture
def job(tmp_path: Path, keys: tuple[str, str]) -> Callable[..., Job]:
    """Makes a job on a file: `job(path, step, **changes)`."""

    def make(path: Path, step: str, *, summed: bool = False, **changes: Any) -> Job:
        folder = tmp_path / "work" / f"{step}.{len(list(tmp_path.glob('work/*')))}"
        folder.mkdir(parents=True)
        content = Content(
            role="raw",
            location=Location(site="local", path=path.name),
            name=path.name,
            size=path.stat().st_size,
            mtime_ns=path.stat().st_mtime_ns,
            checksums=checksums(path)[1] if summed else None,
        )
        given = {
            "item": 1, "epoch": 1, "step": step, "scope": "file", "campaign": "c", "run": 7, "kind": "science",
            "name": path.name, "sequence": 3, "inputs": (Input(content=content, path=str(path)),),
            "folder": str(folder), "site": "local", "folder_path": f"work/{folder.name}", "seed": 5,
            "sites": {"local": Site(name="local", root=str(tmp_path), file_mode=0o640)},
            "private": {"committee_public_key": keys[1], "salt_secret": "known in this pit only"},
        }  # fmt: skip
        return Job(**(given | changes))

    return make
