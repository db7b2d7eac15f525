"""Which back end is taken, and the reason that is given."""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import pytest

from headframe.daemon.config.launching import LauncherConfig
from headframe.daemon.slurm.choose import choose
from headframe.daemon.slurm.contract import AwayError


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """Give an environment whose scontrol is of SLURM 22.05.8."""
    scontrol = tmp_path / "scontrol"
    scontrol.write_text("#!/bin/sh\necho 'SLURM_VERSION           = 22.05.8'\n")
    scontrol.chmod(0o755)
    return {"PATH": f"{tmp_path}:/usr/bin:/bin"}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give a function that makes pyslurm look installed in a version, or not (`""`)."""

    def set_version(version: str) -> None:
        def give(name: str) -> str:
            if not version:
                raise importlib.metadata.PackageNotFoundError(name)
            return version

        monkeypatch.setattr(importlib.metadata, "version", give)

    return set_version


def test_a_pyslurm_of_the_clusters_version_is_taken(cluster: dict[str, str], installed: Callable[[str], None]) -> None:
    installed("22.5.3")
    chosen = choose(LauncherConfig(), cluster)
    assert chosen.batch.name == "pyslurm"
    assert chosen.reason == "pyslurm 22.5.3 fits the cluster's SLURM 22.05.8"


def test_one_of_another_version_is_left_and_named(cluster: dict[str, str], installed: Callable[[str], None]) -> None:
    installed("25.11.2")
    chosen = choose(LauncherConfig(), cluster)
    assert chosen.batch.name == "commands"
    assert "pyslurm 25.11.2 does not fit the cluster's SLURM 22.05.8: pyslurm 22.5.* is needed" in chosen.reason
    with pytest.raises(AwayError, match="does not fit"):
        choose(LauncherConfig(back_end="pyslurm"), cluster)


def test_without_pyslurm_the_commands_are_taken(cluster: dict[str, str], installed: Callable[[str], None]) -> None:
    installed("")
    chosen = choose(LauncherConfig(), cluster)
    assert (chosen.batch.name, chosen.reason) == ("commands", "SLURM by its commands: pyslurm is not installed")


def test_an_unknown_version_fits_nothing(tmp_path: Path, installed: Callable[[str], None]) -> None:
    installed("22.5.3")
    chosen = choose(LauncherConfig(), {"PATH": str(tmp_path)})
    assert chosen.batch.name == "commands" and "version is not known" in chosen.reason


def test_what_is_configured_is_taken(tmp_path: Path) -> None:
    for name in ("commands", "local"):
        assert choose(LauncherConfig(back_end=name, logs=tmp_path)).batch.name == name  # type: ignore[arg-type]
    address = "unix:/run/slurmrestd"
    assert choose(LauncherConfig(back_end="slurmrestd", slurmrestd=address)).batch.name == "slurmrestd"
    with pytest.raises(AwayError, match="no address"):
        choose(LauncherConfig(back_end="slurmrestd"))
