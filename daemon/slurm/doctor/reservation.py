"""The reservation that a pilot names: is there, has begun, has not ended, lets this user and account in."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from ....statemachine.wording import plural
from ...config.launching import PilotConfig
from ...finding import Finding
from ..contract import Reservation
from ..script import walltime
from .hostlist import expand


def reservation_findings(
    name: str, pilot: PilotConfig, reservations: Sequence[Reservation], user: str, now: datetime
) -> Iterator[Finding]:
    """Look at it as SLURM will, once a pilot is submitted."""
    what = f"pilot {name}: reservation"
    known = {each.name: each for each in reservations}
    for wanted in pilot.reservation.split(",") if pilot.reservation else ():
        if wanted not in known:
            there = ", ".join(sorted(known)) or "none"
            todo = f"mend pilot.{name}.reservation, or leave it out"
            yield Finding("fail", what, f"there is no reservation {wanted}, or it has ended; there are: {there}", todo)
        else:
            yield from _one(what, name, pilot, known[wanted], user, now)


def _one(
    what: str, name: str, pilot: PilotConfig, reservation: Reservation, user: str, now: datetime
) -> Iterator[Finding]:
    wrong = _shut(reservation, user, pilot.account)
    ends, begins = reservation.ends_at, reservation.begins_at
    if ends is not None and ends <= now:
        todo = f"mend pilot.{name}.reservation, leave it out, or ask for a new one"
        yield Finding("fail", what, f"{reservation.name} has expired: it ended {_utc(ends)}", todo)
    elif wrong:
        todo = "ask its owner to let you in, or name another account or reservation"
        yield Finding("fail", what, f"{reservation.name} {wrong}", todo)
    elif begins is not None and begins > now:
        todo = "nothing, if that is meant"
        yield Finding("warn", what, f"{reservation.name} begins {_utc(begins)}: pilots wait until then", todo)
    elif ends is not None and ends < now + timedelta(seconds=pilot.walltime):
        todo = (
            f"shorten pilot.{name}.walltime towards its end: SLURM ends then what still runs, without telling it before"
        )
        sentence = f"{reservation.name} ends {_utc(ends)}: a pilot of {walltime(pilot.walltime)} no longer fits into it"
        yield Finding("warn", what, sentence, todo)
    else:
        until = f" until {_utc(ends)}" if ends is not None else ""
        nodes = plural(len(expand(reservation.nodes)), "node")
        yield Finding("ok", what, f"{reservation.name} lets {user} in{until}, with {nodes}: {reservation.nodes}")


def _shut(reservation: Reservation, user: str, account: str) -> str:
    """Say why it keeps somebody out. Where it names users and accounts, both have to fit."""
    if not _lets(reservation.users, user):
        return f"does not let user {user} in, but {reservation.users}"
    if account and not _lets(reservation.accounts, account):
        return f"does not let account {account} in, but {reservation.accounts}"
    return ""


def _lets(named: str, who: str) -> bool:
    """Names that begin with a minus keep those out and let all others in."""
    names = [each.strip() for each in named.split(",") if each.strip()]
    if not names:
        return True
    if all(each.startswith("-") for each in names):
        return f"-{who}" not in names
    return who in names


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
