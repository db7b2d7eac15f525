"""The kinds of fault: of processes, of servers, of the network, of messages, of disks, at crash points.

What the centre is set up with (clocks a minute wrong) is counted there.
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable

from .centre import Centre
from .decks import Fault
from .disk import Disk
from .executions import at_two_workers
from .member import Member
from .test_crash_points import CONDUCTOR, WORKER

ROLES = ("conductor", "sweeper", "watch", "worker", "web")
WAIT = threading.Event()
"""Never set: for faults that last a while."""


def of_processes(centre: Centre) -> list[Fault]:
    """SIGKILL of each kind of process; SIGSTOP for a moment."""

    def kill(role: str) -> Fault:
        def strike(chance: random.Random) -> bool:
            chosen = _victim(centre, role, chance)
            if chosen is not None:
                chosen.kill()
            return chosen is not None

        return Fault(f"{role} killed", strike)

    short = [_freeze(centre, role, f"{role} frozen", (0.2, 1.5)) for role in ROLES]
    return [*map(kill, ROLES), *short]


def of_leases(centre: Centre, lease_s: float) -> list[Fault]:
    """SIGSTOP of each kind of process for longer than a lease."""
    lasts = 1.3 * lease_s, 2 * lease_s
    return [_freeze(centre, role, f"{role} frozen for longer than a lease", lasts) for role in ROLES]


def _victim(centre: Centre, role: str, chance: random.Random) -> Member | None:
    able = [each for each in centre.members if each.role == role and each.lives() and not each.frozen]
    return chance.choice(able) if able else None


def _freeze(centre: Centre, role: str, name: str, lasts: tuple[float, float]) -> Fault:
    def strike(chance: random.Random) -> bool:
        chosen, seconds, whole = _victim(centre, role, chance), chance.uniform(*lasts), chance.random() < 0.5
        if chosen is None:
            return False
        chosen.freeze(whole=whole)
        WAIT.wait(seconds)
        chosen.thaw()
        return True

    return Fault(name, strike)


def of_servers(centre: Centre) -> list[Fault]:
    """PostgreSQL and RabbitMQ: killed, restarted, emptied. For the main thread only: they die with who starts them."""
    postgres, rabbit = centre.postgres, centre.rabbit

    def done(*acts: Callable[[], object]) -> Callable[[random.Random], bool]:
        def strike(chance: random.Random) -> bool:
            for act in acts:
                act()
                WAIT.wait(chance.uniform(0, 2))
            return True

        return strike

    return [
        Fault("PostgreSQL killed", done(postgres.kill, postgres.start)),
        Fault("PostgreSQL restarted", done(postgres.stop, postgres.start)),
        Fault("RabbitMQ killed", done(rabbit.kill, rabbit.start)),
        Fault("RabbitMQ restarted", done(rabbit.restart)),
        Fault("RabbitMQ wiped empty", done(rabbit.wipe)),
        Fault("all queues purged", done(centre.purge)),
    ]


def of_lines(centre: Centre) -> list[Fault]:
    """Connections cut and stalled in the middle."""

    def line(server: str, chance: random.Random, how: str) -> bool:
        proxy = chance.choice([each for each in centre.members if each.proxies]).proxies[server]
        if how == "cut":
            proxy.cut()
            return True
        proxy.stall()
        WAIT.wait(chance.uniform(0.5, 6))
        if chance.random() < 0.5:
            proxy.cut()
        proxy.flow()
        return True

    def fault(server: str, how: str) -> Fault:
        name = {"broker": "RabbitMQ", "database": "PostgreSQL"}[server]
        said = {"cut": "cut", "stall": "stalled in the middle"}[how]
        return Fault(f"connection to {name} {said}", lambda chance: line(server, chance, how))

    return [fault(server, how) for server in ("broker", "database") for how in ("cut", "stall")]


def of_messages(centre: Centre, disk: Disk, lease_s: float) -> list[Fault]:
    """Spells in which messages are garbled, and in which the disk is full. Each message and each step counts itself."""

    def spell(kind: str, rate: float, longest_s: float = 5.0) -> Fault:
        def strike(chance: random.Random) -> bool:
            before = centre.noted()[kind]
            centre.garble({kind: rate, "late_s": 4.0})
            WAIT.wait(chance.uniform(0.4 * longest_s, longest_s))
            centre.garble(None)
            return centre.noted()[kind] > before

        return Fault(kind, strike, counts_itself=True)

    def share(_: random.Random) -> bool:
        before = at_two_workers(centre)
        centre.garble({"work doubled": 0.5})
        struck = _within(5, lambda: at_two_workers(centre) > before)
        centre.garble(None)
        return struck

    def fill(_: random.Random) -> bool:
        before = centre.noted()["disk full"]
        disk.fill()
        struck = _within(5, lambda: centre.noted()["disk full"] > before)
        disk.free()
        return struck

    return [
        spell("report doubled", 0.3),
        spell("report delayed", 0.2),
        spell("report overtaken by the next one", 0.3),
        spell("work doubled", 0.3),
        spell("heartbeat lost", 1.0, longest_s=3 * lease_s),
        Fault("two workers with the same attempt", share),
        Fault("disk full", fill, counts_itself=True),
    ]


def at_points(centre: Centre, lease_s: float) -> list[Fault]:
    """Deaths at exact places, where the process that dies counts itself; a conductor also stands still there."""

    def death(point: str) -> Fault:
        def strike(_: random.Random) -> bool:
            centre.order(point)
            return centre.hit(point, within_s=5)

        return Fault(point, strike, counts_itself=True)

    def stop(point: str) -> Fault:
        def strike(chance: random.Random) -> bool:
            centre.order(point, freeze=True)
            if not centre.hit(point, within_s=5):
                return False
            WAIT.wait(chance.uniform(1.0, 2 * lease_s))
            with contextlib.suppress(ValueError):  # it was killed meanwhile
                centre.frozen_at_point().thaw()
            return True

        return Fault(point.replace("conductor ", "conductor frozen "), strike)

    return [*map(death, (*CONDUCTOR, *WORKER)), *map(stop, CONDUCTOR)]


def _within(seconds: float, struck: Callable[[], bool]) -> bool:
    """Say whether something happens in so many seconds."""
    end = time.monotonic() + seconds
    while not struck():
        if time.monotonic() > end:
            return False
        WAIT.wait(0.2)
    return True
