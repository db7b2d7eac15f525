"""Why a batch job waits, in plain words: what SLURM's own word means, whether it goes by itself, and what to do.

The words are those of `squeue --format=%r` (slurm.schedmd.com/job_reason_codes.html). The raw word is always kept
beside the plain ones, for a site's administrators know that one, and new versions have new ones.
"""

from typing import NamedTuple


class Waits(NamedTuple):
    """What a word means. `stuck`: it does not start until somebody does something. `do` is a command, or empty;
    `{job}` in it stands for the job's number.
    """

    says: str
    stuck: bool = False
    do: str = ""


DOCTOR = "headframe slurm doctor"
HELD = "scontrol release {job}"
LIMITS = "sacctmgr show qos,assoc"
SHOW = "scontrol show job {job}"

WORDS = {
    "resources": Waits("no node with what it asks for is free"),
    "priority": Waits("jobs of a higher priority stand before it"),
    "reqnodenotavail": Waits(
        "nodes that it needs are down, draining or reserved for others", do="sinfo --list-reasons"
    ),
    "reservationdeleted": Waits("its reservation was deleted", stuck=True, do=DOCTOR),
    "reservation": Waits("its reservation has not begun, or is over", do=DOCTOR),
    "qosmaxjobs": Waits("as many jobs run as its QOS allows", do=LIMITS),
    "qosmaxsubmit": Waits("as many jobs are submitted as its QOS allows", do=LIMITS),
    "qosgrp": Waits("all jobs of its QOS together use as much as that allows", do=LIMITS),
    "qosmaxwall": Waits("it asks for more time than its QOS ever allows", stuck=True, do=DOCTOR),
    "qosmax": Waits("it asks for more, or has more running, than its QOS allows", do=LIMITS),
    "qosusagethreshold": Waits("its QOS allows jobs only from accounts that have used less", stuck=True, do=LIMITS),
    "qosnotallowed": Waits("its partition or account does not allow its QOS", stuck=True, do=DOCTOR),
    "qos": Waits("a limit of its QOS holds it back", do=LIMITS),
    "invalidqos": Waits("there is no such QOS", stuck=True, do=DOCTOR),
    "assocgrp": Waits("all jobs of its account together use as much as that allows", do=LIMITS),
    "assocmaxwall": Waits("it asks for more time than its account ever allows", stuck=True, do=DOCTOR),
    "assocmax": Waits("as many jobs run, or as much is used, as its account allows", do=LIMITS),
    "association": Waits("a limit of its account holds it back", do=LIMITS),
    "invalidaccount": Waits("its account is not allowed there", stuck=True, do=DOCTOR),
    "accountnotallowed": Waits("its partition does not allow its account", stuck=True, do=DOCTOR),
    "partitiondown": Waits(
        "its partition is down: jobs wait there and none starts", stuck=True, do="sinfo --summarize"
    ),
    "partitioninactive": Waits("its partition takes no jobs now", stuck=True, do="sinfo --summarize"),
    "partitiontimelimit": Waits("it asks for more time than its partition allows", stuck=True, do=DOCTOR),
    "partitionnodelimit": Waits(
        "it asks for more nodes than its partition allows, or they are down", stuck=True, do=DOCTOR
    ),
    "partitionconfig": Waits("its partition cannot give what it asks for", stuck=True, do=DOCTOR),
    "maxmempernode": Waits("it asks for more memory than its partition allows", stuck=True, do=DOCTOR),
    "maxmemperlimit": Waits("it asks for more memory than its partition allows", stuck=True, do=DOCTOR),
    "badconstraints": Waits("no node can ever give what it asks for", stuck=True, do=DOCTOR),
    "nodedown": Waits("a node that it needs is down", do="sinfo --list-reasons"),
    "dependency": Waits("it waits for another job to end", do=SHOW),
    "dependencyneversatisfied": Waits("the job that it waits for never ends as it should", stuck=True, do=SHOW),
    "jobhelduser": Waits("somebody with its account has held it", stuck=True, do=HELD),
    "jobheldadmin": Waits("the cluster's administrator has held it", stuck=True, do=SHOW),
    "jobholdmaxrequeue": Waits("it was started again so often that SLURM has held it", stuck=True, do=HELD),
    "launchfailedrequeuedheld": Waits(
        "its node could not start it; SLURM took it back and holds it", stuck=True, do=HELD
    ),
    "jobrequeuedinheldstate": Waits("it was taken back, and SLURM holds it", stuck=True, do=HELD),
    "begintime": Waits("it may not begin yet; after a requeue SLURM waits two minutes"),
    "joblaunchfailure": Waits("its node could not start it", do=SHOW),
    "licenses": Waits("a licence that it needs is not free"),
    "cleaning": Waits("an earlier start of it is still being cleared away"),
    "prolog": Waits("its node is being made ready"),
    "scheddefer": Waits("SLURM looks at it a little later"),
    "deadline": Waits("it cannot be done by its deadline any more", stuck=True, do=SHOW),
    "none": Waits("SLURM has not looked at it yet"),
}
BY_LENGTH = tuple(sorted(WORDS, key=len, reverse=True))


def waits(word: str) -> Waits | None:
    """Give what a word, or a sentence that begins with one, means; none for one that nobody knows here."""
    plain = "".join(each for each in word.lower() if each.isalnum())
    return next((WORDS[known] for known in BY_LENGTH if plain.startswith(known)), None)


def said(word: str) -> str:
    """Say why a job waits, the word itself in brackets: `no node is free (Resources)`; nothing for nothing."""
    known = waits(word)
    return f"{known.says} ({word.strip()})" if known else word.strip()
