"""A program, run by the code of any release: asks a service all that its client can ask, and acts as it can act.

`asking.py URL OPERATOR LAUNCHER RUN` prints, as JSON, how much each call gave.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from headframe.client import Client
from headframe.statemachine.piloting import PilotSeen, PilotWish, Round


def asked(client: Client, run: int) -> Iterator[tuple[str, Any]]:
    """Ask everything."""
    file = next(client.files(run=run, limit=1))
    campaign = next(client.campaigns()).name
    yield "me", client.me()
    yield "status", client.status()
    yield "runs", list(client.runs())
    yield "one run", (client.run(run), client.gaps(run), client.why_run(run), list(client.catalog(run)))
    yield "files", list(client.files(limit=100))
    yield "one file", (client.file(file.file), client.find_file(file.name), client.why_file(file.file))
    yield "its past", (list(client.history(run=run, limit=50)), list(client.attempts(limit=50)))
    yield "what lies where", (list(client.replicas(run=run, limit=9)), list(client.products(run=run, limit=9)))
    yield "campaign", (client.campaign(campaign), client.usage_of_campaign(campaign))
    yield "service", (client.sites(), client.pauses(), client.launchers(), list(client.dead_letters(limit=9)))
    yield "usage", (client.usage(), client.usage_of_run(run), client.usage_of_pilots(), list(client.failures()))


def acted(client: Client, run: int) -> Iterator[tuple[str, Any]]:
    """Do what leaves nothing behind but its record."""
    yield "note", (client.note(run, "looks well"), client.judge(run, "good", "seen"), list(client.notes(run)))
    yield "pause", (client.pause("lane", "bulk", "a look"), client.resume("lane", "bulk", "seen"))
    seen = client.order("hold", {"runs": [run]}, dry_run=True)
    yield "order", (client.order("hold", {"runs": [run]}, "a look", selected=seen.selected), list(client.operations()))


def launched(client: Client, token: str) -> Iterator[tuple[str, Any]]:
    """Be a launcher for a moment."""
    client.intend("here", [PilotWish(token=token, name="reco", steps=("salt",), request={"walltime": "2:00:00"})])
    seen = PilotSeen(token=token, status="pending", job="4711", reason="Resources")
    orders = client.round("here", Round(host="login1", owner="l-1", seen=(seen,), wanted={"reco": 2}, interval_s=15))
    yield "round", ([pilot.job for pilot in orders.pilots], list(orders.demand))


def main(url: str, operator: str, launcher: str, run: str) -> None:
    """Do all of it."""
    with Client(url, token=operator) as client:
        found = dict([*asked(client, int(run)), *acted(client, int(run))])
        with Client(url, token=launcher) as other:
            found |= dict(launched(other, f"hf-{run}"))
        found["pilots"] = list(client.pilots(live=True))
    json.dump({name: len(given) if isinstance(given, list) else 1 for name, given in found.items()}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
