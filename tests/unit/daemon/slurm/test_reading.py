"""Every generation's JSON reads the same."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from headframe.daemon.slurm import lines, reading
from headframe.daemon.slurm.contract import AwayError, Standing

from . import recorded


@pytest.mark.parametrize("read", [recorded.SQUEUE_22, recorded.SQUEUE_24], ids=["22.05", "24.11"])
def test_a_failed_job_reads_the_same_in_every_generation(read: dict[str, Any]) -> None:
    (job,) = reading.jobs(reading.document(json.dumps(read), "squeue"))
    assert (job.job, job.token, job.standing, job.state) == ("11", "hf-x-1", Standing.ENDED, "FAILED")
    assert (job.code, job.exit_code, job.reason, job.nodes, job.restarts) == ("failed", 3, "NonZeroExitCode", "n3", 1)
    assert job.submitted_at == datetime.fromtimestamp(1795322006, UTC)
    assert job.started_at == datetime.fromtimestamp(1795322007, UTC)
    assert job.ended_at == datetime.fromtimestamp(1795322009, UTC) and job.ends_at is None


@pytest.mark.parametrize("read", [recorded.SACCT_22, recorded.SACCT_24], ids=["22.05", "24.11"])
def test_accounting_reads_the_same_in_every_generation(read: dict[str, Any]) -> None:
    ((seen, used),) = reading.recorded(read)
    assert (seen.code, seen.exit_code) == ("memory", 137)
    assert (used.elapsed_s, used.cpu_s, used.cpus, used.queue_s) == (60.0, 31.5, 8, 10.0)
    assert used.memory_peak == 5_000_000_000


@pytest.mark.parametrize("read", [recorded.NODES_22, recorded.NODES_24], ids=["22.05", "24.11"])
def test_a_drained_node_reads_the_same_in_every_generation(read: dict[str, Any]) -> None:
    (node,) = reading.nodes(read)
    assert (node.name, node.state, node.usable, node.reason) == ("n1", "IDLE+DRAIN+RESERVED", False, "broken fan")
    assert (node.cpus, node.memory, node.partitions) == (4, 4000 * 2**20, ("main", "urgent"))


@pytest.mark.parametrize("read", [recorded.PARTITIONS_22, recorded.PARTITIONS_24], ids=["22.05", "24.11"])
def test_a_partition_reads_the_same_in_every_generation(read: dict[str, Any]) -> None:
    (one,) = reading.partitions(read)
    assert (one.name, one.usable, one.nodes) == ("main", True, "n[1-4]")
    assert (one.walltime_s, one.memory_per_node) == (7200, 2000 * 2**20)


def test_partitions_and_reservations_read_from_scontrols_text() -> None:
    main, old = lines.partitions(recorded.PARTITION_LINES)
    assert (main.name, main.usable, main.walltime_s, main.memory_per_node) == ("main", True, 93600, 2000 * 2**20)
    assert (old.usable, old.nodes, old.walltime_s, old.memory_per_node) == (False, "", 0, 0)
    (one,) = lines.reservations(recorded.RESERVATION_LINES)
    assert (one.name, one.nodes, one.users, one.accounts, one.state) == ("res1", "n[1-2]", "root", "", "ACTIVE")
    assert one.begins_at == datetime(2026, 11, 22, 4, 33, 24, tzinfo=UTC)
    assert lines.reservations("No reservations in the system\n") == ()


def test_an_empty_list_with_an_error_is_no_answer() -> None:
    with pytest.raises(AwayError, match="slurm_load_jobs: Failed while looking for jobs"):
        reading.document(recorded.SQUEUE_AWAY_22, "squeue")


def test_nothing_found_is_an_answer() -> None:
    assert list(reading.recorded(reading.document(recorded.SACCT_NOTHING_22, "sacct"))) == []


@pytest.mark.parametrize("text", ["", "slurm_load_jobs error", "[1, 2]", '{"jobs": ['])
def test_what_is_no_document_is_no_answer(text: str) -> None:
    with pytest.raises(AwayError):
        reading.document(text, "squeue")


@pytest.mark.parametrize(
    ("state", "standing", "code"),
    [
        ("PENDING", "pending", ""),
        (["PENDING", "REQUEUED"], "pending", ""),
        ("REQUEUE_HOLD", "pending", ""),
        ("SPECIAL_EXIT", "pending", ""),
        ("CONFIGURING", "pending", ""),
        (["RUNNING", "CONFIGURING"], "pending", ""),
        ("RUNNING", "running", ""),
        ("SUSPENDED", "running", ""),
        ("RESIZING", "running", ""),
        ("COMPLETING", "running", ""),
        (["FAILED", "COMPLETING"], "running", ""),
        ("A_WORD_OF_LATER", "running", ""),
        ("COMPLETED", "ended", "done"),
        ("CANCELLED by 1000", "ended", "cancelled"),
        ("TIMEOUT", "ended", "walltime"),
        ("DEADLINE", "ended", "walltime"),
        (["OUT_OF_MEMORY"], "ended", "memory"),
        ("PREEMPTED", "ended", "preempted"),
        ("NODE_FAIL", "ended", "node-failed"),
        ("BOOT_FAIL", "ended", "node-failed"),
        ("REVOKED", "ended", "cancelled"),
        ("", "running", ""),
    ],
)
def test_every_state_has_its_meaning(state: object, standing: str, code: str) -> None:
    job = reading.job_seen({"job_id": 1, "name": "hf-a", "job_state": state, "end_time": 5})
    assert (job.standing, job.code) == (standing, code)


@pytest.mark.parametrize(
    ("value", "read"),
    [(None, None), (7, 7), ("7", 7), (recorded.n(7), 7), (recorded.n(None), None), (recorded.n(7, True), None)],
)
def test_numbers_read_in_every_shape(value: object, read: float | None) -> None:
    assert reading.number(value) == read


@pytest.mark.parametrize("value", [4294967294, 4294967295, None, "UNLIMITED", recorded.n(0, True)])
def test_slurms_marks_for_none_are_none(value: object) -> None:
    assert reading.whole(value) == 0 and reading.moment(value) is None
