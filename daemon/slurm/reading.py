"""Reading the JSON of SLURM's commands and of slurmrestd, of every generation since 22.05.

Up to 22.05 a state is a word, a time is a number (0: none) and an exit code is what wait(2) gives; later ones give
lists of words, numbers as `{"set", "infinite", "number"}`, and an exit code in parts. Nothing here asks for a version:
each value is taken in any of its shapes, and what is missing reads as nothing.
"""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from . import meanings
from .contract import AwayError, JobSeen, JobUsage, Node, Partition, Reservation, Standing

Json = Mapping[str, Any]
MIB = 2**20
FAR = 2**31 * 2  # NO_VAL and INFINITE of 32 bits lie just below; no memory in MiB and no minutes reach it


def document(text: str, what: str) -> Json:
    """Read what a command printed. Raises `AwayError` if it is no JSON, or tells of errors.

    A command that cannot reach slurmctld may print an empty list and end with 0 (22.05): only its `errors` tell.
    """
    try:
        read = json.loads(text)
    except ValueError:
        raise AwayError(f"{what} gave no JSON, but: {one_line(text)[:300] or 'nothing'}") from None
    if not isinstance(read, dict):
        raise AwayError(f"{what} gave JSON of another shape: {text[:100]}")
    if said := [error_text(error) for error in read.get("errors") or [] if not is_nothing_found(error)]:
        raise AwayError(f"{what} failed: {'; '.join(said)}")
    return read


def is_nothing_found(error: object) -> bool:
    """Say whether this error says only that the answer is empty (slurmdbd's, at 22.05; error 9003)."""
    return isinstance(error, Mapping) and (error.get("error_number") == 9003 or "Nothing found" in str(error))


def error_text(error: object) -> str:
    """Give an error of such a document in one line."""
    if not isinstance(error, dict):
        return one_line(str(error))
    parts = [error.get("source"), error.get("description"), error.get("error")]
    return one_line(": ".join(str(part) for part in parts if part)) or "an error without a word"


def one_line(text: str) -> str:
    """Give a text with its white space made single blanks."""
    return " ".join(text.split())


def number(value: object) -> float | None:
    """Give a number in any of its shapes; nothing where it is not set, or infinite."""
    if isinstance(value, Mapping):
        known = value.get("set", True) and not value.get("infinite", False)
        return number(value.get("number")) if known else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def whole(value: object) -> int:
    """Give a whole number; 0 where there is none, or SLURM's marks for none and for infinite."""
    found = number(value) or 0.0
    return int(found) if 0 <= found < FAR - 10 else 0


def moment(value: object) -> datetime | None:
    """Give a time (UTC), from seconds since 1970; nothing for 0."""
    seconds = number(value)
    if not seconds or not 0 < seconds < FAR - 10:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def words(value: object) -> tuple[str, ...]:
    """Give the words of a state, which is a string or a list of them: `IDLE+DRAIN`, `["IDLE", "DRAIN"]`.

    sacct says `CANCELLED by 1000`.
    """
    parts = value if isinstance(value, list | tuple) else str(value or "").split("+")
    return tuple(str(part).split()[0].upper() for part in parts if str(part).strip())


def text_of(value: object) -> str:
    """Give a text; nothing for none, and for SLURM's words for nothing."""
    if isinstance(value, list | tuple):
        return ",".join(text_of(each) for each in value)
    found = one_line(str(value)) if value is not None else ""
    return "" if found in ("None", "(null)", "N/A") else found


def exit_code(value: object) -> int | None:
    """Give an exit code, 128 and the signal's number for one that a signal ended."""
    if not isinstance(value, Mapping) or "number" in value:
        status = number(value)
        return None if status is None else waited(int(status))
    signal = value.get("signal")
    if isinstance(signal, Mapping) and (by := whole(signal.get("id") or signal.get("signal_id"))):
        return 128 + by
    found = number(value.get("return_code"))
    return None if found is None else int(found)


def waited(status: int) -> int:
    """Give the exit code in what wait(2) gives."""
    return 128 + (status & 127) if status & 127 else status >> 8


def jobs(read: Json) -> Iterator[JobSeen]:
    """Give the jobs of squeue, or of slurmrestd's /jobs."""
    for job in read.get("jobs") or []:
        yield job_seen(job)


def job_seen(job: Json) -> JobSeen:
    """Read one job of slurmctld."""
    state = words(job.get("job_state"))
    how = meanings.standing(state)
    begun, over = how is not Standing.PENDING, how is Standing.ENDED
    ends = moment(job.get("end_time")) if begun else None
    limited = bool(whole(job.get("time_limit")))
    return JobSeen(
        job=str(job.get("job_id", "")),
        token=text_of(job.get("name")),
        standing=how,
        state="+".join(state),
        reason=why(job),
        code=meanings.code(state),
        nodes=text_of(job.get("nodes")) if begun else "",
        restarts=whole(job.get("restart_cnt")),
        exit_code=exit_code(job.get("exit_code")) if over else None,
        submitted_at=moment(job.get("submit_time")),
        # Of one that waits it is when it might start.
        started_at=moment(job.get("start_time")) if begun else None,
        ends_at=ends if limited and not over else None,
        ended_at=ends if over else None,
    )


def why(job: Json) -> str:
    """Give SLURM's sentence about why a job waits, or ended."""
    return ": ".join(filter(None, (text_of(job.get("state_reason")), text_of(job.get("state_description")))))


