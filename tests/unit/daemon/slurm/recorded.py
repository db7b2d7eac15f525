"""What SLURM answered, cut to what is read: 22.05 as recorded here; 23.11 and later by their OpenAPI documents."""

from typing import Any


def n(number: int | None, infinite: bool = False) -> dict[str, Any]:
    """Give a number as data_parser v0.0.40 and later write it."""
    return {"set": number is not None, "infinite": infinite, "number": number or 0}


SQUEUE_22: dict[str, Any] = {
    "meta": {"plugin": {"type": "openapi/v0.0.38"}, "Slurm": {"release": "22.05.8"}},
    "errors": [],
    "jobs": [
        {
            "job_id": 11,
            "name": "hf-x-1",
            "job_state": "FAILED",
            "state_reason": "NonZeroExitCode",
            "state_description": "",
            "nodes": "n3",
            "restart_cnt": 1,
            "exit_code": 768,
            "submit_time": 1795322006,
            "start_time": 1795322007,
            "end_time": 1795322009,
            "time_limit": 525600,
            "user_name": "root",
        }
    ],
}

SQUEUE_24: dict[str, Any] = {
    "meta": {"plugin": {"type": "", "data_parser": "data_parser/v0.0.42"}, "slurm": {"release": "24.11.1"}},
    "errors": [],
    "warnings": [],
    "jobs": [
        {
            "job_id": 11,
            "name": "hf-x-1",
            "job_state": ["FAILED"],
            "state_reason": "NonZeroExitCode",
            "state_description": "",
            "nodes": "n3",
            "restart_cnt": 1,
            "exit_code": {"status": ["ERROR"], "return_code": n(3), "signal": {"id": n(None), "name": ""}},
            "submit_time": n(1795322006),
            "start_time": n(1795322007),
            "end_time": n(1795322009),
            "time_limit": n(525600),
            "user_name": "root",
        }
    ],
}

SQUEUE_AWAY_22 = """{"meta": {}, "errors": [{"description": "Failed while looking for jobs", "error_number": -1,
 "error": "Unspecified error", "source": "slurm_load_jobs"}], "jobs": []}"""

SACCT_NOTHING_22 = """{"meta": {}, "errors": [{"description": "Nothing found", "error_number": 9003,
 "error": "Nothing found with query", "source": "slurmdb_jobs_get"}], "jobs": []}"""


def sacct(state: object, exit_code: object, times: dict[str, Any]) -> dict[str, Any]:
    """Give a job of sacct, whose shape is the same but for these."""
    memory = [{"type": "cpu", "count": 0}, {"type": "mem", "id": 2, "count": 5_000_000_000, "node": "n3"}]
    return {
        "errors": [],
        "jobs": [
            {
                "job_id": 11,
                "name": "hf-x-1",
                "nodes": "n3",
                "state": {"current": state, "reason": "None"},
                "exit_code": exit_code,
                "time": {"elapsed": 60, "end": 1060, "start": 1000, "submission": 990, **times},
                "required": {"CPUs": 4},
                "tres": {"allocated": [{"type": "cpu", "count": 8}, {"type": "energy", "count": None}]},
                "steps": [
                    {
                        "time": {"total": {"seconds": 30, "microseconds": 500000}},
                        "tres": {"requested": {"max": memory}, "consumed": {"max": []}},
                    },
                    {"time": {"total": {"seconds": 1, "microseconds": 0}}, "tres": {"requested": {"max": []}}},
                ],
            }
        ],
    }


SACCT_22 = sacct("OUT_OF_MEMORY", {"status": "SIGNALED", "return_code": 0, "signal": {"signal_id": 9}}, {})
SACCT_24 = sacct(
    ["OUT_OF_MEMORY"],
    {"status": ["SIGNALED"], "return_code": n(0), "signal": {"id": n(9), "name": "KILL"}},
    {"total": {"seconds": 0, "microseconds": 0}},
)

NODES_22: dict[str, Any] = {
    "nodes": [
        {
            "name": "n1",
            "state": "idle",
            "state_flags": ["DRAIN", "RESERVED"],
            "reason": "broken fan",
            "cpus": 4,
            "real_memory": 4000,
            "partitions": ["main", "urgent"],
        }
    ]
}
NODES_24: dict[str, Any] = {
    "nodes": [
        {
            "name": "n1",
            "state": ["IDLE", "DRAIN", "RESERVED"],
            "reason": "broken fan",
            "cpus": 4,
            "real_memory": 4000,
            "partitions": ["main", "urgent"],
        }
    ]
}

PARTITIONS_22: dict[str, Any] = {
    "partitions": [
        {"name": "main", "state": "UP", "nodes": "n[1-4]", "max_time_limit": 120, "max_memory_per_node": 2000}
    ]
}
PARTITIONS_24: dict[str, Any] = {
    "partitions": [
        {
            "name": "main",
            "partition": {"state": ["UP"]},
            "nodes": {"configured": "n[1-4]", "total": 4},
            "maximums": {"time": n(120), "partition_memory_per_node": n(2000), "memory_per_cpu": 0},
        }
    ]
}

PARTITION_LINES = (
    "PartitionName=main AllowGroups=ALL Default=YES MaxTime=1-02:00:00 Nodes=n[1-4] State=UP TotalNodes=4 "
    "DefMemPerNode=UNLIMITED MaxMemPerNode=2000 TRES=cpu=16,mem=16000M,node=4,billing=16\n"
    "PartitionName=old AllowGroups=ALL MaxTime=UNLIMITED Nodes=(null) State=DOWN MaxMemPerNode=UNLIMITED\n"
)
RESERVATION_LINES = (
    "ReservationName=res1 StartTime=2026-11-22T04:33:24 EndTime=2026-11-22T05:33:24 Duration=01:00:00 Nodes=n[1-2] "
    "NodeCnt=2 Features=(null) Flags=SPEC_NODES Users=root Groups=(null) Accounts=(null) State=ACTIVE\n"
)
