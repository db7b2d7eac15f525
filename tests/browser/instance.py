"""A whole instance in a process of its own, as `headframe up` runs it: runs of 1,200 files, of which some failed.

Most files of a run are written into the database as if they had been done long ago, for a thousand real ones take a
minute. Those that the walks are about come by the inbox, fail in the worker's program, and wait for constants.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from headframe.statemachine.database import connect

from ..integration.servers import Process, free_ports, listening, wait_until

FILES = 1200
WORKED, FAILED, LOST = 7, (700, 701), 812
"""Sequence numbers: a file that works, those that fail, and one that never comes."""
COMPLETE = 504
"""A run of one file that is well, later than all the others."""
LIMIT_S = 180.0
CONFIG = """
timezone = "Asia/Tokyo"
[database]
url = "{url}"
[web]
port = {port}
[log]
level = "error"
[site.daq]
path = "daq"
kind = "source"
[site.work]
path = "work"
[inbox.main]
site = "daq"
path = "inbox"
pattern = 'run(?P<run>\\d+)_(?P<sequence>\\d+)\\.raw'
manifest = 'run(?P<run>\\d+)\\.json'
kind = "science"
stable_s = 0.2
scan_s = 0.2
[rundb.manifests]
use = "manifest"
poll_s = 0.2
[run_type.science]
placed_when = ["work"]
[[pipeline.default.step]]
name = "place"
to = "placed"
makes = "copy"
owned_by = "file"
[[pipeline.default.step]]
name = "reconstruct"
to = "reconstructed"
use = "command:reconstruct"
[[pipeline.default.step]]
name = "catalog"
to = "cataloged"
makes = "nothing"
[command.reconstruct]
argv = ["{{python}}", "./reconstruct.py"]
[worker]
count = 1
work_site = "work"
grace_s = 5
[sweeper]
interval_s = 1
"""
PROGRAM = """
import json, pathlib, sys
job = json.load(open(sys.argv[1]))
here = pathlib.Path(__file__).parent
print("reading", job["name"])
if "needs constants" in pathlib.Path(job["inputs"][0]["path"]).read_text() and not (here / "constants").exists():
    print("channel 417: gain constant is NaN in calibration 2026-11-20")
    said = {"code": "no-constants", "reason": "no gain constants for channel 417", "permanent": True}
    pathlib.Path("result.json").write_text(json.dumps({"error": said}))
    sys.exit(3)
pathlib.Path("out.rq").write_text(job["name"])
pathlib.Path("result.json").write_text(json.dumps({"products": [{"name": "out.rq", "type": "reconstructed"}]}))
"""
OTHERS = """
with model as (
  select f.*, i.campaign_id, i.pipeline_id, i.kind, i.state from file f join item i on i.file_id = f.id
  join run r on r.id = f.run_id where r.number = :run and f.sequence = :worked
), more as (
  insert into file (run_id, sequence, name, site, path, size, mtime_ns, inbox, registered_at)
  select run_id, n, 'run' || :run || '_' || lpad(n::text, 5, '0') || '.raw', site,
    'inbox/run' || :run || '_' || lpad(n::text, 5, '0') || '.raw', 250000000, 1, inbox, registered_at
  from model, generate_series(0, :files - 1) n where n <> all(:real)
  returning id, run_id
)
insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, trigger, actor)
select campaign_id, pipeline_id, more.run_id, more.id, 'file', kind, state, 'done', 'succeed', 'conductor'
from more, model order by more.id
"""
PHASES = """
select i.phase from item i join run r on r.id = i.run_id join file f on f.id = i.file_id
where r.number = :run and f.sequence = any(:of) order by f.sequence
"""


class Instance:
    """An instance below `folder`, with its pages at `base`."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.engine, self.port = folder, connect(url, "headframe"), free_ports(1)[0]
        self.base = f"http://127.0.0.1:{self.port}"
        self.inbox = folder / "daq" / "inbox"
        self.inbox.mkdir(parents=True)
        (folder / "headframe.toml").write_text(CONFIG.format(url=url, port=self.port))
        (folder / "reconstruct.py").write_text(PROGRAM)

    @contextmanager
    def up(self) -> Iterator[None]:
        """Run it until the end of the block."""
        command = [sys.executable, "-m", "headframe", "--config", str(self.folder / "headframe.toml"), "up"]
        process = Process(command, os.environ, self.folder / "up.log", self.folder)
        try:
            wait_until(lambda: process.running() and listening(self.port), LIMIT_S, "the pages are there")
            yield
        finally:
            process.end(signal.SIGTERM)
            self.engine.dispose()

    def fill(self, *runs: int) -> None:
        """Let these runs come, each with two files that fail and one that is lost, and a later one that is well."""
        self._write(COMPLETE, 1, WORKED)
        for run in runs:
            self._write(run, FILES, WORKED, *FAILED)
        for run in runs:
            self._until(run, ["done", "failed", "failed"], WORKED, *FAILED)
            with self.engine.begin() as connection:
                values = {"run": run, "files": FILES, "worked": WORKED, "real": [WORKED, *FAILED, LOST]}
                connection.execute(text(OTHERS), values)
        self._until(COMPLETE, ["done"], WORKED)

    def mend(self) -> None:
        """Bring the constants that the program asks for."""
        (self.folder / "constants").touch()

    def phases(self, run: int, *sequences: int) -> list[str]:
        """Give the phases of a run's files."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(PHASES), {"run": run, "of": list(sequences)}).scalars())

    def _until(self, run: int, phases: list[str], *sequences: int) -> None:
        wait_until(lambda: self.phases(run, *sequences) == phases, LIMIT_S, f"run {run} {phases}")

    def _write(self, run: int, expected: int, *sequences: int) -> None:
        for sequence in sequences:
            name = f"run{run}_{sequence:05d}.raw"
            content = f"{name} needs constants" if sequence in FAILED else name
            (self.inbox / name).write_text(content)
        began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
        first = 0 if expected == FILES else WORKED
        manifest = f'{{"run": {run}, "type": "science", "started": "{began}", "closed": true, "expected": {expected}, '
        hidden = self.inbox / f".{run}"
        hidden.write_text(f'{manifest}"first_sequence": {first}}}')
        hidden.rename(self.inbox / f"run{run}.json")
