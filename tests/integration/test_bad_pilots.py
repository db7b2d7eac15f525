"""A launcher before a real SLURM whose pilots cannot start: it says why, and does not submit without end."""

import getpass
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from headframe.daemon.config import load
from headframe.daemon.launcher.launcher import Launcher
from headframe.daemon.slurm.commands import Commands
from headframe.daemon.slurm.contract import JobWanted
from headframe.statemachine.piloting import StepDemand

from ..launcher_double import Clock, FakeService
from .pilot_config import pilot_config
from .servers import wait_until
from .slurm_server import Slurm

ROUNDS = 40
EVERY_S = 10.0
FEW = 4
"""In 400 s a name that is refused is tried at 0, 60 and 180 s, and not at 420."""


class Counted(Commands):
    """SLURM's commands, which count how often a job was submitted."""

    submissions = 0

    def submit(self, wanted: JobWanted) -> str:
        self.submissions += 1
        return super().submit(wanted)


class Launched:
    """A launcher with work for many pilots; `step` is some rounds, with the time between them passing at once."""

    def __init__(self, config: Path) -> None:
        self.clock, self.batch = Clock(), Counted()
        self.service = FakeService(self.clock)
        self.service.demand = (StepDemand(step="place", waiting=1000, mean_s=60.0),)
        self.launcher = Launcher(
            load(config, {}), self.batch, self.service, owner="o", host="h", stop=threading.Event(), clock=self.clock
        )

    def step(self, rounds: int = ROUNDS) -> None:
        for _ in range(rounds):
            self.launcher.round()
            self.clock.pass_by(EVERY_S)

    @property
    def trouble(self) -> str:
        return " ".join(self.service.rounds[-1].trouble.values())

    @property
    def reasons(self) -> str:
        return " ".join(row.reason for row in self.service.rows.values())


def test_an_unknown_partition_is_said_and_rarely_tried_again(slurm: Slurm, tmp_path: Path) -> None:
    launched = Launched(pilot_config(tmp_path, 'partition = "nowhere"\nmax = 8'))
    launched.step()
    assert "invalid partition" in (launched.trouble + launched.reasons).lower()
    assert launched.service.rounds[-1].trouble.keys() == {"reco"}
    assert 1 <= launched.batch.submissions <= FEW
    assert slurm.jobs() == {}


def test_an_expired_reservation_is_said_and_rarely_tried_again(slurm: Slurm, tmp_path: Path) -> None:
    me = getpass.getuser()
    slurm.scontrol("create", "reservation=old", "StartTime=now", "Duration=60", f"Users={me}", "Nodes=n1")
    slurm.scontrol("delete", "reservation=old")  # what SLURM itself does with one that is over
    launched = Launched(pilot_config(tmp_path, 'reservation = "old"\nmax = 8'))
    launched.step()
    assert "reservation" in (launched.trouble + launched.reasons).lower()
    assert 1 <= launched.batch.submissions <= FEW


def test_a_limit_of_a_qos_is_said_and_rarely_tried_again(
    start_slurm: Callable[..., Slurm], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm = start_slurm(nodes=1, accounting=True, enforce="associations,limits,qos")
    monkeypatch.setenv("SLURM_CONF", str(slurm.config))
    slurm.sacctmgr("add", "qos", "tight", "set", "MaxWall=00:05:00", "Flags=DenyOnLimit")
    slurm.sacctmgr("modify", "user", getpass.getuser(), "set", "qos+=tight")
    wait_until(lambda: "tight" in slurm.scontrol("show", "assoc_mgr", "flags=qos"), 60, "slurmctld knows the QOS")
    launched = Launched(pilot_config(tmp_path, 'qos = "tight"\nmax = 8'))
    launched.step()
    assert "policy" in (launched.trouble + launched.reasons).lower()
    assert 1 <= launched.batch.submissions <= FEW


def test_a_script_that_bash_cannot_read_is_never_submitted(slurm: Slurm, tmp_path: Path) -> None:
    launched = Launched(pilot_config(tmp_path, "script = ['export A=\"open']\nmax = 8"))
    launched.step(5)
    assert "bash does not understand it" in launched.trouble
    assert launched.batch.submissions == 0
    assert launched.service.rows == {}


def test_without_a_folder_for_logs_nothing_is_submitted(slurm: Slurm, tmp_path: Path) -> None:
    config = pilot_config(tmp_path, "max = 8")
    (tmp_path / "logs").rmdir()
    (tmp_path / "logs").write_text("a file in its place")
    launched = Launched(config)
    launched.step(5)
    assert f"launcher.logs: {tmp_path}/logs cannot be made" in launched.trouble
    assert launched.batch.submissions == 0
    assert slurm.jobs() == {}
