"""The whole of `headframe up` in the test's process: an inbox, one worker, a database of the test's own.

Files go in at one end; what the database says comes out at the other. Nothing is waited for by sleeping: each
wait names what it waits for, and ends as soon as that is so.
"""

import json
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
from blake3 import blake3
from sqlalchemy import Engine, text

from headframe.consumers.broker.connect import forget_memory
from headframe.daemon import processes
from headframe.daemon.config import Config, load
from headframe.daemon.up import Up, running
from headframe.statemachine import why
from headframe.statemachine.database import connect
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.store.operating import Operated, Selection, operate
from headframe.statemachine.verify import Fault, verify

from .servers import wait_until

NAME = r"(?s:.*/)?run(?P<run>\d+)_(?P<kind>[a-z]+)_(?P<sequence>\d+)[^/]*"
PLACE = """
[[pipeline.default.step]]
name = "place"
to = "placed"
makes = "copy"
owned_by = "file"
retries = 1
backoff_s = 0.2
[[pipeline.default.step]]
name = "catalog"
to = "cataloged"
makes = "nothing"
retries = 0
"""
CONFIG = """
[database]
url = "{url}"
[web]
port = 0
[log]
level = "error"
[site.daq]
path = "daq"
kind = "source"
[site.work]
path = "work"
{sites}
[inbox.main]
site = "daq"
path = "inbox"
pattern = '{pattern}'
stable_s = 0.2
scan_s = 0.1
resend_s = 1.0
recheck_s = 1.0
{inbox}
[run_type.science]
placed_when = ["{place_at}"]
[run_type.calibration]
bypass = {bypass}
placed_when = ["{place_at}"]
{pipeline}
[worker]
count = {workers}
work_site = "work"
grace_s = 5
[conductor]
refill_s = 0.2
[sweeper]
interval_s = 0.2
{more}
"""
MANIFESTS = """
[rundb.manifests]
use = "manifest"
poll_s = 0.1
"""
DEFAULTS = {
    "pattern": NAME,
    "sites": "",
    "inbox": "",
    "place_at": "work",
    "bypass": "[]",
    "pipeline": PLACE,
    "workers": 1,
    "more": "",
}


