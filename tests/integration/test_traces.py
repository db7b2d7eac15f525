"""Traces: the way of each file, whole, at a real collector; and no file waits for it."""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from headframe.daemon.tracing import traces as tracing_traces
from headframe.statemachine.lifecycle import Trigger

from .collector_server import CollectorServer, Span, collecting, shown
from .servers import Process, free_ports, wait_until
from .tree import Tree

STEPS = """
[[pipeline.default.step]]
name = "place"
to = "placed"
makes = "copy"
owned_by = "file"
[[pipeline.default.step]]
name = "reconstruct"
to = "reconstructed"
use = "command:reconstruct"
makes = "nothing"
retries = 1
backoff_s = 0.1
[command.reconstruct]
argv = [{python}, "{script}"]
"""
SCRIPT = """
import json, pathlib, sys
job = json.loads(pathlib.Path("job.json").read_text())
tried = pathlib.Path({folder!r}) / job["name"]
before = tried.read_text() if tried.exists() else ""
tried.write_text(before + "x")
if "broken" in job["name"] and len(before) < 4 or "once" in job["name"] and not before:
    print("no peaks", file=sys.stderr)
    sys.exit(3)
pathlib.Path("result.json").write_text("{{}}")
"""


@pytest.fixture
def collector() -> Iterator[CollectorServer]:
    with collecting() as made:
        yield made


REST = ["waiting reconstruct", "reconstruct"]
ENDED = "step reconstruct of {} ended with exit code 3; its last words are in its log"


def steps(folder: Path) -> str:
    """Give a pipeline of two steps; the second fails at first for a name with `once`, and for good for `broken`."""
    tried = folder / "tried"
    tried.mkdir()
    script = folder / "reconstruct.py"
    script.write_text(SCRIPT.format(folder=str(tried)))
    return STEPS.format(python=json.dumps(sys.executable), script=script)


def traced(url: str, more: str = "") -> str:
    return f'[tracing]\nendpoint = "{url}"\n{more}\n'


def names(spans: list[Span]) -> list[str]:
    return [span.name for span in spans]


def has_root(collector: CollectorServer, file: str) -> Callable[[], bool]:
    return lambda: any(root.said.get("file") == file for root in collector.roots())


def test_a_file_has_one_trace_with_each_wait_and_each_attempt(
    tree: Callable[..., Tree], collector: CollectorServer, tmp_path: Path
) -> None:
    mine = tree(pipeline=steps(tmp_path), more=traced(collector.url))
    good, once = "run000001_science_0001.raw", "run000001_science_0002_once.raw"
    with mine.up():
        for name in (good, once):
            mine.write(name)
        for name in (good, once):
            mine.until(has_root(collector, name), f"the trace of {name}")
    assert len(collector.traces()) == 2
    assert names(collector.of(good)) == ["file", "arrived", "waiting place", "place", *REST]
    spans = collector.of(once)
    print(f"\n{shown(spans)}")
    assert names(spans) == ["file", "arrived", "waiting place", "place", *REST, *REST]
    root, *below = spans
    assert {span.parent for span in below} == {root.id} and root.parent == ""
    assert len({span.id for span in spans}) == len(spans)
    for before, after in pairwise(below):
        assert root.began <= before.began <= before.ended <= after.began <= after.ended <= root.ended
    failed, tried = below[-3], below[-1]
    item = mine.item(once).id
    assert failed.error == f"exit-3: {ENDED.format(once)}" and tried.error is root.error is None
    assert failed.said["outcome"] == "failed" and failed.said["code"] == "exit-3"
    assert [each.said["attempt"] for each in below[1:]] == [f"{item}/{n}" for n in (1, 1, 2, 2, 3, 3)]
    assert tried.said == {
        "trace": f"1/{once}",
        "run": 1,
        "file": once,
        "attempt": f"{item}/3",
        "step": "reconstruct",
        "lane": "live",
        "owner": tried.said["owner"],
        "node": os.uname().nodename,
        "outcome": "succeeded",
    }
    assert {"campaign", "type", "lane", "state", "outcome"} <= root.said.keys()
    assert (root.said["state"], root.said["outcome"]) == ("reconstructed", "done")
    assert root.service["service.namespace"] == "headframe"


