"""A tree of no-op steps, to measure the machine itself."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headframe.daemon.config import Config, load
from headframe.daemon.up import Up, running

STEPS = ("one", "two", "three", "four")
STEP = """
[[pipeline.noop.step]]
name = "{name}"
to = "did-{name}"
use = "noop"
makes = "nothing"
parcel = {parcel}
"""
HEAD = """
instance = "bench"
[database]
embedded = "postgres"
[web]
port = 0
[log]
level = "warning"
[site.mine]
path = "mine"
kind = "source"
[site.center]
path = "center"
[inbox.daq]
site = "mine"
path = "inbox"
pattern = '(.*/)?run(?P<run>\\d+)_(?P<sequence>\\d+)\\.raw'
kind = "noop"
[run_type.noop]
pipeline = "noop"
[worker]
work_site = "center"
count = 2
"""


def configured(folder: Path, parcel: int) -> Config:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "headframe.toml"
    path.write_text(HEAD + "".join(STEP.format(name=name, parcel=parcel) for name in STEPS))
    return load(path, {})


@contextmanager
def noop_tree(folder: Path, parcel: int) -> Iterator[Up]:
    stop = threading.Event()
    with running(configured(folder, parcel), stop) as up:
        yield up
