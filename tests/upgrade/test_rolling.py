"""From the last release to this one, and its code back again, under load: nobody who looks or acts meets an error."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from .conftest import Make
from .release import Release
from .system import Member, System
from .viewer import Ingress, Viewer

ROLES = ("web", "web", "conductor", "sweeper", "watch", "worker", "worker")
ORDERS = {
    "conductors first": ("conductor", "web", "sweeper", "watch", "worker"),
    "workers first": ("worker", "watch", "sweeper", "web", "conductor"),
}
FILES_A_RUN = 50
WRITE_S = 0.1
PATIENCE_S = 120


class Load:
    """A detector that writes and closes runs until it is stopped."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Close the last run, and end."""
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        for run in count(1):
            for _ in range(FILES_A_RUN):
                self.system.write(run, 1)
                if self._stop.wait(WRITE_S):
                    self.system.close_run(run)
                    return
            self.system.close_run(run)


class Fleet:
    """The processes with their ingress, replaced one at a time: the new one is there before the old one goes."""

    def __init__(self, system: System, release: Release) -> None:
        self.system, self.ingress, self.longest = system, Ingress(), 0.0
        for role in ROLES:
            self._add(role, release)

    def _add(self, role: str, release: Release) -> Member:
        member = self.system.start(role, release)
        self.system.well(member)
        if role == "web":
            self.ingress.join(member)
        return member

    def _remove(self, member: Member) -> None:
        if member.role == "web":
            self.ingress.leave(member)
        self.system.stop(member)

    def roll(self, release: Release, roles: tuple[str, ...]) -> None:
        """Put processes of a release in the place of all others, role by role, with work going on between."""
        for role in roles:
            for member in self.system.of(role):
                self._add(role, release)
                self._progress()
                self._remove(member)
                self._progress()

    def _progress(self) -> None:
        """Wait until files have gone all the way since: whoever is there now, work together."""
        done = "select count(*) from history where trigger = 'succeed' and to_state = 'third'"
        before, began = self.system.rows(done)[0][0], time.monotonic()
        while self.system.rows(done)[0][0] < before + 10:
            self.system.supervise()
            late = time.monotonic() > began + PATIENCE_S
            assert not late, f"nothing goes on\n{self.system.stands()}\n{self.system.last_words()}"
            time.sleep(0.1)
        self.longest = max(self.longest, time.monotonic() - began)


@contextmanager
def looked_at(fleet: Fleet, token: str) -> Iterator[Viewer]:
    """Have somebody look and act all the time, who may not meet one error."""
    viewer = Viewer(fleet.ingress, token)
    viewer.start()
    try:
        yield viewer
    finally:
        viewer.stop()
    assert not viewer.errors, "\n".join([f"{len(viewer.errors)} errors", *viewer.errors[:20], *viewer.errors[-5:]])
    print(f"\n{viewer.done.total()} calls, none failed, the slowest took {viewer.slowest:.2f} s")


@pytest.mark.long
@pytest.mark.parametrize("order", ORDERS)
def test_an_upgrade_under_load_is_seen_by_nobody(systems: Make, old: Release, new: Release, order: str) -> None:
    """Schema first, then one process at a time; and the code of before again, on the schema that stays."""
    with systems() as system:
        system.command(old, "db", "upgrade")
        token = system.command(old, "token", "make", "bot", "--role", "operator").split()[-1]
        fleet, load = Fleet(system, old), Load(system)
        load.start()
        system.until(system.at_work, 120, "somebody at work")
        with looked_at(fleet, token):
            began = time.monotonic()
            system.command(new, "db", "upgrade")
            print(f"\nthe schema was brought up in {time.monotonic() - began:.1f} s, under load")
            for release in (new, old):
                fleet.roll(release, ORDERS[order])
                assert {member.release for member in system.members} == {release}
        load.stop()
        system.rest(180)
        print(f"{system.written.total()} files; ten more were done within {fleet.longest:.1f} s of each change")
        for release in (old, new):
            system.command(release, "verify")
