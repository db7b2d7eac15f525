"""`headframe slurm doctor` before a real SLURM: what is wrong is one line that names it and says what to do."""

import getpass
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .cli_help import Ended, headframe
from .pilot_config import pilot_config
from .servers import wait_until
from .slurm_server import Slurm


def lines(ended: Ended) -> dict[str, str]:
    """Give doctor's findings by what they are about; the first, where it says several."""
    found: dict[str, str] = {}
    for line in ended.out.splitlines():
        row = json.loads(line)
        level = "FAIL" if row["level"] == "fail" else row["level"]
        found.setdefault(row["what"], f"{level} {row['sentence']}; {row['todo']}")
    return found


def doctor(folder: Path, pilot: str = "", *more: str, launcher: str = "") -> dict[str, str]:
    ended = headframe(pilot_config(folder, pilot, launcher), "slurm", "doctor", "-o", "json", *more)
    assert ended.code == 1, ended.out  # nobody answers for the REST API here
    return lines(ended)


def test_a_good_pilot_is_good_in_every_line(slurm: Slurm, tmp_path: Path) -> None:
    said = doctor(tmp_path, 'partition = "main"\ncores = 2\nmemory = "1G"')
    assert said["batch system"].startswith("ok answers, version 2")
    for what in ("partition", "nodes", "account", "script", "trial", "a large one"):
        assert said[f"pilot reco: {what}"].startswith("ok"), said
    assert slurm.jobs() == {}


def test_an_unknown_partition_is_named_by_us_and_by_slurm(slurm: Slurm, tmp_path: Path) -> None:
    said = doctor(tmp_path, 'partition = "nowhere"')
    assert said["pilot reco: partition"].startswith("FAIL there is no partition nowhere that you may see")
    assert "main, urgent; mend pilot.reco.partition" in said["pilot reco: partition"]
    assert "invalid partition specified" in said["pilot reco: trial"]


