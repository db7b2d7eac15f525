"""What keeps the whole machine from moving, whichever run or file one asks about."""

from datetime import datetime
from typing import NamedTuple

from .answer import at
from .facts import Machine


class Standstill(NamedTuple):
    """What stands still and why, in the words of an answer to `why`; an administrator must act."""

    code: str
    sentence: str
    seen: str
    does: str
    since: datetime | None = None


def no_conductor(machine: Machine) -> Standstill | None:
    """Say that nobody changes states; none where a conductor was heard of lately."""
    if machine.has("conductor"):
        return None
    sentence = "no conductor has been heard of lately, so nothing changes state"
    seen = f"the last conductor was heard of: {at(machine.last_conductor)}"
    return Standstill("no-conductor", sentence, seen, "headframe conductor")


def standstill(machine: Machine) -> Standstill | None:
    """Say what keeps everything from moving; none where it moves."""
    if found := no_conductor(machine):
        return found
    since = machine.broker_silent
    if since is None:
        return None
    sentence = "the broker does not answer, so no work goes out and no report comes in"
    seen = f"no conductor has heard from the broker since {at(since)}"
    return Standstill("broker-away", sentence, seen, "headframe doctor", since)
