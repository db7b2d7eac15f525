"""A launcher between the doubles, and a cluster whose jobs start and end when told to."""

import threading
from pathlib import Path
from typing import Any

from headframe.daemon.config import Config
from headframe.daemon.config.load import build
from headframe.daemon.launcher.launcher import Launcher
from headframe.statemachine.piloting import LivePilot, StepDemand

from ....launcher_double import Clock, FakeBatch, FakeService

PILOT = {"steps": ["reconstruct"], "max": 4, "workers": 4, "walltime": "4:00:00", "within_s": 600}


def configured(folder: Path, launcher: dict[str, Any] | None = None, **pilots: dict[str, Any]) -> Config:
    table = {
        "database": {"embedded": "pg"},
        "site": {"work": {"path": "work"}},
        "worker": {"work_site": "work"},
        "launcher": {"url": "https://headframe.example", **(launcher or {})},
        "pilot": {name: {**PILOT, **pilot} for name, pilot in (pilots or {"reco": {}}).items()},
    }
    return build(table, {}, folder, folder / "headframe.toml")


class SmallCluster:
    """`step` is a round and the interval after it."""

    def __init__(self, folder: Path, launcher: dict[str, Any] | None = None, **pilots: dict[str, Any]) -> None:
        self.clock = Clock()
        self.batch, self.service = FakeBatch(self.clock), FakeService(self.clock)
        self.stop = threading.Event()
        self.config = configured(folder, launcher, **pilots)
        self.launcher = self.started(self.config)

    def started(self, config: Config) -> Launcher:
        self.launcher = Launcher(
            config, self.batch, self.service, owner="o1", host="login1", stop=self.stop, clock=self.clock
        )
        return self.launcher

    def step(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.launcher.round()
            self.clock.pass_by(self.config.launcher.interval_s)

    def work(self, waiting: int, mean_s: float = 60.0, **more: Any) -> None:
        self.service.demand = (StepDemand(step="reconstruct", waiting=waiting, mean_s=mean_s, **more),)

    def row(self, token: str = "") -> LivePilot:
        return self.service.rows[token] if token else next(iter(self.service.rows.values()))

    @property
    def rows(self) -> list[LivePilot]:
        return list(self.service.rows.values())

    @property
    def trouble(self) -> dict[str, str]:
        return self.service.rounds[-1].trouble