def test_a_partition_that_is_down_and_one_with_a_shorter_limit_are_said(
    start_slurm: Callable[..., Slurm], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm = start_slurm(nodes=1, partitions=("PartitionName=main Default=YES MaxTime=5",))
    monkeypatch.setenv("SLURM_CONF", str(slurm.config))
    said = doctor(tmp_path, 'partition = "main"')
    assert said["pilot reco: partition"].startswith("FAIL 0-00:10:00 of walltime is more than main allows, 0-00:05:00")
    slurm.scontrol("update", "PartitionName=main", "State=DOWN")
    said = doctor(tmp_path, 'partition = "main"\nwalltime = "0:05:00"')
    assert said["pilot reco: partition"].startswith("FAIL main is DOWN: nothing starts there")


def test_nodes_that_are_down_or_too_small_are_said(slurm: Slurm, tmp_path: Path) -> None:
    assert doctor(tmp_path, "cores = 64")["pilot reco: nodes"].startswith(
        "FAIL the cluster does not have 1 node with 64 cores"
    )
    slurm.scontrol("update", "NodeName=n[1-4]", "State=DRAIN", "Reason=fan")
    assert "can start jobs" in doctor(tmp_path, 'partition = "main"')["pilot reco: nodes"]


def test_a_reservation_is_found_expired_and_others_are_let_in(slurm: Slurm, tmp_path: Path) -> None:
    me = getpass.getuser()
    slurm.scontrol("create", "reservation=mine", "StartTime=now", "Duration=60", f"Users={me}", "Nodes=n1")
    said = doctor(tmp_path, 'reservation = "mine"')
    assert said["pilot reco: reservation"].startswith(f"ok mine lets {me} in until ")
    assert said["pilot reco: nodes"].startswith("ok 1 of 1 node of reservation mine")
    assert said["pilot reco: trial"].startswith("ok")
    slurm.scontrol("create", "reservation=theirs", "StartTime=now", "Duration=60", "Users=nobody", "Nodes=n2")
    said = doctor(tmp_path, 'reservation = "theirs"')
    assert said["pilot reco: reservation"].startswith(f"FAIL theirs does not let user {me} in, but nobody")
    assert said["pilot reco: trial"].startswith("FAIL")


def test_an_expired_reservation_fails_with_what_to_do(slurm: Slurm, tmp_path: Path) -> None:
    me = getpass.getuser()
    slurm.scontrol("create", "reservation=old", "StartTime=now", "Duration=60", f"Users={me}", "Nodes=n1")
    slurm.scontrol("update", "reservation=old", "EndTime=now+1seconds")
    wait_until(lambda: "old" not in slurm.scontrol("show", "reservation") or _is_over(slurm), 60, "it has expired")
    said = doctor(tmp_path, 'reservation = "old"')
    assert said["pilot reco: reservation"].startswith("FAIL ")
    assert "expired" in said["pilot reco: reservation"] or "has ended" in said["pilot reco: reservation"]
    assert "mend pilot.reco.reservation" in said["pilot reco: reservation"]
    assert said["pilot reco: trial"].startswith("FAIL")


def _is_over(slurm: Slurm) -> bool:
    text = slurm.scontrol("--oneliner", "show", "reservation", "old")
    ends = text.partition("EndTime=")[2].split()[0]
    return time.strftime("%Y-%m-%dT%H:%M:%S") > ends


@pytest.mark.parametrize(
    ("limit", "pilot", "said"),
    [
        pytest.param(
            "MaxWall=00:05:00", "", "FAIL QOS tight allows 0-00:05:00, less than 0-00:10:00", marks=pytest.mark.long
        ),
        ("MaxSubmitJobsPerUser=0", "", "FAIL QOS tight allows 0 jobs of a user at a time, waiting or running"),
        pytest.param(
            "MaxSubmitJobsPerUser=2",
            "max = 5",
            "warn QOS tight allows 2 jobs of a user at a time, waiting or running",
            marks=pytest.mark.long,
        ),
    ],
)
def test_limits_of_a_qos_are_said(
    start_slurm: Callable[..., Slurm],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    pilot: str,
    said: str,
) -> None:
    slurm = start_slurm(nodes=1, accounting=True, enforce="associations,limits,qos")
    monkeypatch.setenv("SLURM_CONF", str(slurm.config))
    slurm.sacctmgr("add", "qos", "tight", "set", limit, "Flags=DenyOnLimit")
    slurm.sacctmgr("modify", "user", getpass.getuser(), "set", "qos+=tight")
    found = doctor(tmp_path, f'qos = "tight"\n{pilot}')
    assert found["pilot reco: account"].startswith(said), found


@pytest.mark.long
def test_a_limit_that_slurm_itself_does_not_refuse_is_said_all_the_same(
    start_slurm: Callable[..., Slurm], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm = start_slurm(nodes=1, accounting=True, enforce="associations,limits,qos")
    monkeypatch.setenv("SLURM_CONF", str(slurm.config))
    slurm.sacctmgr("add", "qos", "short", "set", "MaxWall=00:05:00")
    slurm.sacctmgr("modify", "user", getpass.getuser(), "set", "qos+=short")
    wait_until(lambda: "short" in slurm.scontrol("show", "assoc_mgr", "flags=qos"), 60, "slurmctld knows the QOS")
    said = doctor(tmp_path, 'qos = "short"')
    assert said["pilot reco: trial"].startswith("ok")
    assert said["pilot reco: account"].startswith("FAIL QOS short allows 0-00:05:00, less than 0-00:10:00")


@pytest.mark.long
def test_an_account_or_a_qos_that_is_not_ours_is_said(
    start_slurm: Callable[..., Slurm], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm = start_slurm(nodes=1, accounting=True, enforce="associations,limits,qos")
    monkeypatch.setenv("SLURM_CONF", str(slurm.config))
    said = doctor(tmp_path, 'account = "m9999"')
    assert said["pilot reco: account"].startswith("FAIL you may not use account m9999; yours: ")
    assert "FAIL" in said["pilot reco: trial"]
    assert "there is no QOS fast" in doctor(tmp_path, 'qos = "fast"')["pilot reco: account"]


def test_a_line_with_an_open_quote_or_a_newline_is_said_before_anything_is_submitted(
    slurm: Slurm, tmp_path: Path
) -> None:
    said = doctor(tmp_path, "script = ['export A=\"open']")
    assert said["pilot reco: script"].startswith("FAIL pilot.reco.script: bash does not understand it: ")
    said = doctor(tmp_path, 'script = ["echo one\\necho two"]')
    assert "has a line end or a NUL in it; expected one line of shell" in said["configuration"]
    assert slurm.jobs() == {}


def test_a_missing_folder_of_logs_is_said(slurm: Slurm, tmp_path: Path) -> None:
    config = pilot_config(tmp_path)
    (tmp_path / "logs").rmdir()
    ended = headframe(config, "slurm", "doctor")
    assert ended.code == 1
    assert f"FAIL  logs: {tmp_path}/logs is not there" in ended.out
    assert f"mkdir -p {tmp_path}/logs" in ended.out
    assert slurm.jobs() == {}


def test_slurm_away_is_one_line_and_nothing_hangs(slurm: Slurm, tmp_path: Path) -> None:
    slurm.stop_slurmctld()
    said = doctor(tmp_path, launcher="timeout_s = 20")
    assert said["back end"].startswith(("FAIL", "ok"))
    assert "pilot reco: trial" not in said


def test_from_inside_a_job_everything_is_looked_at_and_nothing_is_left(slurm: Slurm, tmp_path: Path) -> None:
    said = doctor(tmp_path, 'partition = "main"\ncores = 2\nmemory = "1G"', "--inside", "--wait", "300")
    inside = {what.partition(": ")[2]: line for what, line in said.items() if " on n" in what}
    for what in ("logs", "site work", "site daq", "headframe", "configuration", "step place", "cores", "clock"):
        assert inside[what].startswith("ok"), said
    assert inside["broker"].startswith("FAIL")
    assert inside["REST API"].startswith("warn")
    assert [path.name for path in (tmp_path / "work").iterdir()] == []
    assert [path.suffix for path in (tmp_path / "logs").iterdir()] == [".log"]  # kept, as the broker failed
    assert all(state in ("COMPLETED", "COMPLETING", "FAILED") for state in slurm.jobs().values())


@pytest.mark.long
def test_a_job_that_does_not_start_is_cancelled_with_slurms_reason(slurm: Slurm, tmp_path: Path) -> None:
    slurm.scontrol("update", "NodeName=n[1-4]", "State=DRAIN", "Reason=fan")
    ended = headframe(pilot_config(tmp_path, 'partition = "main"'), "slurm", "doctor", "--inside", "--wait", "10")
    assert "is PENDING" in ended.out
    assert "pilot reco: job " in ended.err
    wait_until(lambda: set(slurm.jobs().values()) == {"CANCELLED"}, 60, "the job is cancelled")
    assert list((tmp_path / "logs").iterdir()) == []


def test_json_is_a_line_a_finding(slurm: Slurm, tmp_path: Path) -> None:
    ended = headframe(pilot_config(tmp_path), "slurm", "doctor", "-o", "json")
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert {"level", "what", "sentence", "todo"} <= rows[0].keys()
    assert any(row["what"] == "pilot reco: trial" and row["level"] == "ok" for row in rows)


def test_the_token_may_be_named_as_the_launcher_takes_it(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").write_text("t")
    (tmp_path / "mine").chmod(0o600)
    monkeypatch.setenv("HEADFRAME_TOKEN_FILE", str(tmp_path / "mine"))
    assert doctor(tmp_path)["token"].startswith(f"ok {tmp_path}/mine, for its owner alone")


def test_the_script_is_printed_as_it_would_be_submitted(tmp_path: Path) -> None:
    config = pilot_config(tmp_path, 'account = "m1234"\nscript = ["module load python"]')
    ended = headframe(config, "slurm", "script", "reco", "--large")
    assert ended.code == 0
    assert "#SBATCH --account=m1234\n" in ended.out
    assert "#SBATCH --time=0-00:20:00\n" in ended.out
    assert "\nmodule load python\nexec " in ended.out
    assert headframe(config, "slurm", "script", "other").code == 4


@pytest.mark.long
def test_local_processes_are_looked_at_in_the_same_way(tmp_path: Path) -> None:
    config = pilot_config(tmp_path, back_end="local")
    ended = headframe(config, "slurm", "doctor", "--inside", "-o", "json")
    said = lines(ended)
    assert said["back end"].startswith("ok local: it is configured: local processes")
    assert said["pilot reco: trial"].startswith("ok"), said
    assert any(line.startswith("ok") for what, line in said.items() if what.endswith(": step place")), said
    assert not any(what.endswith((": partition", ": account")) for what in said)
