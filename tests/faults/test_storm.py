"""Everything breaks, all the time, at random; then it stops, and everything comes to rest by itself."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from . import kinds
from .centre import Centre, step
from .conftest import Make
from .decks import Clock, Deck
from .detector import Detector
from .disk import Disk
from .member import wrong_clock
from .reckoning import executions, leftovers, reckon, rest

LEASE_S = 4
SLOW = {"slow": 15, "slow_s": 3.0}
STEPS = "\n".join(
    [
        step("salt", "salted", use="faults-write", owned_by="file", options={"cursed": 3, "frail": 20, **SLOW}),
        step("place", "placed", makes="copy", owned_by="file", parcel=5),
        step("reconstruct", "reconstructed", use="faults-write", parcel=5, options=SLOW),
        step("catalog", "cataloged", makes="nothing", parcel=20),
    ]
)
PROCESSES = {"conductor": 2, "sweeper": 2, "watch": 2, "worker": 4, "web": 1}
REST_S = 300


@pytest.mark.timeout(0)  # as long as it is told to take; each wait in it has an end of its own
def test_everything_comes_to_rest_after_a_storm_of_faults(
    centres: Make, option: Callable[[str, Any], Any], seed: int
) -> None:
    seconds, files = option("seconds", 60.0), option("files", 300)
    with centres(steps=STEPS, scan_s=5) as centre:
        disk = Disk(centre.folder / "center", centre.orders, 200 + files // 20)
        try:
            _set_up(centre, random.Random(seed))
            detector = Detector(centre, files, 0.9 * seconds / files)
            detector.start()
            lasted = _storm(centre, disk, seconds, seed)
            files = detector.stop()
            rested = rest(centre, files, REST_S + files / 5)
            ends = reckon(centre, files)
            _tell(centre, files, lasted, rested, ends)
            _check_web(centre)
            missing = _never(centre, disk)
            assert not missing, f"never injected: {missing}"
        finally:
            centre.close()
            disk.close()


def _set_up(centre: Centre, chance: random.Random) -> None:
    for role, number in PROCESSES.items():
        for n in range(number):
            minute = {1: 60.0, 2: -60.0}.get(n)
            settings = wrong_clock(minute) if minute is not None else {}
            centre.add(f"{role}-{n}", settings, proxied=n == 0 or chance.random() < 0.5)
            if minute is not None:
                centre.note(f"clock a minute {'ahead' if minute > 0 else 'behind'}")
    centre.keep()


def _storm(centre: Centre, disk: Disk, seconds: float, seed: int) -> float:
    decks = [
        Deck("processes", kinds.of_processes(centre), (0.5, 1.5), seed),
        Deck("leases", kinds.of_leases(centre, LEASE_S), (0.2, 1.0), seed),
        Deck("lines", kinds.of_lines(centre), (0.5, 2.0), seed),
        Deck("messages", kinds.of_messages(centre, disk), (0.2, 1.0), seed),
        Deck("points", kinds.at_points(centre), (0.2, 1.0), seed),
    ]
    servers = Deck("servers", kinds.of_servers(centre), (0.5, 4.0), seed)
    clock = Clock([*decks, servers], seconds, patience_s=2 * seconds + 120)
    players = [threading.Thread(target=deck.play, args=(centre, clock.over)) for deck in decks]
    for player in (*players, threading.Thread(target=clock.run)):
        player.start()
    servers.play(centre, clock.over)
    for player in players:
        player.join()
    return time.monotonic() - clock.began


def _tell(centre: Centre, files: int, lasted: float, rested: float, ends: Counter[str]) -> None:
    faults, (done, again) = centre.noted(), executions(centre)
    lines = [f"{number:6d}  {name}" for name, number in sorted(faults.items())]
    lines += [f"{number:6d}  ({name})" for name, number in sorted(centre.ended.items())]
    print(f"\n{faults.total()} faults in {lasted:.0f} s:", *lines, sep="\n")
    print(f"{files} files: " + ", ".join(f"{number} {end}" for end, number in sorted(ends.items())))
    late = centre.value("select count(*) from late")
    print(f"{done} executions, {again} of them again; {late} late reports; {len(leftovers(centre))} folders left over")
    print(f"at rest {rested:.0f} s after the last fault; 0 lost, 0 accepted twice, verify --deep found nothing")


def _check_web(centre: Centre) -> None:
    assert centre.member("web-0").lives()


def _never(centre: Centre, disk: Disk) -> list[str]:
    """Name the kinds that have not come up."""
    seen = centre.noted()
    wanted = [*kinds.of_processes(centre), *kinds.of_leases(centre, 1), *kinds.of_servers(centre)]
    wanted += [*kinds.of_lines(centre), *kinds.of_messages(centre, disk), *kinds.at_points(centre)]
    return [fault.name for fault in wanted if not seen[fault.name]]
