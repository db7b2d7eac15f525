"""The id of a file is on every line about it, also where its attempts are lost, refused, or cannot be cleared away."""

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from headframe.consumers.broker import Names
from headframe.consumers.broker.connect import connect
from headframe.consumers.worker.settings import SETTLE

from .broker_help import gather
from .manners_house import House, Resident, leave_together
from .servers import wait_until

FILE = {"trace": "7/run7_1.raw", "run": 7, "file": "run7_1.raw"}
LEASE_S = 3
pytestmark = pytest.mark.long


def lines(residents: list[Resident], event: str) -> list[dict[str, Any]]:
    return [line for each in residents for line in each.lines() if line["event"] == event]


def await_line(resident: Resident, event: str) -> dict[str, Any]:
    """Wait until it says this; give the first such line."""
    wait_until(lambda: f'"{event}"' in resident.said(), 120, f"{resident.name} says {event!r}: {resident.said()}")
    return lines([resident], event)[0]


def refuse_the_next_work(home: House) -> None:
    """Take a work message off its queue, as a worker does, and refuse it."""
    broker = connect(home.rabbit.url, user=home.rabbit.user, password=home.rabbit.password, name="worker")
    names = Names(home.instance)
    broker.declare(names.topology(("reconstruct", SETTLE)))
    work = broker.subscribe([names.work("reconstruct", "live")], prefetch=1)
    work.reject(gather(work, 1, within_s=120), "it cannot be read")
    work.close()
    broker.close()


def spoil(home: House) -> Path:
    """Put a file where the attempt's folder was: nobody can clear that away as a folder."""
    (folder,) = (home.folder / "center/attempts").rglob("e1-*")
    shutil.rmtree(folder)
    folder.write_text("in the way")
    return folder


def test_every_line_about_a_lost_attempt_has_the_id_of_its_file(home: House) -> None:
    home.config.write_text(home.config.read_text().replace("lease_s = 60", f"lease_s = {LEASE_S}"))
    conductor, watch, sweeper, worker = (home.start(role) for role in ("conductor", "watch", "sweeper", "worker"))
    (home.inbox / "run7_1.raw").write_text("a raw file")
    first = await_line(worker, "begins")
    assert await_line(conductor, "report")["outcome"] == "start"  # so it holds a lease
    worker.process.end(signal.SIGKILL)
    spoil(home)
    taken = await_line(sweeper, "taken back")
    assert taken["code"] == "lost-lease"
    assert taken["attempt"] == first["attempt"]
    refuse_the_next_work(home)
    dead = await_line(conductor, "dead letter")
    item, _, epoch = first["attempt"].partition("/")
    assert dead["attempt"] == f"{item}/{int(epoch) + 1}"
    second = home.start("worker")
    unsettled = await_line(conductor, "not settled")
    assert unsettled["attempt"] == first["attempt"]
    assert "settling attempts/" in unsettled["cause"]
    residents = [conductor, watch, sweeper, second]
    leave_together(residents)
    for event in ("sent", "begins", "handed back", "report", "taken back", "dead letter", "not settled"):
        for line in lines([*residents, worker], event):
            assert FILE.items() <= line.items(), line
            assert line["attempt"].startswith(f"{item}/"), line