def unless_ci(reason: str) -> NoReturn:
    """Skip a test that this machine cannot run; in CI it has to."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"CI has to be able to: {reason}")
    pytest.skip(reason)


class Letter(NamedTuple):
    """A dead letter: one clear line on bad input."""

    code: str
    sentence: str
    subject: str


class Item(NamedTuple):
    """Where a file is, and why."""

    name: str
    state: str
    phase: str
    reason_code: str
    reason: str
    id: int


def write_config(folder: Path, url: str, **changes: Any) -> Path:
    """Write the configuration of a tree; `changes` replace `DEFAULTS`."""
    source = folder / "headframe.toml"
    source.write_text(CONFIG.format(url=url, **{**DEFAULTS, **changes}), encoding="utf-8")
    return source


def where_threads_are() -> Iterator[str]:
    """Give name and stack of each thread of this process."""
    frames = sys._current_frames()
    for thread in threading.enumerate():
        if thread.ident in frames:
            yield f"{thread.name}:\n{''.join(traceback.format_stack(frames[thread.ident]))}"


class Tree:
    """One tree below `folder`. Files are written while it is up or before; `up` may be entered again."""

    def __init__(self, folder: Path, url: str, **changes: Any) -> None:
        self.folder, self.url = folder, url
        self.configure(**changes)
        self.inbox = folder / "daq" / "inbox"
        self.inbox.mkdir(parents=True, exist_ok=True)
        self.engine: Engine = connect(url, "headframe")
        self.stop = threading.Event()

    def configure(self, **changes: Any) -> None:
        """Write and read the configuration anew; the next `up` goes by it."""
        self.config: Config = load(write_config(self.folder, self.url, **changes), {})

    @contextmanager
    def up(self) -> Iterator[Up]:
        """Run everything. The broker begins empty, as after the loss of its machine."""
        forget_memory()
        self.stop = threading.Event()
        with running(self.config, self.stop) as up:
            yield up

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Run a worker beside a tree that has none (`workers=0`)."""
        stop = threading.Event()
        thread = threading.Thread(target=processes.run_worker, args=(self.config, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=60)

    def write(self, name: str, content: bytes | None = None, changed_at: float | None = None) -> Path:
        """Write a file into the inbox, complete at once, as a careful detector does."""
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = path.with_name(f".{blake3(os.fsencode(name)).hexdigest(6)}")
        hidden.write_bytes(content if content is not None else b"raw " + os.fsencode(name))
        if changed_at is not None:
            os.utime(hidden, (changed_at, changed_at))
        hidden.rename(path)
        return path

    def manifest(self, name: str, **said: Any) -> Path:
        """Write a manifest."""
        return self.write(name, json.dumps(said).encode())

    def sums(self) -> dict[str, str]:
        """Sum every file of the inbox: raw data never changes."""
        files = (path for path in self.inbox.rglob("*") if path.is_file() and not path.is_symlink())
        return {str(path.relative_to(self.inbox)): blake3(path.read_bytes()).hexdigest() for path in files}

    def letters(self, *, every: bool = False) -> list[Letter]:
        """Give the dead letters, the open ones only unless `every`."""
        where = "" if every else "where cleared_at is null"
        with self.engine.connect() as conn:
            rows = conn.execute(text(f"select code, sentence, subject from dead_letter {where} order by id")).all()
        return [Letter(*row) for row in rows]

    def items(self, run: int | None = None) -> list[Item]:
        """Give the files, of one run or of all."""
        statement = text(
            "select f.name, i.state, i.phase, i.reason_code, i.reason, i.id "
            "from item i join file f on f.id = i.file_id join run on run.id = i.run_id "
            "where run.number = coalesce(:run, run.number) order by run.number, f.id"
        )
        with self.engine.connect() as conn:
            return [Item(*row) for row in conn.execute(statement, {"run": run})]

    def item(self, name: str) -> Item:
        """Give the one file of that name."""
        (found,) = (item for item in self.items() if item.name == name)
        return found

    def history(self, name: str) -> list[tuple[str, str, str]]:
        """Give (trigger, state and phase it came to) of a file, first to last."""
        statement = text("select trigger, to_state, to_phase from history where item_id = :item order by version")
        with self.engine.connect() as conn:
            return [tuple(row) for row in conn.execute(statement, {"item": self.item(name).id})]

    def run(self, number: int) -> tuple[str, str]:
        """Give state and phase of a run's own item."""
        statement = text(
            "select i.state, i.phase from item i join run on run.id = i.run_id "
            "where run.number = :n and i.scope = 'run'"
        )
        with self.engine.connect() as conn:
            return tuple(conn.execute(statement, {"n": number}).one())

    def why_run(self, number: int) -> why.Why:
        """Ask why a run is where it is."""
        with self.engine.connect() as conn:
            answer = why.why_run(conn, number)
        assert answer is not None
        return answer

    def why_file(self, name: str) -> why.Why:
        """Ask why a file is where it is."""
        with self.engine.connect() as conn:
            answer = why.why_file(conn, name)
        assert answer is not None
        return answer

    def operate(self, trigger: Trigger, *files: str, **options: Any) -> Operated:
        """Act on files as an operator does."""
        return operate(self.engine, trigger, Selection(files=files), actor="anna", reason="a test", **options)

    def until(self, true: Any, what: str, seconds: float = 90.0) -> None:
        """Wait until `true()`; where it does not come, tell where everything stands."""
        try:
            wait_until(true, seconds, what)
        except TimeoutError as error:
            stands = "\n".join(map(str, [*self.items(), *self.letters(), *where_threads_are()]))
            raise AssertionError(f"{error}\n{stands}") from error

    def until_letter(self, code: str, seconds: float = 90.0) -> Letter:
        """Wait for the one dead letter with this code."""
        self.until(lambda: any(one.code == code for one in self.letters()), f"dead letter {code}", seconds)
        (found,) = (one for one in self.letters() if one.code == code)
        return found

    def until_in(self, state: str, phase: str, names: Sequence[str], seconds: float = 90.0) -> None:
        """Wait until files of these names are all in a state and phase."""

        def there() -> bool:
            return set(names) <= {i.name for i in self.items() if (i.state, i.phase) == (state, phase)}

        self.until(there, f"{sorted(names)} {state} {phase}", seconds)

    def until_cataloged(self, *names: str, seconds: float = 90.0) -> None:
        """Wait until files of these names are all done."""
        self.until_in("cataloged", "done", names, seconds)

    def until_settled(self) -> None:
        """Wait until all readable links are made and all folders of failed attempts are gone."""
        self.until(lambda: self._count("settle") == 0, "settled")

    def still_works(self) -> None:
        """Bring one more good file through: whatever was going to be said of the others has been said by then."""
        name = "run999_science_1"
        if not any(item.name == name for item in self.items()):
            self.write(name)
        self.until_cataloged(name)

    def faults(self, *, deep: bool = True) -> list[Fault]:
        """Ask `verify` what is broken; links that are still being made are waited for."""
        self.until_settled()
        inboxes = [(inbox.site, inbox.path) for inbox in self.config.inboxes.values()]
        resolve = (lambda site, path: self.config.site(site).open_path(path)) if deep else None
        with self.engine.connect() as conn:
            return list(verify(conn, inboxes, resolve))

    def is_whole(self, before: dict[str, str], letters: int = 0) -> None:
        """Assert the end of every story: so many lines were said, others go on, no raw byte changed, nothing broke."""
        self.still_works()
        assert len(self.letters()) == letters, self.letters()
        for letter in self.letters(every=True):
            assert letter.sentence.isprintable(), letter
        after = self.sums()
        assert {name: after.get(name) for name in before} == before
        assert self.faults() == []

    def close(self) -> None:
        """Let the database go."""
        self.engine.dispose()

    def _count(self, table: str) -> int:
        with self.engine.connect() as conn:
            return int(conn.execute(text(f"select count(*) from {table}")).scalar_one())
