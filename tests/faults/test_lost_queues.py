"""Everything that the broker holds is lost in the middle of the work: it comes back by itself, and soon."""

import time
from collections.abc import Callable

import pytest

from ..integration.servers import wait_until
from .centre import Centre, step
from .conftest import Make
from .detector import Detector
from .executions import executions
from .reckoning import reckon, rest

LEASE_S, LOST_HINT_S, WINDOW, LEAST, AT_LEAST = 5, 10, 40, 150, 5
STEPS = "\n".join(
    [
        step("salt", "salted", use="faults-write", owned_by="file", lease_s=LEASE_S, window=WINDOW),
        step("place", "placed", makes="copy", owned_by="file", lease_s=LEASE_S, window=WINDOW, parcel=5),
        step("catalog", "cataloged", makes="nothing", lease_s=LEASE_S, window=WINDOW, parcel=10),
    ]
)
SLACK_S = 10
"""For reconnecting (its backoff ends at 10 s), and for a machine that has other things to do."""


def all_queues_purged(centre: Centre) -> None:
    """Empty each queue."""
    centre.purge()


def data_folder_deleted(centre: Centre) -> None:
    """Kill RabbitMQ, delete its data folder, start it: no queue is left, nor policy."""
    centre.purge()
    centre.rabbit.wipe()


@pytest.mark.parametrize("lose", [all_queues_purged, pytest.param(data_folder_deleted, marks=pytest.mark.long)])
def test_lost_queues_come_back_within_the_time_of_a_lost_hint_and_a_lease(
    centres: Make, lose: Callable[[Centre], None]
) -> None:
    with centres(steps=STEPS, lost_hint_s=LOST_HINT_S, refill_s=1) as centre:
        for name in ("conductor-0", "conductor-1", "sweeper-0", "sweeper-1", "watch-0"):
            centre.add(name)
        workers = [centre.add(name) for name in ("worker-0", "worker-1")]
        detector = Detector(centre, LEAST, 0.05)
        detector.start()
        wait_until(lambda: _moved(centre) > LEAST / 3, 60, "the work is under way")
        for worker in workers:
            worker.freeze()
        wait_until(lambda: centre.queued() >= AT_LEAST, 60, "there is something to lose")
        lost = centre.queued()
        lose(centre)
        out = _out(centre)
        for worker in workers:
            worker.thaw()
        began = time.monotonic()
        wait_until(lambda: not _left(centre, out), 120, "what was out moves again")
        took = time.monotonic() - began
        files = detector.stop()
        rest(centre, files, 120)
        rested = time.monotonic() - began
        reckon(centre, files)
        again = executions(centre).again
        allowed = LOST_HINT_S + LEASE_S
        print(
            f"\nlost queues ({lose.__name__}): {lost} messages were lost, {len(out)} items were out, all moved again "
            f"after {took:.1f} s and all at rest after {rested:.1f} s (lost hint {LOST_HINT_S} s + lease {LEASE_S} s); "
            f"of {files} files, 0 lost, 0 accepted twice, {again} executions twice (window {WINDOW})"
        )
        assert took < allowed + SLACK_S
        assert again <= WINDOW


def _moved(centre: Centre) -> int:
    return int(centre.value("select count(*) from history where trigger = 'succeed'"))


def _out(centre: Centre) -> dict[int, int]:
    rows = centre.rows("select id, version from item where phase in ('submitted', 'executing')")
    return {row.id: row.version for row in rows}


def _left(centre: Centre, out: dict[int, int]) -> bool:
    rows = centre.rows("select id, version from item where id = any(:ids)", ids=list(out))
    return any(row.version == out[row.id] for row in rows)
