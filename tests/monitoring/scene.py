"""An instance of separate processes on real servers, watched, and all the ways in which a test breaks it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import text

from headframe.daemon.space import Space
from headframe.statemachine.alerting import Limits
from headframe.statemachine.database import connect
from headframe.statemachine.piloting import PilotWish, Round
from headframe.statemachine.store import pilots

from ..faults.centre import Centre, step
from ..integration.servers import free_ports, wait_until
from .steps import COMMAND, Work
from .watching import Watch

ROLES = ("conductor", "sweeper", "watch", "worker", "web")
SITES = """
[site.far]
path = "far"
[site.small]
path = "small"
"""
LIMITS = Limits(
    backup_hours=1,
    counts_minutes=0.1,
    failures_least=4,
    latency_minutes=1,
    leases_minutes=0.05,
    no_files_minutes=0.1,
    no_progress_minutes=0.1,
    queue_minutes=0.05,
    site_free_percent=10,
)
SEEN = text("""
insert into site_sample (site, at, total, free)
select name, date_bin('5 minutes', clock_timestamp(), 'epoch') - make_interval(mins => m),
  cast(space ->> 'total' as bigint),
  cast(space ->> case m when 0 then 'free' else 'total' end as bigint)
from site, unnest(array[0, 20, 40, 60]) m where name = :site
""")
MEASURES = "hashtext(current_schema() || '.measure')"
PHASE = "select count(*) from item where scope = 'file' and phase = :phase"


def steps() -> str:
    """Give the pipeline: one step that obeys the test."""
    only = step("work", "worked", use="command:work", makes="nothing", retries=0, lease_s=4)
    return f"{only}\n{COMMAND}\n{SITES}"


class Disk(NamedTuple):
    """A site of 1 MB."""

    folder: Path

    def write(self, name: str, size: int) -> None:
        """Write so many bytes, as far as they fit."""
        try:
            (self.folder / name).write_bytes(bytes(size))
        except OSError:
            return

    def clear(self) -> None:
        """Remove all that was written."""
        for path in self.folder.iterdir():
            path.unlink()


class Scene:
    """The instance, who watches it, the step that obeys, a disk that can be filled."""

    def __init__(self, centre: Centre, watch: Watch, port: int) -> None:
        self.centre, self.watch = centre, watch
        self.work, self.disk = Work(centre.folder), Disk(centre.folder / "small")
        self.engine = connect(centre.database, centre.instance)
        self.space = Space(self.engine, {})
        self.run, self.port = 1, port

    def begin(self) -> None:
        """Start every process, and who watches."""
        for name in ("far", "small"):
            (self.centre.folder / name).mkdir(exist_ok=True)
        for role in ROLES:
            self.centre.add(f"{role}-0")
        self.watch.begin(LIMITS, f"127.0.0.1:{self.port}")
        self.watch.scraped()

    def write(self, files: int) -> None:
        """Write a run of files."""
        self.run += 1
        self.centre.close_run(self.run, files)
        for sequence in range(files):
            self.centre.write(self.run, sequence)

    def begin_run(self) -> int:
        """Have the run database say that the detector has begun a run; give its number."""
        self.run += 1
        hidden = self.centre.inbox.parent / "begun.part"
        hidden.write_text(json.dumps({"run": self.run, "type": "science", "started": datetime.now(UTC).isoformat()}))
        hidden.rename(self.centre.inbox / f"run{self.run}.json")
        return self.run

    def pass_by(self, seconds: float) -> None:
        """Let time pass, where it is time itself that is looked at."""
        time.sleep(seconds)

    def until(self, phase: str, files: int) -> None:
        """Wait until at least so many files are in a phase."""
        wait_until(lambda: self.centre.value(PHASE, phase=phase) >= files, 90, f"{files} files {phase}")

    def count(self, phase: str) -> int:
        """Count the files in a phase."""
        return int(self.centre.value(PHASE, phase=phase))

    def look(self, site: str) -> None:
        """Have a host look at a site now, which it does each minute."""
        self.space.look(site, str(self.centre.folder / site))

    def seen_before(self, site: str) -> None:
        """Look at a site, and have it been seen empty until then: a rate comes only of a quarter of an hour."""
        self.look(site)
        with self.engine.begin() as connection:
            connection.execute(text("delete from site_sample where site = :site"), {"site": site})
            connection.execute(SEEN, {"site": site})

    def launcher(self, name: str, **said: Any) -> None:
        """Have a launcher say a round, as the one behind REST would."""
        with self.engine.begin() as connection:
            pilots.see(connection, name, Round(host="login1", owner=name, interval_s=10, **said))

    def pilot(self, launcher: str, token: str, name: str) -> None:
        """Have a launcher say that it is about to submit a pilot."""
        with self.engine.begin() as connection:
            pilots.intend(connection, launcher, [PilotWish(token=token, name=name, steps=("work",), request={})])

    def say(self, *words: str) -> None:
        """Give a command of an operator's."""
        done = self.centre.command(*words)
        assert done.returncode == 0, done.stderr

    def kill(self, *roles: str) -> None:
        """Kill processes, and whatever they had started."""
        for role in roles:
            self.centre.member(f"{role}-0").kill()
            wait_until(lambda role=role: not self.centre.member(f"{role}-0").lives(), 20, f"{role} dead")  # type: ignore[misc]

    def start(self, *roles: str) -> None:
        """Start processes again."""
        for role in roles:
            self.centre.member(f"{role}-0").start()

    def while_(self, act: Callable[[int], None], done: Callable[[], bool], seconds: float) -> None:
        """Do something again and again, twice a second, until it has led to something."""
        end, number = time.monotonic() + seconds, 0
        while not done():
            assert time.monotonic() < end, f"nothing came of it within {seconds:g} s"
            act(number)
            number += 1
            time.sleep(0.5)

    @contextmanager
    def another_measures(self) -> Iterator[None]:
        """Hold what one process alone may have that measures, as a session that hangs would."""
        with self.engine.connect() as connection:
            connection.execute(text(f"select pg_advisory_lock({MEASURES})"))
            connection.commit()
            try:
                yield
            finally:
                connection.execute(text(f"select pg_advisory_unlock({MEASURES})"))
                connection.commit()

    @contextmanager
    def frozen(self, role: str) -> Iterator[None]:
        """Freeze a process meanwhile."""
        member = self.centre.member(f"{role}-0")
        member.freeze()
        try:
            yield
        finally:
            member.thaw()


def web_port() -> int:
    """Give a port for the web that stays the same when it is started again."""
    return free_ports(1)[0]
