"""The command line, run in the test's own process."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from headframe.daemon.cli import main


class Ended(NamedTuple):
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Give what it printed as JSON."""
        return json.loads(self.out)


def headframe(config: Path, *arguments: str) -> Ended:
    """Run a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(["--config", str(config), *arguments])
    return Ended(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def broker_config(folder: Path, instance: str, **broker: object) -> Path:
    """Write a configuration of little more than a broker; a `password` goes into a file of its own."""
    password = broker.pop("password", None)
    if password is not None:
        (folder / f"{instance}.password").write_text(str(password))
        broker["password_file"] = f"{instance}.password"
    said = "".join(f"{key} = {json.dumps(value)}\n" for key, value in broker.items())
    config = folder / f"{instance}.toml"
    config.write_text(f'instance = "{instance}"\n[database]\nurl = "postgresql://127.0.0.1:1/none"\n[broker]\n{said}')
    return config
