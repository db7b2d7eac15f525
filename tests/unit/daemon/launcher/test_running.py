"""The launcher as a process: one of a name, its token, its dry run, and how it leaves."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from headframe.client import ClientError, ProblemError, UnreachableError
from headframe.daemon.cli.launching import launcher as command
from headframe.daemon.cli.session import Session
from headframe.daemon.launcher import running
from headframe.daemon.launcher.lock import Lock, LockedError
from headframe.daemon.launcher.service import Renewed
from headframe.statemachine.piloting import Orders, Round

from .small_cluster import SmallCluster, configured

CONFIG = """
[database]
embedded = "pg"
[launcher]
url = "https://headframe.example"
name = "{name}"
[pilot.reco]
steps = ["reconstruct"]
max = 4
workers = 4
partition = "{partition}"
script = ["{line}"]
"""

Headframe = Callable[..., Result]


@pytest.fixture
def headframe(cluster: SmallCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Headframe:
    """Run the command between the doubles, with a lock file of one's own."""
    monkeypatch.setattr(running, "batch", lambda config: cluster.batch)
    monkeypatch.setattr(running, "service", lambda config, token_file: cluster.service)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def run(*arguments: str, name: str = "main", partition: str = "main", line: str = "true") -> Result:
        file = tmp_path / "headframe.toml"
        file.write_text(CONFIG.format(name=name, partition=partition, line=line))
        session = Session(file, {})
        return CliRunner().invoke(command, [*arguments], obj=session, standalone_mode=False)

    return run


def said(result: Result) -> str:
    return f"{result.output}{result.exception or ''}"


def test_a_dry_run_prints_the_scripts_and_what_would_be_done_and_submits_nothing(
    cluster: SmallCluster, headframe: Headframe
) -> None:
    cluster.work(1000, large=1)
    done = headframe("--dry-run", partition="realtime")
    assert done.return_value == 0, said(done)
    assert "--- reco\n#!/bin/bash\n#SBATCH --job-name=hf-headframe-" in done.output
    assert "#SBATCH --partition=realtime\n" in done.output
    assert "--- reco, large\n" in done.output
    assert "--- double: it would start at once" in done.output
    assert "reco: would start 3 pilots, would start 1 large pilot" in done.output
    assert cluster.batch.calls["submit"] == 0 and cluster.service.rows == {}


def test_a_dry_run_says_what_is_wrong(cluster: SmallCluster, headframe: Headframe) -> None:
    cluster.batch.refuse = lambda wanted: "invalid partition specified: relatime"
    done = headframe("--dry-run", partition="relatime")
    assert done.return_value == 1
    assert "--- double: invalid partition specified: relatime" in done.output
    done = headframe("--dry-run", line="echo 'open")
    assert done.return_value == 1
    assert "--- pilot.reco.script: bash does not understand it: " in done.output


def test_a_dry_run_without_the_service_still_prints_the_scripts(cluster: SmallCluster, headframe: Headframe) -> None:
    cluster.service.away = True
    done = headframe("--dry-run")
    assert done.return_value == 6
    assert "#SBATCH --job-name" in done.output
    assert "what it would start cannot be said: https://headframe.example does not answer" in done.output


def test_one_round_submits_and_tells(cluster: SmallCluster, headframe: Headframe) -> None:
    cluster.work(5)
    assert headframe("--once").return_value == 0
    assert cluster.service.status() == {"pending": 1}


def test_one_round_says_what_was_in_the_way(cluster: SmallCluster, headframe: Headframe) -> None:
    cluster.batch.away = True
    done = headframe("--once")
    assert "the batch system does not answer: slurmctld does not answer" in said(done)


def test_who_is_not_let_in_reads_why_and_what_to_do(cluster: SmallCluster, headframe: Headframe) -> None:
    cluster.service.raises = [ProblemError(403, "Forbidden", "this needs the role launcher", {})]
    done = headframe("--once")
    assert done.exception is not None
    assert "does not let launcher main in: this needs the role launcher" in said(done)
    assert "headframe token make launcher --role launcher" in done.exception.next_step  # type: ignore[attr-defined]
    assert done.exception.exit_code == 5  # type: ignore[attr-defined]


def test_there_is_one_launcher_of_a_name_on_a_host(cluster: SmallCluster, headframe: Headframe) -> None:
    with Lock(cluster.config) as lock:
        assert "another launcher main runs on" in said(headframe("--once"))
        assert headframe("--once", name="other").return_value == 0
        assert headframe("--dry-run").return_value == 0
        first = lock.owner()
    with Lock(cluster.config) as lock:
        assert lock.owner() == first


def test_a_lock_ends_with_its_process(cluster: SmallCluster, tmp_path: Path) -> None:
    held = Lock(cluster.config, tmp_path)
    hold = f"f = open({str(held.path)!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); sys.stdin.read()"
    code = f"import fcntl, sys; {hold}"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(LockedError, match="end it first"), held:
            pass
        other.kill()
    with held:
        pass


def test_a_lock_that_is_a_link_of_somebody_else_is_named_with_what_to_do(cluster: SmallCluster, tmp_path: Path) -> None:
    held = Lock(cluster.config, tmp_path)
    held.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LockedError, match="set TMPDIR to a folder of your own"), held:
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_told_to_stop_it_leaves_though_a_call_hangs(
    cluster: SmallCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(running, "LEAVE_S", 0.2)
    monkeypatch.setattr(running, "batch", lambda config: cluster.batch)
    hangs, stop = threading.Event(), threading.Event()

    class Hanging:
        def round(self, launcher: str, round_: Round) -> Orders:
            hangs.set()
            threading.Event().wait(60)
            raise UnreachableError("too late")

    monkeypatch.setattr(running, "service", lambda config, token_file: Hanging())
    leaving = threading.Thread(target=running.run, args=(cluster.config, stop))
    leaving.start()
    assert hangs.wait(30)
    begun = time.monotonic()
    stop.set()
    leaving.join(30)
    assert not leaving.is_alive() and time.monotonic() - begun < 20


def test_what_ends_the_launcher_is_raised(
    cluster: SmallCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(running, "batch", lambda config: cluster.batch)
    monkeypatch.setattr(running, "service", lambda config, token_file: cluster.service)
    cluster.service.raises = [ProblemError(401, "Unauthorized", "the token has expired", {})]
    with pytest.raises(ProblemError, match="expired"):
        running.run(cluster.config, threading.Event())


def test_a_token_that_was_renewed_in_its_file_is_read_again(cluster: SmallCluster) -> None:
    made: list[SmallCluster] = []

    class Old:
        def round(self, launcher: str, round_: Round) -> Orders:
            raise ProblemError(401, "Unauthorized", "the token has expired", {})

    def make() -> object:
        made.append(cluster)
        return Old() if len(made) == 1 else cluster.service

    service = Renewed(make)  # type: ignore[arg-type]
    assert service.round("main", Round()).now == cluster.clock()


def test_a_token_that_is_not_there_is_named(tmp_path: Path) -> None:
    config = configured(tmp_path, {"token_file": "launcher.token"})
    with pytest.raises(ClientError, match=r"launcher\.token"):
        running.service(config)


def test_a_configuration_without_pilots_is_said(headframe: Headframe, tmp_path: Path) -> None:
    file = tmp_path / "none.toml"
    file.write_text('[database]\nembedded = "pg"\n')
    done = CliRunner().invoke(command, ["--once"], obj=Session(file, {}), standalone_mode=False)
    assert "pilot: there is none; add [pilot.<name>] with its steps" in said(done)