def test_who_failed_for_good_and_is_sent_round_again_goes_on_in_the_same_trace(
    tree: Callable[..., Tree], collector: CollectorServer, tmp_path: Path
) -> None:
    mine = tree(pipeline=steps(tmp_path), more=traced(collector.url))
    name = "run000001_science_0001_broken.raw"
    with mine.up():
        mine.write(name)
        mine.until(has_root(collector, name), "the trace of a file that failed")
        (root,) = collector.roots()
        assert root.error == f"exit-3: {ENDED.format(name)}"
        assert (root.said["state"], root.said["outcome"], root.said["code"]) == ("placed", "failed", "exit-3")
        mine.operate(Trigger.HOLD, name)
        mine.operate(Trigger.RELEASE, name)
        mine.until(lambda: len(again(collector, name)) == 1, "it failed again")
        mine.operate(Trigger.RESOLVE, name)
        mine.until(lambda: len(again(collector, name)) == 2, "and came to its end")
    spans = collector.of(name)
    first, second = again(collector, name)
    assert len(collector.roots()) == 1
    assert {first.parent, second.parent} == {root.id}
    assert first.events == (("hold", "placed"), ("release", "placed")) and second.events == (("resolve", "placed"),)
    assert (first.error, second.error) == (root.error, None)
    inside = [(span.name, span.error is None) for span in spans if span.parent == second.id]
    assert inside == [("waiting reconstruct", True), ("reconstruct", True)]
    assert len([span for span in spans if span.name == "reconstruct"]) == 5


def again(collector: CollectorServer, file: str) -> list[Span]:
    return [span for span in collector.of(file) if span.name == "again"]


def test_of_half_of_the_files_there_are_whole_traces_and_of_the_others_none(
    tree: Callable[..., Tree], collector: CollectorServer
) -> None:
    mine = tree(more=traced(collector.url, "share = 0.5"))
    files = [f"run000001_science_{n:04d}.raw" for n in range(40)]
    with mine.up():
        for name in files:
            mine.write(name)
        mine.until_cataloged(*files)
        mine.until(lambda: len(collector.roots()) > 0, "some trace")
    told = collector.traces()
    assert 5 < len(told) < 35  # by chance once in a million runs, were the ids drawn; they are not: always the same
    for spans in told.values():
        assert names(spans) == ["file", "arrived", "waiting place", "place", "waiting catalog", "catalog"]


def test_the_collector_is_shown_the_headers_that_a_file_has(
    tree: Callable[..., Tree], collector: CollectorServer, tmp_path: Path
) -> None:
    (tmp_path / "headers").write_text("Authorization: Bearer a-secret\nX-Scope-OrgID: lz\n")
    mine = tree(more=traced(collector.url, 'headers_file = "headers"'))
    with mine.up():
        mine.write("run000001_science_0001.raw")
        mine.until(has_root(collector, "run000001_science_0001.raw"), "its trace")
    shown = {name.lower(): value for name, value in collector.headers[0].items()}
    assert (shown["authorization"], shown["x-scope-orgid"]) == ("Bearer a-secret", "lz")


