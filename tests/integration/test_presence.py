"""The watcher says that it is there, whatever becomes of the detector's heartbeat file."""

import os
from pathlib import Path
from threading import Event

from headframe.daemon.watcher.presence import Presence

from .servers import wait_until
from .small_machine import SmallMachine

THERE = "select count(*) from process where role = 'watcher'"
BEATS = "select count(*) from detector where source = 'heartbeat' and running"


class Dead(type(Path())):  # type: ignore[misc]
    """A file in a file system that is dead: who looks at it hangs, until the test is over."""

    asked, over = Event(), Event()

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        self.asked.set()
        self.over.wait(60)
        raise TimeoutError


def test_a_heartbeat_on_a_dead_file_system_does_not_make_the_watcher_silent(machine: SmallMachine) -> None:
    stop, file = Event(), Dead("/dead/heartbeat")
    try:
        Presence(machine.engine, "w1", file).start(stop)
        assert file.asked.wait(30)
        wait_until(lambda: machine.sql_value(THERE) == 1, 30, "the watcher is there")
        assert machine.sql_value(BEATS) == 0
    finally:
        stop.set()
        file.over.set()


def test_a_fresh_heartbeat_says_that_the_detector_runs(machine: SmallMachine, tmp_path: Path) -> None:
    (tmp_path / "beat").touch()
    stop = Event()
    Presence(machine.engine, "w1", tmp_path / "beat").start(stop)
    try:
        wait_until(lambda: machine.sql_value(BEATS) == 1 == machine.sql_value(THERE), 30, "both are said")
    finally:
        stop.set()
