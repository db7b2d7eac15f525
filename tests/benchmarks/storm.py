"""An instance of processes of its own over real servers, with a hundred thousand bulk files beside the live ones."""

import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from sqlalchemy import text

from headframe.consumers.broker import Names, Outgoing, connect
from headframe.consumers.messages import Arrived, encode
from headframe.statemachine import database
from headframe.statemachine.records import ArrivedFile

from ..integration.rabbit_server import RabbitServer
from ..integration.server_tables import server_tables
from ..integration.servers import Process, wait_until, with_packages

PLUGIN = Path(__file__).parent / "plugin"
BULK_RUN, WARM_RUN = 1, 2
PACE_S = 0.1
"""Between a live file's end and the next one."""
STEPS = ("one", "two", "three", "four")
STEP = """
[[pipeline.default.step]]
name = "{name}"
to = "did-{name}"
use = "burn"
makes = "nothing"
parcel = 10
options = {{ cpu_ms = {cpu_ms} }}
"""
CONFIG = """
[log]
level = "warning"
[site.mine]
path = "mine"
kind = "source"
[site.center]
path = "center"
[run_type.science]
[worker]
work_site = "center"
heartbeat_s = 1
"""


class Latency(NamedTuple):
    """How long live files took from their arrival's message to the end of the last step, in seconds."""

    median: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        return cls(statistics.median(seconds), sorted(seconds)[int(0.95 * len(seconds))])

    def __str__(self) -> str:
        """Say it in milliseconds."""
        return f"median {1000 * self.median:.0f} ms, p95 {1000 * self.p95:.0f} ms"


class Instance:
    """The processes, and ways to bring files in and to see them out."""

    def __init__(self, folder: Path, url: str, rabbit: RabbitServer, instance: str, cpu_ms: float) -> None:
        self.config, self.names = folder / "headframe.toml", Names(instance)
        steps = "".join(STEP.format(name=name, cpu_ms=cpu_ms) for name in STEPS)
        self.config.write_text(server_tables(folder, instance, url, rabbit) + CONFIG + steps)
        for site in ("mine", "center"):
            (folder / site).mkdir()
        self.command("db", "upgrade")
        self.engine = database.connect(url, instance)
        self.broker = connect(rabbit.url, user=rabbit.user, password=rabbit.password)
        self.broker.declare(self.names.topology((*STEPS, "settle")))
        self.processes: list[Process] = []
        self._runs = WARM_RUN

    def command(self, *words: str) -> str:
        """Run an operator's command."""
        done = subprocess.run(
            self._argv(*words), env=with_packages(PLUGIN), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *words: str) -> Process:
        """Start a process of the instance."""
        log = self.config.parent / f"{words[0]}-{len(self.processes)}.log"
        self.processes.append(Process(self._argv(*words), with_packages(PLUGIN), log, self.config.parent))
        return self.processes[-1]

    def freeze(self, process: Process, *, thaw: bool = False) -> None:
        """Stop a process and its children where they stand, or let them go on."""
        me = psutil.Process(process.pid)
        for each in [me, *me.children(recursive=True)]:
            each.send_signal(signal.SIGCONT if thaw else signal.SIGSTOP)

    def fill(self, files: int) -> None:
        """Let a run have gone through all steps, with nobody having done them."""
        self.live(1)
        with self.engine.begin() as connection:
            for statement in FILL:
                connection.execute(text(statement), {"run": BULK_RUN, "files": files})
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("vacuum analyze"))

    def live(self, files: int) -> list[float]:
        """Send live files, each when the one before is through; give how many seconds they took."""
        self._runs += 1
        return [self._through(self._runs, sequence) for sequence in range(1, files + 1)]

    def _through(self, run: int, sequence: int) -> float:
        sent = time.time()
        self._arrive(run, sequence)
        wait_until(lambda: bool(self.done(run, sequence)), 60, f"live file {sequence} of run {run} is through")
        time.sleep(PACE_S)  # the pace of a detector, not a wait for something
        return float(self.done(run, sequence)[0].done) - sent

    def done(self, run: int, sequence: int) -> Sequence[Any]:
        """Give a file if it is through."""
        return self.rows(DONE, run=run, sequence=sequence)

    def bulk_steps(self) -> int:
        """Count the steps that bulk files have done since they were sent back."""
        return int(self.rows(BULK_STEPS, run=BULK_RUN)[0].n)

    def bulk_lane(self) -> dict[str, int]:
        """Count what is ready, submitted or executing in the bulk lane."""
        return {row.phase: row.n for row in self.rows(BULK_LANE)}

    def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        """Ask the database."""
        with self.engine.connect() as connection:
            return connection.execute(text(statement), values).all()

    def _arrive(self, run: int, sequence: int) -> None:
        name = f"run{run}_{sequence}.raw"
        file = ArrivedFile(
            site="mine", path=name, name=name, run=run, sequence=sequence, size=1, mtime_ns=1, kind="science"
        )
        assert all(self.broker.publish([Outgoing(key=self.names.arrivals, body=encode(Arrived(files=(file,))))]))

    def close(self) -> None:
        """End everything."""
        for process in self.processes:
            process.end(signal.SIGKILL)
        self.broker.close()
        self.engine.dispose()

    def _argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "headframe", "--config", str(self.config), *words]


def cpu_s(process: Process) -> float:
    """Give the seconds of processor time that a process and its children have taken."""
    me = psutil.Process(process.pid)
    times = [each.cpu_times() for each in (me, *me.children(recursive=True))]
    return sum(each.user + each.system for each in times)


FILL = (
    "insert into run (number, kind, known_kind) values (:run, 'science', true)",
    """insert into file (run_id, sequence, name, site, path, size, mtime_ns, registered_at)
      select run.id, n, 'bulk' || n, 'mine', 'bulk' || n, 1, 1, now()
      from run, generate_series(1, :files) n where run.number = :run""",
    """insert into replica (run_id, file_id, role, step, site, path, status, size)
      select f.run_id, f.id, 'raw', '', f.site, f.path, 'present', 1
      from file f join run on run.id = f.run_id where run.number = :run""",
    """insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, trigger)
      select c.id, c.pipeline_id, f.run_id, f.id, 'file', 'science', 'did-four', 'done', 'arrive'
      from file f join run on run.id = f.run_id, campaign c where run.number = :run""",
)
DONE = """
select extract(epoch from i.changed_at) as done from item i join file f on f.id = i.file_id
join run on run.id = f.run_id where run.number = :run and f.sequence = :sequence and i.phase = 'done'
"""
BULK_STEPS = """
select coalesce(sum(array_position(array['did-one', 'did-two', 'did-three', 'did-four'], state) * n), 0) as n
from (select i.state, count(*) as n from item i join run on run.id = i.run_id
  where run.number = :run and i.lane = 'bulk' and i.state <> 'arrived' group by i.state) as counted
"""
BULK_LANE = """
select phase, count(*) as n from item where lane = 'bulk' and phase in ('ready', 'submitted', 'executing')
group by phase
"""