def recorded(read: Json) -> Iterator[tuple[JobSeen, JobUsage]]:
    """Give the jobs of sacct, as they were seen and with what they used."""
    for job in read.get("jobs") or []:
        yield job_recorded(job), usage(job)


def job_recorded(job: Json) -> JobSeen:
    """Read one job of slurmdbd."""
    state, times = words((job.get("state") or {}).get("current")), job.get("time") or {}
    how = meanings.standing(state)
    over = how is Standing.ENDED
    return JobSeen(
        job=str(job.get("job_id", "")),
        token=text_of(job.get("name")),
        standing=how,
        state="+".join(state),
        reason=text_of((job.get("state") or {}).get("reason")),
        code=meanings.code(state),
        nodes="" if job.get("nodes") == "None assigned" else text_of(job.get("nodes")),
        restarts=whole(job.get("restart_cnt")),
        exit_code=exit_code(job.get("exit_code") or {}) if over else None,
        submitted_at=moment(times.get("submission")),
        started_at=moment(times.get("start")) if how is not Standing.PENDING else None,
        ended_at=moment(times.get("end")) if over else None,
    )


def usage(job: Json) -> JobUsage:
    """Read what a job used: CPU time of all its steps, the highest memory of any task of them."""
    seen, times, steps = job_recorded(job), job.get("time") or {}, job.get("steps") or []
    waited_until = number(times.get("start")) or 0.0
    of_steps = sum(seconds((step.get("time") or {}).get("total")) for step in steps)
    return JobUsage(
        job=seen.job,
        state=seen.state,
        code=seen.code,
        elapsed_s=float(whole(times.get("elapsed"))),
        cpu_s=max(of_steps, seconds(times.get("total"))),
        cpus=allocated_cpus(job),
        memory_peak=max((step_memory(step) for step in steps), default=0),
        queue_s=max(0.0, waited_until - (number(times.get("submission")) or 0.0)) if waited_until else 0.0,
        token=seen.token,
    )


def seconds(value: object) -> float:
    """Give a time in seconds and microseconds as seconds."""
    if not isinstance(value, Mapping):
        return number(value) or 0.0
    return (number(value.get("seconds")) or 0.0) + (number(value.get("microseconds")) or 0.0) / 1e6


def allocated_cpus(job: Json) -> int:
    """Give how many CPUs a job had."""
    allocated = (job.get("tres") or {}).get("allocated") or []
    found = [whole(each.get("count")) for each in allocated if each.get("type") == "cpu"]
    return found[0] if found else whole((job.get("required") or {}).get("CPUs"))


def step_memory(step: Json) -> int:
    """Give the highest memory of any task of a step, in bytes (sacct's MaxRSS). SLURM files it under `requested`."""
    highest = ((step.get("tres") or {}).get("requested") or {}).get("max") or []
    return max((whole_bytes(each.get("count")) for each in highest if each.get("type") == "mem"), default=0)


def whole_bytes(value: object) -> int:
    """Give a number of bytes, which may be more than `whole` lets pass; 0 for SLURM's marks for none."""
    found = number(value) or 0.0
    return int(found) if 0 < found < 2**60 else 0


def nodes(read: Json) -> tuple[Node, ...]:
    """Give the nodes of sinfo (22.05), of scontrol, or of slurmrestd."""
    return tuple(node(each) for each in read.get("nodes") or [])


def node(read: Json) -> Node:
    """Read one node."""
    state = (*words(read.get("state")), *words(read.get("state_flags") or []))
    partitions = read.get("partitions") or []
    return Node(
        name=text_of(read.get("name")),
        state="+".join(dict.fromkeys(state)),
        usable=meanings.usable(state),
        reason=text_of(read.get("reason")),
        cpus=whole(read.get("cpus")),
        memory=whole(read.get("real_memory")) * MIB,
        partitions=tuple(partitions if isinstance(partitions, list) else str(partitions).split(",")),
    )


def partitions(read: Json) -> tuple[Partition, ...]:
    """Give the partitions of scontrol, or of slurmrestd."""
    return tuple(partition(each) for each in read.get("partitions") or [])


def partition(read: Json) -> Partition:
    """Read one partition: its limits lie in `maximums` since 23.02; before, beside the name."""
    most, held = read.get("maximums") or {}, read.get("nodes")
    state = words((read.get("partition") or {}).get("state") or read.get("state"))
    time_limit = most.get("time", read.get("max_time_limit"))
    memory = most.get("partition_memory_per_node", read.get("max_memory_per_node"))
    return Partition(
        name=text_of(read.get("name")),
        state="+".join(state),
        usable=state == ("UP",),
        nodes=text_of(held.get("configured") if isinstance(held, Mapping) else held),
        walltime_s=whole(time_limit) * 60,
        memory_per_node=whole(memory) * MIB,
    )


def reservations(read: Json) -> tuple[Reservation, ...]:
    """Give the reservations of scontrol, or of slurmrestd."""
    return tuple(reservation(each) for each in read.get("reservations") or [])


def reservation(read: Json) -> Reservation:
    """Read one reservation. Its JSON does not say whether it is active: its times do."""
    begins, ends = moment(read.get("start_time")), moment(read.get("end_time"))
    now = datetime.fromtimestamp(time.time(), UTC)
    active = (begins is None or begins <= now) and (ends is None or now < ends)
    return Reservation(
        name=text_of(read.get("name")),
        nodes=text_of(read.get("node_list")),
        users=text_of(read.get("users")),
        accounts=text_of(read.get("accounts")),
        state="ACTIVE" if active else "INACTIVE",
        begins_at=begins,
        ends_at=ends,
    )
