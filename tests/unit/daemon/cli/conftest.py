"""A machine of a few files, and the command line over it."""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from headframe.daemon.cli import main

from ....integration.small_machine import SmallMachine

CONFIG = """
timezone = "Europe/Rome"
[database]
url = "{url}"
[site.source]
path = "source"
kind = "source"
[site.work]
path = "work"
[inbox.raw]
site = "source"
path = "inbox"
pattern = 'run(?P<run>\\d+)_(?P<sequence>\\d+)\\.h5'
[run_type.science]
[run_type.calibration]
bypass = ["salt"]
[worker]
work_site = "work"
"""


class Ended(NamedTuple):
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Headframe = Callable[..., Ended]


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[SmallMachine]:
    made = SmallMachine(database_url, tmp_path)
    made.alive()
    yield made
    made.engine.dispose()


@pytest.fixture
def config_file(database_url: str, tmp_path: Path) -> Path:
    for folder in ("source/inbox", "work"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder).chmod(0o2775)
    file = tmp_path / "headframe.toml"
    file.write_text(CONFIG.format(url=database_url))
    return file


@pytest.fixture
def headframe(machine: SmallMachine, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> Headframe:
    """Run a command in this process."""
    monkeypatch.setenv("HEADFRAME_ACTOR", "anna")

    def run(*arguments: str, config: Path = config_file) -> Ended:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main(["--config", str(config), *arguments])
        code = ended.value.code
        return Ended(int(code or 0), out.getvalue(), err.getvalue())

    return run


def process(config: Path, *arguments: str, shell: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a command as a process of its own, in a pipe to `shell` where one is given."""
    code = "from headframe.daemon.cli import main; main()"
    command = [sys.executable, "-c", code, "--config", str(config), *arguments]
    if not shell:
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    import shlex

    line = f"set -o pipefail; {shlex.join(command)} | {shell}"
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
