"""Doctor compares what pilots ask for with what a cluster has, by partition, node, reservation and QOS."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headframe.daemon.config.launching import PilotConfig
from headframe.daemon.finding import Finding
from headframe.daemon.slurm.contract import Partition, Reservation
from headframe.daemon.slurm.doctor.back_end import numbers
from headframe.daemon.slurm.doctor.capacity import node_findings, partition_findings
from headframe.daemon.slurm.doctor.hostlist import expand
from headframe.daemon.slurm.doctor.policy import Policy, policy_findings, seconds
from headframe.daemon.slurm.doctor.reservation import reservation_findings

from .double import GIB, configured, node

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MAIN = Partition(name="main", state="UP", usable=True, walltime_s=7200, memory_per_node=16 * GIB)


def pilot(folder: Path, lines: str = "") -> PilotConfig:
    return configured(folder, lines).pilots["reco"]


def of_partition(wanted: PilotConfig, *there: Partition) -> list[Finding]:
    return list(partition_findings("reco", wanted, there))


def test_a_partition_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    (found,) = of_partition(pilot(tmp_path, 'partition = "realtiem"'), MAIN)
    assert (found.level, found.todo) == ("fail", "mend pilot.reco.partition")
    assert found.sentence == "there is no partition realtiem that you may see; there are: main"


def test_a_partition_that_is_down_fails(tmp_path: Path) -> None:
    down = Partition(name="main", state="DOWN", usable=False)
    (found,) = of_partition(pilot(tmp_path, 'partition = "main"'), down)
    assert (found.level, found.sentence) == ("fail", "main is DOWN: nothing starts there")


def test_a_walltime_and_memory_beyond_the_partitions_are_each_said(tmp_path: Path) -> None:
    asked = pilot(tmp_path, 'partition = "main"\nwalltime = "3:00:00"\nmemory = "32G"')
    time, memory = of_partition(asked, MAIN)
    assert time.sentence == "0-03:00:00 of walltime is more than main allows, 0-02:00:00"
    assert time.todo == 'set pilot.reco.walltime = "0-02:00:00" or less'
    assert memory.sentence == "32.0 GiB a node is more than main allows, 16.0 GiB"
    assert {time.level, memory.level} == {"fail"}


def test_only_large_ones_beyond_the_limit_are_worth_a_warning(tmp_path: Path) -> None:
    (found,) = of_partition(pilot(tmp_path, 'partition = "main"\nwalltime = "1:30:00"'), MAIN)
    assert (found.level, found.todo) == ("warn", "lower pilot.reco.large")
    (found,) = of_partition(pilot(tmp_path, 'partition = "main"\nwalltime = "1:00:00"'), MAIN)
    assert (found.level, found.sentence) == ("ok", "main is UP; jobs may run for 0-02:00:00")


@pytest.mark.parametrize(
    ("lines", "level", "said"),
    [
        ("max = 2\ncores = 4", "ok", "2 of 3 nodes of main can take it"),
        ("max = 5\ncores = 2", "warn", "max is 5, but 2 of 3 nodes of main have room for 4 pilots"),
        ('memory = "64G"', "fail", "main does not have 1 node with 1 core and 64.0 GiB; its largest, n1 has 4 cores"),
        ("nodes = 3\nmax = 1", "warn", "fewer than 3 nodes of main can start jobs (such as n3: DOWN, broken fan)"),
        ("exclusive = true\nmax = 3", "warn", "max is 3, but 2 of 3 nodes of main have room for 2 pilots"),
    ],
)
def test_nodes_must_be_large_enough_and_up(tmp_path: Path, lines: str, level: str, said: str) -> None:
    nodes = [node("n1"), node("n2"), node("n3", usable=False)]
    (found,) = node_findings("reco", pilot(tmp_path, lines), nodes, "main")
    assert (found.level, found.sentence[: len(said)]) == (level, said)


def reserved(**fields: object) -> Reservation:
    whole = {"ends_at": NOW + timedelta(days=1), "begins_at": NOW - timedelta(days=1), **fields}
    return Reservation(name="shift", nodes="n[1-2]", **whole)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("there", "level", "said"),
    [
        (reserved(), "ok", "shift lets ann in until 2026-11-23 12:00:00 UTC, with 2 nodes: n[1-2]"),
        (reserved(ends_at=NOW - timedelta(hours=1)), "fail", "shift has expired: it ended 2026-11-22 11:00:00 UTC"),
        (reserved(begins_at=NOW + timedelta(hours=1)), "warn", "shift begins 2026-11-22 13:00:00 UTC: pilots wait"),
        (reserved(ends_at=NOW + timedelta(minutes=5)), "warn", "shift ends 2026-11-22 12:05:00 UTC: a pilot of"),
        (reserved(users="bob,cid"), "fail", "shift does not let user ann in, but bob,cid"),
        (reserved(users="-bob"), "ok", "shift lets ann in"),
        (reserved(accounts="m1"), "fail", "shift does not let account m2 in, but m1"),
        (None, "fail", "there is no reservation shift, or it has ended; there are: none"),
    ],
)
def test_a_reservation_must_be_there_now_and_let_this_user_in(
    tmp_path: Path, there: Reservation | None, level: str, said: str
) -> None:
    wanted = pilot(tmp_path, 'reservation = "shift"\naccount = "m2"')
    (found,) = reservation_findings("reco", wanted, [there] if there else [], "ann", NOW)
    assert (found.level, found.sentence[: len(said)]) == (level, said)


OURS = {"account": "m1", "user": "ann", "partition": "", "qos": "normal,short", "defaultqos": "normal"}
QOS = {name: {"name": name} for name in ("normal", "other")} | {
    "short": {"name": "short", "maxwall": "00:30:00", "maxsubmitjobspu": "2"}
}


@pytest.mark.parametrize(
    ("lines", "level", "said"),
    [
        ('account = "m1"', "ok", "within the limits of QOS normal, account m1"),
        ('account = "m9"', "fail", "you may not use account m9; yours: m1"),
        ('qos = "fast"', "fail", "there is no QOS fast; there are: normal, other, short"),
        ('qos = "other"', "fail", "you may not use QOS other; yours: normal, short"),
        ('qos = "short"', "fail", "QOS short allows 0-00:30:00, less than 0-01:00:00"),
        ('qos = "short"\nwalltime = "0:20:00"\nmax = 3', "warn", "QOS short allows 2 jobs of a user at a time"),
    ],
)
def test_accounts_and_limits_of_a_qos_are_looked_at(tmp_path: Path, lines: str, level: str, said: str) -> None:
    (found,) = policy_findings("reco", pilot(tmp_path, lines), Policy(associations=(OURS,), qos=QOS))
    assert (found.level, found.sentence[: len(said)]) == (level, said)


def test_without_accounting_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    (found,) = policy_findings("reco", pilot(tmp_path), None)
    assert found.level == "ok"


@pytest.mark.parametrize(
    ("text", "said"),
    [("1-02:00:00", 93600), ("02:00:00", 7200), ("30:00", 1800), ("30", 1800), ("1-12", 129600), ("", 0), ("x", 0)],
)
def test_limits_of_time_are_read_as_slurm_writes_them(text: str, said: int) -> None:
    assert seconds(text) == said


def test_lists_of_hosts_are_read_as_slurm_writes_them() -> None:
    assert expand("nid[008-010,12],login1") == ["nid008", "nid009", "nid010", "nid12", "login1"]
    assert expand("r[1-2]n[0-1]") == ["r1n0", "r1n1", "r2n0", "r2n1"]
    assert expand("") == []


def test_releases_of_slurm_and_pyslurm_have_the_same_two_numbers() -> None:
    assert numbers("22.05.8") == numbers("22.5.1") == (22, 5)
    assert numbers("slurm-wlm 25.11.0") == (25, 11)
    assert numbers("") == (0, 0)
