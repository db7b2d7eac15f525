"""Many files through four no-op steps: memory stays bounded, lists and pages stay quick."""

import threading
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest
from sqlalchemy import text

from headframe.daemon.up import Up
from headframe.statemachine import views
from headframe.statemachine.why import why_run

from ..patience import quickest
from .noop_tree import noop_tree

RUN_FILES = 1000


def test_1000_files_go_through_and_pages_stay_quick(tmp_path: Path) -> None:
    _scale(tmp_path, runs=1, limit_s=0.5)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_100000_files_go_through_in_bounded_memory(tmp_path: Path) -> None:
    memory = _scale(tmp_path, runs=100, limit_s=0.1)
    middle = max(size for done, size in memory if done <= 50_000)
    last = memory[-1][1]
    print(f"memory: {middle / 2**20:.0f} MiB up to the middle, {last / 2**20:.0f} MiB at the end")
    assert last < 1.3 * middle + 50 * 2**20


def _scale(folder: Path, runs: int, limit_s: float) -> list[tuple[int, int]]:
    with noop_tree(folder, parcel=100) as up:
        total = runs * RUN_FILES
        writing = threading.Thread(target=_write, args=(up.config.inbox_root("daq"), runs), daemon=True)
        began = time.monotonic()
        writing.start()
        memory = _follow(up, total)
        took = time.monotonic() - began
        print(f"\n{total} files through four steps in {took:.0f} s: {4 * total / took:.0f} steps/s")
        _look(up, runs, limit_s)
    return memory


def _write(inbox: Path, runs: int) -> None:
    for run in range(1, runs + 1):
        folder = inbox / f"{run:04d}"
        folder.mkdir()
        for sequence in range(1, RUN_FILES + 1):
            (folder / f"run{run}_{sequence}.raw").write_text(f"{run} {sequence}")


def _follow(up: Up, total: int) -> list[tuple[int, int]]:
    memory: list[tuple[int, int]] = []
    me = psutil.Process()
    done, end = 0, time.monotonic() + 200 + total / 20
    while done < total:
        assert time.monotonic() < end, f"only {done} of {total} files are done"
        assert not up.stop.is_set(), up.failure
        time.sleep(0.5)
        with up.engine.connect() as connection:
            done = int(connection.execute(text(DONE)).scalar_one())
        memory.append((done, me.memory_info().rss))
    return memory


def _look(up: Up, runs: int, limit_s: float) -> None:
    for path in ("", f"runs/{runs}", f"runs/{runs}/files", "dead-letters", "metrics"):
        took = quickest(lambda: _get(up.address + path), limit_s)  # noqa: B023
        print(f"/{path}: {1000 * took:.0f} ms")
        assert took < limit_s, f"/{path} took {1000 * took:.0f} ms"
    _ask(up, limit_s)


def _ask(up: Up, limit_s: float) -> None:
    """Ask what each list command asks of the database."""
    first_run = views.RunFilter(numbers=(1,))
    asked = {
        "get runs": views.runs,
        "get runs 1": lambda c: views.runs(c, first_run),
        "get files": views.files,
        "get files --run": lambda c: views.files(c, views.FileFilter(run=1)),
        "get files --phase": lambda c: views.files(c, views.FileFilter(phase="failed")),
        "get attempts": views.attempts,
        "get campaigns": views.campaigns,
        "get sites": views.sites,
        "status": views.status,
        "describe run": lambda c: views.run(c, 1),
        "why run": lambda c: why_run(c, 1),
        "catalog find": lambda c: views.catalog_find(c, 1),
    }
    for name, ask in asked.items():
        with up.engine.connect() as connection:
            took = quickest(lambda: ask(connection), limit_s)  # noqa: B023
        print(f"{name}: {1000 * took:.0f} ms")
        assert took < limit_s, f"{name} took {1000 * took:.0f} ms"


def _get(address: str) -> None:
    with urlopen(address) as answer:
        body: Any = answer.read()
    assert body


DONE = """
select coalesce(sum(n), 0) from (
  select n from count_total where scope = 'file' and phase = 'done'
  union all select n from count_delta where scope = 'file' and phase = 'done'
) as kept
"""
