"""What accounting allows this user: accounts, QOS and their limits, where slurmdbd is.

`sbatch --test-only` does not always look at them: a job over a QOS's limit may be taken, and then wait for ever.
"""

import os
from collections.abc import Iterator, Mapping

from ....statemachine.records import Record
from ...config.launching import PilotConfig
from ...finding import Finding
from ..asking import ask, environment_of_questions
from ..contract import BatchError
from ..script import walltime
from .patience import one_line

SACCTMGR_S = 20.0
ASSOCIATIONS = ("account", "user", "partition", "qos", "defaultqos", "maxjobs", "maxsubmit", "maxwall")
QOS = ("name", "maxwall", "maxjobspu", "maxsubmitjobspu", "maxjobspa", "maxsubmitjobspa", "grpjobs", "grpsubmit")
MANY = {
    "maxsubmit": "jobs of yours at a time, waiting or running",
    "maxjobs": "jobs of yours run at a time",
    "maxsubmitjobspu": "jobs of a user at a time, waiting or running",
    "maxjobspu": "jobs of a user run at a time",
    "maxsubmitjobspa": "jobs of an account at a time, waiting or running",
    "maxjobspa": "jobs of an account run at a time",
    "grpsubmit": "jobs of all together at a time, waiting or running",
    "grpjobs": "jobs of all together run at a time",
}


class Policy(Record):
    """What sacctmgr says: this user's associations, and every QOS by its name; each a row by lower-case titles."""

    associations: tuple[dict[str, str], ...] = ()
    qos: dict[str, dict[str, str]] = {}
    default_account: str = ""


def look_up(user: str) -> Policy | None:
    """Ask slurmdbd; none where there is none, or no answer."""
    associations = _rows(("show", "assoc", f"user={user}"), ASSOCIATIONS)
    qos = _rows(("show", "qos"), QOS)
    if associations is None or qos is None:
        return None
    default = _rows(("show", "user", f"name={user}"), ("defaultaccount",)) or [{"defaultaccount": ""}]
    by_name = {row["name"]: row for row in qos}
    return Policy(associations=tuple(associations), qos=by_name, default_account=default[0]["defaultaccount"])


def _rows(words: tuple[str, ...], columns: tuple[str, ...]) -> list[dict[str, str]] | None:
    command = ("sacctmgr", "--noheader", "--parsable2", *words, f"format={','.join(columns)}")
    try:
        done = ask(command, environment_of_questions(os.environ), SACCTMGR_S)
    except BatchError:
        return None
    lines = [line.split("|") for line in done.stdout.splitlines()]
    return None if done.returncode else [dict(zip(columns, line, strict=False)) for line in lines]


def policy_findings(name: str, pilot: PilotConfig, policy: Policy | None) -> Iterator[Finding]:
    """Look at what accounting allows, and at the limits of the QOS that holds."""
    what = f"pilot {name}: account"
    if policy is None:
        yield Finding("ok", what, "no accounting (slurmdbd) answers here: no limits of accounts or QOS to look at")
        return
    account = (pilot.account or policy.default_account).lower()
    ours = [row for row in policy.associations if _applies(row, pilot, account)]
    if pilot.account and not ours:
        mine = ", ".join(sorted({row["account"] for row in policy.associations})) or "none"
        todo = f"mend pilot.{name}.account, or ask for it"
        yield Finding("fail", what, f"you may not use account {pilot.account}; yours: {mine}", todo)
        return
    if pilot.qos and pilot.qos not in policy.qos:
        there = ", ".join(sorted(policy.qos))
        yield Finding("fail", what, f"there is no QOS {pilot.qos}; there are: {there}", f"mend pilot.{name}.qos")
        return
    allowed = {each.strip() for row in ours for each in row.get("qos", "").split(",") if each.strip()}
    if pilot.qos and ours and pilot.qos not in allowed:
        todo = f"mend pilot.{name}.qos or .account, or ask for it"
        sentence = f"you may not use QOS {pilot.qos}; yours: {', '.join(sorted(allowed)) or 'none'}"
        yield Finding("fail", what, sentence, todo)
        return
    yield from _limited(what, name, pilot, policy, ours)


def _applies(row: Mapping[str, str], pilot: PilotConfig, account: str) -> bool:
    partition = row.get("partition", "")
    fits = not partition or not pilot.partition or partition in pilot.partition.split(",")
    return fits and account in ("", row.get("account"))


def _limited(what: str, name: str, pilot: PilotConfig, policy: Policy, ours: list[dict[str, str]]) -> Iterator[Finding]:
    default = ours[0].get("defaultqos", "") if ours else ""
    qos = pilot.qos or default
    places = [(f"QOS {qos}", policy.qos[qos])] if qos in policy.qos else []
    places += [(f"account {row['account']}", row) for row in ours[:1]]
    found = [finding for of, row in places for finding in _over(what, name, pilot, of, row)]
    yield from found
    if not found:
        named = ", ".join(of for of, _ in places) or "no association of yours is shown"
        yield Finding("ok", what, f"within the limits of {named}" if places else named)


def _over(what: str, name: str, pilot: PilotConfig, of: str, row: Mapping[str, str]) -> Iterator[Finding]:
    longest = seconds(row.get("maxwall", ""))
    if longest and pilot.walltime > longest:
        todo = f'set pilot.{name}.walltime = "{walltime(longest)}" or less, or name another QOS'
        yield Finding("fail", what, f"{of} allows {walltime(longest)}, less than {walltime(pilot.walltime)}", todo)
    for key, unit in MANY.items():
        most = row.get(key, "")
        if most.isdigit() and pilot.max > int(most):
            never = int(most) == 0
            todo = "name another QOS or account" if never else f"lower pilot.{name}.max, or let the others wait"
            yield Finding("fail" if never else "warn", what, f"{of} allows {most} {unit}; max is {pilot.max}", todo)


def seconds(text: str) -> int:
    """Read a limit as SLURM writes it, `1-02:00:00`, `02:00:00`, `30:00` or `30`; 0 for none."""
    days, dash, rest = one_line(text).partition("-") if "-" in text else ("0", "", text.strip())
    parts = rest.split(":")
    if not days.isdigit() or not all(part.isdigit() for part in parts):
        return 0
    numbers = [int(part) for part in parts]
    if dash:  # days-hours[:minutes[:seconds]]
        hours, minutes, rest_s = (*numbers, 0, 0)[:3]
    elif len(numbers) == 3:
        hours, minutes, rest_s = numbers
    else:  # minutes[:seconds]
        hours, (minutes, rest_s) = 0, (*numbers, 0)[:2]
    return ((int(days) * 24 + hours) * 60 + minutes) * 60 + rest_s
