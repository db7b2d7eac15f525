"""What SLURM's complaints mean: a definite no, nobody there, or nobody knows.

Only what SLURM certainly did not take is a refusal or an absence. "Socket timed out" may come after it accepted a
job (seen: the job was there), so that and every text that is not known is unclear.
"""

import re

from .contract import AwayError, BatchError, RefusedError, UnclearError

PREFIX = re.compile(r"^(sbatch|scancel|squeue|sinfo|sacct|scontrol)(: (error|fatal|info|debug))?: ", re.IGNORECASE)
SUBMISSION = "Batch job submission failed: "

# slurm_strerror's texts of errors with which slurmctld turns a job away before it has written one down.
REFUSED = re.compile(
    r"^(Invalid (partition|qos|account|feature|node|license|generic|user|group|wckey|wckey|job dependency|Trackable"
    r"|directory|authentication|time|array|dependency|burst|cluster|memory|number|argument|name)"
    r"|Requested (reservation|node configuration|partition configuration|time limit|GRES)"
    r"|Access/permission denied|Access denied|User'?s group|Job violates accounting/QOS policy"
    r"|Required (partition|node|reservation)|Node count specification|More processors requested|Task count spec"
    r"|Memory required|Pathname of a file|Incompatible versions|Unable to allocate resources: Invalid"
    r"|Reservation |Job size specification|No partition specified|CPU count per node|Duplicate job"
    r"|Association |Job dependency|Feature|Requested operation not permitted|Batch script|Too many )",
    re.IGNORECASE,
)
OPTIONS = re.compile(
    r"unrecognized option|invalid option|ambiguous|requires an argument|doesn't allow an argument"
    r"|Invalid --|Invalid (numeric|time|count|generic)|does not look like a batch script|script is empty"
    r"|can't be reached now|Unable to open file|No such file|is not valid|not understood",
    re.IGNORECASE,
)
AWAY = re.compile(
    r"\(connect failure\)|temporarily unable to accept job|Could not establish a configuration source"
    r"|Unable to process configuration file|failed to fetch config|Problem talking to the database"
    r"|Slurm backup controller in standby",
    re.IGNORECASE,
)


def said(text: str) -> str:
    """Give what a command complained of in one line, without its own name before each."""
    lines = [PREFIX.sub("", line.strip()).replace(SUBMISSION, "") for line in text.splitlines()]
    return "; ".join(dict.fromkeys(filter(None, lines)))


def submission_error(exit_code: int, text: str) -> BatchError:
    """Give the error that sbatch's complaint is."""
    sentence = said(text) or f"sbatch ended with {exit_code} and said nothing"
    _, found, verdict = text.rpartition(SUBMISSION)
    if not found:
        _, found, verdict = text.rpartition("allocation failure: ")  # sbatch --test-only
    if AWAY.search(verdict.splitlines()[0] if found and verdict else text):
        return AwayError(sentence)
    if found:
        return RefusedError(sentence) if REFUSED.match(verdict) else UnclearError(sentence)
    by_options = exit_code in (1, 255) and OPTIONS.search(text)  # it did not come to asking slurmctld
    return RefusedError(sentence) if by_options else UnclearError(sentence)


def asking_error(name: str, exit_code: int, text: str) -> AwayError:
    """Give the error that the complaint of a command is which only asks: whatever it is, there is no answer."""
    return AwayError(f"{name} failed: {said(text) or f'it ended with {exit_code} and said nothing'}")


def ending_error(exit_code: int, text: str) -> BatchError | None:
    """Give the error that scancel's complaint is; none where the job has ended, or does not run yet."""
    if re.search(r"Invalid job id specified|already complet|Job is pending|not yet|finished", text, re.IGNORECASE):
        return None
    sentence = said(text) or f"scancel ended with {exit_code} and said nothing"
    if AWAY.search(text):
        return AwayError(sentence)
    refused = re.search(r"Access/permission denied|Invalid job id|Invalid user", text, re.IGNORECASE)
    return RefusedError(sentence) if refused else UnclearError(sentence)
