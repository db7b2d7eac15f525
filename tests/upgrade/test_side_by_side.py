"""The last release and this one at once: its worker with this conductor, and the reverse."""

from .conftest import Make
from .release import Release

FILES = 20


def test_workers_and_conductors_of_two_releases_work_together(systems: Make, old: Release, new: Release) -> None:
    with systems() as system:
        system.command(new, "db", "upgrade")
        watch = system.start("watch", old)
        for run, (conducts, works) in enumerate([(new, old), (old, new)], start=1):
            members = [system.start("conductor", conducts), system.start("worker", works)]
            system.write(run, FILES)
            system.close_run(run)
            system.rest(120)
            for member in members:
                system.stop(member)
        system.stop(watch)
        system.command(new, "verify")
        seen = system.rows("select distinct role, version from process where role in ('conductor', 'worker')")
        assert set(seen) == {(role, each.version) for role in ("conductor", "worker") for each in (old, new)}
        assert system.rows("select distinct oldest from compatibility") == [("0.1.0",)]
