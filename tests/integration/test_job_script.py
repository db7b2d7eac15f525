"""Job scripts in a real SLURM: the shell becomes the pilot, signals reach it, and it is where it was sent."""

import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from headframe.daemon.config import Config
from headframe.daemon.slurm.commands import Commands
from headframe.daemon.slurm.contract import Standing
from headframe.daemon.slurm.script import Wanted, log_path, render

from ..unit.daemon.launcher.small_cluster import configured
from .servers import wait_until
from .slurm_server import Slurm

TOKEN = "hf-headframe-0a1b-0123456789abcdef"
PILOT = f"""#!{sys.executable}
import os, signal, sys
def drain(*_):
    print(os.environ["SLURMD_NODENAME"], "told to drain", flush=True)
    sys.exit(0)
signal.signal(signal.SIGUSR1, drain)
environ = [os.environ.get(name, "") for name in ("SLURMD_NODENAME", "HEADFRAME_CONFIG", "GREETING")]
print(environ[0], "began", *environ[1:], *sys.argv[1:], flush=True)
while True:
    signal.pause()
"""


class Cluster:
    """A private SLURM, and a pilot that only waits to be told something."""

    def __init__(self, slurm: Slurm, folder: Path) -> None:
        self.slurm, self.batch, self.folder = slurm, Commands(environ=slurm.environ), folder
        # Not a blank in its own name: proctrack/linuxproc loses such a process, and so no signal reaches it.
        self.pilot = folder / "a folder" / "pilot.py"
        self.pilot.parent.mkdir()
        self.pilot.write_text(PILOT)
        self.pilot.chmod(self.pilot.stat().st_mode | stat.S_IXUSR)

    def configured(self, **pilot: Any) -> Config:
        launcher = {"logs": "50% of logs", "command": [str(self.pilot)]}
        (self.folder / "50% of logs").mkdir(exist_ok=True)
        small = {"workers": 1, "memory": "100M", "walltime": "0:10:00"}
        return configured(self.folder, launcher, reco={**small, **pilot})

    def submit(self, config: Config, **wanted: Any) -> tuple[str, Path]:
        """Submit a pilot; give its job and its log."""
        job = self.batch.submit(render(config, Wanted(token=TOKEN, name="reco", **wanted)))
        return job, Path(log_path(config, TOKEN, job))

    def ended(self, job: str) -> str:
        """Wait until a job is over; give its code."""
        wait_until(lambda: self.seen(job).standing is Standing.ENDED, 120, f"job {job} ended")
        return self.seen(job).code

    def seen(self, job: str) -> Any:
        (found,) = [each for each in self.batch.find(TOKEN) if each.job == job]
        return found


@pytest.fixture
def cluster(slurm: Slurm, tmp_path: Path) -> Cluster:
    return Cluster(slurm, tmp_path)


def began(log: Path, pilots: int = 1) -> None:
    wait_until(lambda: log.exists() and log.read_text().count(" began ") == pilots, 120, f"{pilots} began in {log}")


def test_the_shell_becomes_the_pilot_and_a_drain_reaches_it(cluster: Cluster) -> None:
    config = cluster.configured(script=["GREETING='good night'", "export GREETING"])
    job, log = cluster.submit(config, expect={"reconstruct": 2.5})
    began(log)
    cluster.batch.drain(job)
    assert cluster.ended(job) == "done"
    first, last = log.read_text().splitlines()
    words = f"began {cluster.folder}/headframe.toml good night --config {cluster.folder}/headframe.toml pilot"
    assert f" {words} --name reco --token {TOKEN} --expect reconstruct=2.5 --walltime 600" in first
    assert last.endswith("told to drain")


@pytest.mark.long
def test_slurm_tells_the_pilot_before_its_walltime_ends(cluster: Cluster) -> None:
    # SLURM looks at times now and then, so a signal due from the beginning on is the quickest.
    config = cluster.configured(walltime="0:02:00", drain_s=119)
    job, log = cluster.submit(config)
    assert cluster.ended(job) == "done"
    assert "told to drain" in log.read_text()


def test_on_several_nodes_each_has_a_pilot_and_all_are_told(cluster: Cluster) -> None:
    job, log = cluster.submit(cluster.configured(nodes=3))
    began(log, 3)
    cluster.batch.drain(job)
    assert cluster.ended(job) == "done"
    assert {line.split()[0] for line in log.read_text().splitlines() if "told to drain" in line} == {"n1", "n2", "n3"}


def test_a_pilot_does_not_go_to_a_node_that_is_set_aside(cluster: Cluster) -> None:
    config = cluster.configured(options=["--exclude=n1", "--comment=night shift"])
    job, log = cluster.submit(config, exclude=("n2", "n3"))
    began(log)
    assert cluster.seen(job).nodes == "n4"
    cluster.batch.cancel(job)
    assert cluster.ended(job) == "cancelled"


@pytest.mark.parametrize(
    ("pilot", "said"),
    [
        ({"partition": "relatime"}, "invalid partition"),
        ({"reservation": "nobody"}, "reservation"),
        ({"constraint": "gpu"}, "feature"),
        ({"options": ["--gres=gpu:8"]}, "gres"),
        ({"options": ["--no-such-option"]}, "unrecognized option"),
    ],
)
def test_what_slurm_does_not_have_is_refused_in_its_words(cluster: Cluster, pilot: dict[str, Any], said: str) -> None:
    from headframe.daemon.slurm.contract import RefusedError

    job = render(cluster.configured(**pilot), Wanted(token=TOKEN, name="reco"))
    for ask in (cluster.batch.try_out, cluster.batch.submit):
        with pytest.raises(RefusedError) as caught:
            ask(job)
        assert said in str(caught.value).lower()
    assert cluster.batch.find(TOKEN) == ()
