"""Everything breaks, all the time, at random; then it stops, and everything comes to rest by itself."""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from . import kinds
from .centre import Centre, step
from .conftest import Make
from .decks import Clock, Deck, Fault
from .detector import Detector
from .disk import Disk
from .executions import executions
from .member import wrong_clock
from .reckoning import leftovers, reckon, rest

LEASE_S = 4
SLOW_EACH_S = 6.0
"""In each of two steps a file comes as often as this that takes longer than the lease."""
PROCESSES = {"conductor": 2, "sweeper": 2, "watch": 2, "worker": 4, "web": 1}
MANY_FILES, MORE_WORKERS = 5000, 2
"""Of so many files so many are slow at a time that two workers have nothing else to do."""
REST_S = 300
EASIEST = 8.0
"""How many times longer a long storm pauses between faults: most files are to get through while it lasts."""
WHOLE_S = 60.0
"""From how long a storm on each kind of fault comes up in it, however long that takes."""
CLOCKS = ("clock a minute ahead", "clock a minute behind")
THEIR_OWN = {"cursed", "frail"}
"""What files may fail for: nothing that the suite breaks is a fault of theirs."""


def steps(pace_s: float) -> str:
    """Give the pipeline, for a file each `pace_s`."""
    slow = {"slow": round(1000 * min(0.03, pace_s / SLOW_EACH_S)), "slow_s": 1.5 * LEASE_S}
    common = {"lease_s": LEASE_S, "backoff_max_s": 2}
    salt = {**common, "owned_by": "file", "options": {"cursed": 3, "frail": 20, **slow}}
    return "\n".join(
        [
            step("salt", "salted", use="faults-write", **salt),
            step("place", "placed", makes="copy", owned_by="file", parcel=5, **common),
            step("reconstruct", "reconstructed", use="faults-write", parcel=5, options=slow, **common),
            step("catalog", "cataloged", makes="nothing", parcel=20, **common),
        ]
    )


@pytest.mark.timeout(0)  # as long as it is told to take; each wait in it has an end of its own
def test_everything_comes_to_rest_after_a_storm_of_faults(
    centres: Make, option: Callable[[str, Any], Any], seed: int
) -> None:
    seconds, files = option("seconds", 20.0), option("files", 100)
    pace_s = 0.9 * seconds / files
    with centres(steps=steps(pace_s), scan_s=5) as centre:
        disk = Disk(centre.folder / "center", centre.orders, 200 + files // 20)
        try:
            _set_up(centre, random.Random(seed), MORE_WORKERS if files >= MANY_FILES else 0)
            detector = Detector(centre, files, pace_s)
            detector.start()
            lasted, ended = _storm(centre, disk, seconds, seed, files), _ended(centre)
            files = detector.stop()
            late = files - ended
            rested = rest(centre, files, REST_S + files / 5)
            began = time.monotonic()
            ends = reckon(centre, files)
            _tell(centre, files, ends, seed)
            reckoned = time.monotonic() - began
            print(f"{files - late} files ended in the {lasted:.0f} s of the storm, {late} after it; all at rest")
            print(f"{rested:.0f} s later; reckoned in {reckoned:.0f} s, of these verify --deep {centre.verify_s:.0f} s")
            _check_web(centre)
            missing = _never(centre, disk) if seconds >= WHOLE_S else []
            assert not missing, f"never injected: {missing}"
            assert _causes(ends) <= THEIR_OWN, ends
        finally:
            centre.close()
            disk.close()


def _set_up(centre: Centre, chance: random.Random, more_workers: int) -> None:
    for role, number in {**PROCESSES, "worker": PROCESSES["worker"] + more_workers}.items():
        for n in range(number):
            minute = {1: 60.0, 2: -60.0}.get(n)
            settings = wrong_clock(minute) if minute is not None else {}
            centre.add(f"{role}-{n}", settings, proxied=n == 0 or chance.random() < 0.5)
            if minute is not None:
                centre.note(CLOCKS[minute < 0])
    centre.keep()


def _storm(centre: Centre, disk: Disk, seconds: float, seed: int, files: int) -> float:
    def through() -> bool:
        with contextlib.suppress(DBAPIError):  # PostgreSQL may just be killed
            return _ended(centre) >= files
        return False

    def deck(name: str, faults: Sequence[Fault], least_s: float, most_s: float) -> Deck:
        easy = min(EASIEST, max(1.0, seconds / 60))
        return Deck(name, faults, (easy * least_s, easy * most_s), seed)

    decks = [
        deck("processes", kinds.of_processes(centre), 0.5, 1.5),
        deck("leases", kinds.of_leases(centre, LEASE_S), 0.2, 1.0),
        deck("lines", kinds.of_lines(centre), 0.5, 2.0),
        deck("messages", kinds.of_messages(centre, disk, LEASE_S), 0.2, 1.0),
        deck("points", kinds.at_points(centre, LEASE_S), 0.2, 1.0),
    ]
    servers = deck("servers", kinds.of_servers(centre), 0.5, 4.0)
    rounds = [*decks, servers] if seconds >= WHOLE_S else []
    clock = Clock(rounds, seconds, 2 * seconds + 300 if rounds else seconds, through)
    players = [threading.Thread(target=deck.play, args=(centre, clock.over)) for deck in decks]
    for player in (*players, threading.Thread(target=clock.run)):
        player.start()
    servers.play(centre, clock.over)
    for player in players:
        player.join()
    for deck in (*decks, servers):
        if deck.error is not None:
            raise deck.error
    return time.monotonic() - clock.began


def _ended(centre: Centre) -> int:
    """Count the files that have come to their end."""
    return int(centre.value("select count(*) from item where scope = 'file' and phase in ('done', 'failed')"))


def _tell(centre: Centre, files: int, ends: Counter[str], seed: int) -> None:
    faults = centre.noted()
    lines = [f"{number:6d}  {name}" for name, number in sorted(faults.items())]
    lines += [f"{number:6d}  ({name})" for name, number in sorted(centre.ended.items())]
    print(f"\n{faults.total()} faults of {len(faults)} kinds, seed {seed}:", *lines, sep="\n")
    print(f"{files} files: " + ", ".join(f"{number} {end}" for end, number in sorted(ends.items())))
    late = centre.value("select count(*) from late")
    letters = centre.value("select count(*) from dead_letter")
    print(
        f"{executions(centre)}; {late} late reports; {letters} dead letters; {len(leftovers(centre))} folders left over"
    )
    print("0 lost, 0 accepted twice, 0 operations, verify --deep found nothing")


def _causes(ends: Counter[str]) -> set[str]:
    return {end.rpartition(": ")[2] for end in ends if end.startswith("failed")}


def _check_web(centre: Centre) -> None:
    assert centre.member("web-0").lives()


def _never(centre: Centre, disk: Disk) -> list[str]:
    """Name the kinds that have not come up."""
    seen = centre.noted()
    wanted = [*kinds.of_processes(centre), *kinds.of_leases(centre, 1), *kinds.of_servers(centre)]
    wanted += [*kinds.of_lines(centre), *kinds.of_messages(centre, disk, 1), *kinds.at_points(centre, 1)]
    return [name for name in [*(fault.name for fault in wanted), *CLOCKS] if not seen[name]]
