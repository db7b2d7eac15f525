"""`#SBATCH` lines become fields of slurmrestd's job, or are refused by name."""

from typing import Any

import pytest

from headframe.daemon.slurm.contract import RefusedError
from headframe.daemon.slurm.sbatch_lines import fields, options

from .recorded import n

SCRIPT = """#!/bin/bash
#SBATCH --partition=main
#SBATCH -t 90 --mem=2G
#SBATCH --comment="run 7, \\"late\\"" # why
# SBATCH --qos=not-a-line
#SBATCH --signal=B:USR1@120
echo
#SBATCH --qos=too-late
"""


def test_lines_are_read_up_to_the_first_command() -> None:
    found = {"partition": "main", "time": "90", "mem": "2G", "comment": 'run 7, "late"', "signal": "B:USR1@120"}
    assert options(SCRIPT) == found


def test_each_option_becomes_a_field_of_the_newer_apis() -> None:
    assert fields(SCRIPT, 42) == {
        "partition": "main",
        "time_limit": n(90),
        "memory_per_node": n(2048),
        "comment": 'run 7, "late"',
        "kill_warning_flags": ["BATCH_JOB"],
        "kill_warning_signal": "USR1",
        "kill_warning_delay": n(120),
    }


@pytest.mark.parametrize(
    ("line", "api", "made"),
    [
        ("--time=1-02:00:00", 38, {"time_limit": 1560}),
        ("--time=2:30", 38, {"time_limit": 3}),
        ("--time=1-2", 38, {"time_limit": 1560}),
        ("--time=1:00:01", 38, {"time_limit": 61}),
        ("--nodes=2", 38, {"nodes": [2, 2]}),
        ("-N 2-4", 42, {"minimum_nodes": 2, "maximum_nodes": 4}),
        ("--exclude=n1,n2", 42, {"excluded_nodes": ["n1", "n2"]}),
        ("--cpus-per-task=8 --exclusive", 38, {"cpus_per_task": 8, "exclusive": "exclusive"}),
        ("--open-mode=append", 42, {"open_mode": ["APPEND"]}),
        ("--no-requeue", 42, {"requeue": False}),
        ("--mem=500", 38, {"memory_per_node": 500}),
    ],
)
def test_values_are_written_as_each_api_wants_them(line: str, api: int, made: dict[str, Any]) -> None:
    assert fields(f"#!/bin/sh\n#SBATCH {line}\ntrue\n", api) == made


@pytest.mark.parametrize(
    ("line", "api"),
    [
        ("--signal=B:USR1@120", 38),
        ("--exclude=n1", 38),
        ("--no-requeue", 38),
        ("--bogus", 42),
        ("--time=x", 42),
        ("--mem=lots", 42),
        ('--comment="no end', 42),
        ("--partition=a b", 42),
    ],
)
def test_what_it_cannot_be_told_is_refused(line: str, api: int) -> None:
    with pytest.raises(RefusedError):
        fields(f"#!/bin/sh\n#SBATCH {line}\ntrue\n", api)
