"""The systemd units of the handbook are what systemd takes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from .links import TOP

UNITS = TOP / "examples" / "systemd"
CALLED = ("headframe@conductor.service", "headframe-worker@1.service", "headframe-upgrade.service", "headframe.target")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Give the units with a program that is here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd here")
    for unit in UNITS.iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/headframe/bin/headframe", "/bin/true"))
    return tmp_path


def analyze(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60)


def test_systemd_takes_the_units(units: Path) -> None:
    done = analyze("verify", "--man=no", *(str(units / name) for name in CALLED))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_unit_with_a_mistake_is_found(units: Path) -> None:
    unit = units / "headframe@.service"
    unit.write_text(unit.read_text().replace("RestartSec=", "RestartSecs="))
    assert "RestartSecs" in analyze("verify", "--man=no", str(units / "headframe@conductor.service")).stderr


def test_services_may_little(units: Path) -> None:
    unit = units / "headframe@conductor.service"
    shutil.copy(units / "headframe@.service", unit)
    done = analyze("security", "--offline=true", "--threshold=25", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout


def test_every_process_of_the_units_is_a_command_of_headframe() -> None:
    text = (TOP / "docs" / "install.md").read_text()
    roles = {word.partition("@")[2] for word in text.split() if word.startswith("headframe@")}
    from headframe.daemon.cli.main import SECTIONS

    commands = {name for section in SECTIONS.values() for name in section}
    assert {role for role in roles if role.isalpha()} <= commands
    assert {"conductor", "sweeper", "watch", "web"} <= roles
