"""What SLURM's words for the state of a job and of a node mean to a launcher."""

from .contract import Standing

CODES = {
    "COMPLETED": "done",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "REVOKED": "cancelled",
    "PREEMPTED": "preempted",
    "TIMEOUT": "walltime",
    "DEADLINE": "walltime",
    "OUT_OF_MEMORY": "memory",
    "NODE_FAIL": "node-failed",
    "BOOT_FAIL": "node-failed",
}
"""The states in which a job has ended, and our code for each."""

WAITS = {
    "PENDING",
    "CONFIGURING",
    "POWER_UP_NODE",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
    "LAUNCH_FAILED",
    "RECONFIG_FAIL",
}
"""The words of a job whose script does not run, but may yet: its nodes are booting, or it goes back into the queue."""

WORKING = {"IDLE", "MIXED", "ALLOCATED", "COMPLETING", "PLANNED", "RESERVED"}
BROKEN = {"DRAIN", "DRAINED", "DRAINING", "DOWN", "ERROR", "FAIL", "FAILING", "MAINT", "MAINTENANCE", "UNKNOWN"}
BROKEN |= {"NOT_RESPONDING", "NO_RESPOND", "INVALID", "INVALID_REG", "REBOOT", "REBOOT_ISSUED", "REBOOT_REQUESTED"}
BROKEN |= {"BLOCKED", "FUTURE", "PERFCTRS", "DYNAMIC_FUTURE"}


def standing(words: tuple[str, ...]) -> Standing:
    """Give how a job is, by its state and the flags beside it.

    One that completes still holds its node, and its processes may live: it has not ended. A word that is not known
    is no end either: who takes a job for ended takes its work from it.
    """
    if "COMPLETING" in words:
        return Standing.RUNNING
    if any(word in WAITS for word in words):
        return Standing.PENDING
    return Standing.ENDED if any(word in CODES for word in words) else Standing.RUNNING


def code(words: tuple[str, ...]) -> str:
    """Give why a job ended, in one word; nothing while it has not."""
    if standing(words) is not Standing.ENDED:
        return ""
    return next(CODES[word] for word in words if word in CODES)


def usable(words: tuple[str, ...]) -> bool:
    """Say whether jobs can start on a node in this state, now or when what runs there has ended."""
    return not any(word in BROKEN for word in words) and any(word in WORKING for word in words)
