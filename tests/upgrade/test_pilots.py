"""Pilots and their launcher in an upgrade: pilots run on with their code, and launchers take them over."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headframe.daemon.slurm.local import Local

from ..cluster.ends import end_jobs
from ..integration.servers import free_ports
from .conftest import Make
from .release import Release
from .system import NOTHING, System

FILES = 10
SERVICES = ("conductor", "sweeper", "watch", "worker")
LAUNCHING = """
[launcher]
name = "here"
url = "http://127.0.0.1:{port}"
token_file = "launcher.token"
back_end = "local"
interval_s = 1
logs = "pilots"
command = ["{python}", "-m", "headframe"]
[pilot.last]
steps = ["to-third"]
min = 1
max = 1
script = ["export PYTHONPATH='{src}'"]
"""
OPEN = "select id, status from pilot where ended_at is null"
WORKED = """
select distinct p.version, cast(p.detail ->> 'pilot' as text) from attempt a join item i on i.id = a.item_id
  join run r on r.id = i.run_id join process p on p.owner = a.owner where a.step = 'to-third' and r.number = :run
"""
TOKEN = "select token from pilot where id = :id"
HEARD = "select coalesce(max(seen_at) > :ended, false) from process where role = 'launcher'"
VERSION = "select version from process where role = 'launcher'"


class Centre:
    """Services with a launcher and its one pilot, which alone does the last step. Each is replaced by itself."""

    def __init__(self, system: System, releases: tuple[Release, Release]) -> None:
        self.system, self.runs = system, 0
        (self.port,) = free_ports(1)
        for release in releases:
            said = {"port": self.port, "python": sys.executable, "src": release.src}
            system.configure(NOTHING + LAUNCHING.format(**said), release)
        (system.folder / "pilots").mkdir()
        self.jobs = Local(system.folder / "pilots" / "jobs")

    def serve(self, release: Release) -> None:
        """Put a release's services in the place of those that are there; the web has one address only."""
        for role in (*SERVICES, "web"):
            before = self.system.of(role)
            for member in before if role == "web" else ():
                self.system.stop(member)
            steps = '["to-first", "to-second"]'
            self.system.start(role, release, port=self.port, HEADFRAME_WORKER__STEPS=steps)
            for member in before if role != "web" else ():
                self.system.stop(member)

    def launch(self, release: Release) -> None:
        """End the launcher that is there, then start a release's; return once the service has heard of it."""
        for member in self.system.of("launcher"):
            self.system.stop(member)
        ended = self.system.rows("select clock_timestamp()")[0][0]
        self.system.start("launcher", release)
        self.system.wait(HEARD, 120, f"launcher {release.version} is heard of", ended=ended)

    def pilot(self) -> int:
        """Wait until one pilot runs; give its number."""
        self.system.wait(f"select array_agg(status) = '{{running}}' from ({OPEN}) as open", 120, "one pilot runs")
        return int(self.system.rows(OPEN)[0][0])

    def works(self, pilot: int, release: Release) -> None:
        """See a run through; its last step was done by this pilot, with the code of this release."""
        self.runs += 1
        self.system.write(self.runs, FILES)
        self.system.close_run(self.runs)
        self.system.rest(120)
        token = self.system.rows(TOKEN, id=pilot)[0][0]
        assert self.system.rows(WORKED, run=self.runs) == [(release.version, token)]
        assert self.system.rows(OPEN) == [(pilot, "running")]


@contextmanager
def centre_of(systems: Make, *releases: Release) -> Iterator[Centre]:
    """Give a centre; no pilot outlives it."""
    with systems() as system:
        centre = Centre(system, (releases[0], releases[1]))
        try:
            yield centre
        finally:
            for member in system.of("launcher"):
                member.process.end(signal.SIGKILL)
            end_jobs(centre.jobs)


@pytest.mark.long
def test_pilots_go_on_with_their_code_and_the_next_launcher_takes_them_over(
    systems: Make, old: Release, new: Release
) -> None:
    """Forth: a pilot of before with the services, then the launcher of after. And back, the other way round."""
    with centre_of(systems, old, new) as centre:
        system = centre.system
        system.command(old, "db", "upgrade")
        token = system.folder / "launcher.token"
        token.touch(mode=0o600)
        token.write_text(system.command(old, "token", "make", "launcher", "--role", "launcher").split()[-1])
        pilot = 0
        for before, after in ((old, new), (new, old)):
            if before is old:
                centre.serve(old)
                centre.launch(old)
                pilot = centre.pilot()
                centre.works(pilot, old)
                system.command(new, "db", "upgrade")
            centre.serve(after)
            centre.works(pilot, before)
            centre.launch(after)
            if after is new:
                assert system.rows(VERSION) == [(new.version,)], "0.1.0 keeps the first one's"
            centre.works(pilot, before)
            system.command(after, "pilots", "drain", str(pilot), "--reason", "other code", "--yes")
            system.wait(f"select ended_at is not null from pilot where id = {pilot}", 120, "the pilot has left")
            pilot = centre.pilot()
            centre.works(pilot, after)
        for release in (old, new):
            system.command(release, "verify")