def test_a_collector_that_is_away_is_said_once_and_once_more_when_it_is_back(
    tree: Callable[..., Tree], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headframe.daemon.tracing.collector.TIMEOUT_S", 0.3)
    (port,) = free_ports(1)
    mine = tree(more=traced(f"http://127.0.0.1:{port}/v1/traces"))
    with caplog.at_level(logging.INFO, "headframe.tracing"), mine.up():
        for n in (1, 2, 3):
            name = f"run000001_science_000{n}.raw"
            mine.write(name)
            mine.until_cataloged(name)
            mine.until(lambda: len(lines(caplog)) >= 1, "it is said")
        with collecting(port) as collector:
            mine.write("run000001_science_0004.raw")
            mine.until(has_root(collector, "run000001_science_0004.raw"), "the trace of the one after")
            mine.until(lambda: len(lines(caplog)) >= 2, "it is said that it is back")
    away, back = lines(caplog)
    assert away.message == "the collector does not take traces; files go on"
    assert away.cause == "Connection refused"
    assert away.collector == f"http://127.0.0.1:{port}/v1/traces"
    assert back.message == "the collector takes traces again"
    assert back.lost in (6, 12, 18)  # of six spans a file, as many files as ended before it was back


def lines(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.name == "headframe.tracing"]


def test_what_is_too_much_for_a_slow_collector_is_lost_and_holds_nobody(
    tree: Callable[..., Tree],
    collector: CollectorServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing_traces, "MOST", 3)
    collector.hangs = True
    mine = tree(more=traced(collector.url))
    files = [f"run000001_science_{n:04d}.raw" for n in range(20)]
    with mine.up():
        mine.write(files[0])
        mine.until(lambda: collector.asked > 0, "it is asked, and does not answer")
        for name in files[1:]:
            mine.write(name)
        mine.until_cataloged(*files)
        mine.until(lambda: len(lines(caplog)) > 0, "more came")
    assert lines(caplog)[0].message == "more comes to its end than can be traced; files go on, and some traces are lost"


@pytest.mark.parametrize("state", ["hangs", "is not there"])
def test_a_process_goes_on_and_leaves_in_time_whatever_the_collector_does(
    database_url: str, tmp_path: Path, collector: CollectorServer, state: str
) -> None:
    collector.hangs = True
    url = collector.url if state == "hangs" else f"http://127.0.0.1:{free_ports(1)[0]}/v1/traces"
    tree = Tree(tmp_path, database_url, more=traced(url))
    process = started(tree)
    tree.write("run000001_science_0001.raw")
    tree.until_cataloged("run000001_science_0001.raw")
    wait_until(lambda: collector.asked > 0 or "does not take traces" in said(process), 60, "it was tried")
    began = time.monotonic()
    tree.write("run000001_science_0002.raw")
    tree.until_cataloged("run000001_science_0002.raw")
    took = time.monotonic() - began
    assert left(process) < 10
    tree.close()
    print(f"{state}: a file took {took:.2f} s")
    assert took < 5


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported(
    database_url: str, tmp_path: Path, collector: CollectorServer
) -> None:
    tree = Tree(tmp_path, database_url)
    assert "opentelemetry" not in imported(tree, lambda: True)
    tree.configure(more=traced(collector.url))
    assert "opentelemetry" in imported(tree, lambda: len(collector.roots()) > 0)
    tree.close()


def imported(tree: Tree, true: Callable[[], bool]) -> str:
    """Carry a file through a process of its own; give the modules that it has imported."""
    process = started(tree, "-X", "importtime")
    name = f"run000001_science_{len(tree.items()):04d}.raw"
    tree.write(name)
    tree.until_cataloged(name)
    wait_until(true, 60, "and whatever else there is to wait for")
    left(process)
    told = said(process)
    assert "headframe.daemon.tracing.wired" in told
    process.log.unlink()
    return told


def test_a_host_without_the_packages_says_so_in_one_line_and_goes_on(database_url: str, tmp_path: Path) -> None:
    tree = Tree(tmp_path, database_url, more=traced("http://127.0.0.1:1/v1/traces"))
    hidden = tmp_path / "hidden" / "sitecustomize.py"
    hidden.parent.mkdir()
    hidden.write_text("import sys\nsys.modules['opentelemetry'] = None\n")
    process = started(tree, path=str(hidden.parent))
    tree.write("run000001_science_0001.raw")
    tree.until_cataloged("run000001_science_0001.raw")
    left(process)
    told = [line for line in said(process).splitlines() if "opentelemetry" in line]
    assert len(told) == 1
    assert json.loads(told[0])["todo"] == "pip install 'headframe[tracing]'"
    assert "Traceback" not in said(process)
    tree.close()


def started(tree: Tree, *options: str, path: str = "") -> Process:
    """Start `headframe up` as a process of its own."""
    line = [sys.executable, *options, "-m", "headframe", "--config", str(tree.folder / "headframe.toml"), "up"]
    found = os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": found, "HEADFRAME_LOG__LEVEL": "warning", "HEADFRAME_LOG__FORMAT": "json"}
    return Process(line, env, tree.folder / "up.log", tree.folder)


def said(process: Process) -> str:
    return process.log.read_text(errors="replace")


def left(process: Process) -> float:
    """Tell it to leave; give the seconds that it took."""
    began = time.monotonic()
    process.popen.terminate()
    assert process.popen.wait(30) == 0, process.log.read_text()
    return time.monotonic() - began
