"""The kinds of fault: of processes, of servers, of the network, of messages, of disks, at crash points."""

import random
import threading
from collections.abc import Callable

from .centre import Centre
from .decks import Fault
from .disk import Disk
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


def of_messages(centre: Centre, disk: Disk) -> list[Fault]:
    """Spells in which messages are garbled, and in which the disk is full. The garblers count each message."""

    def spell(kind: str, rate: float) -> Fault:
        def strike(chance: random.Random) -> bool:
            before = centre.noted()[kind]
            centre.garble({kind: rate, "late_s": 4.0})
            WAIT.wait(chance.uniform(2, 5))
            centre.garble(None)
            return centre.noted()[kind] > before

        return Fault(kind, strike, counts_itself=True)

    def fill(chance: random.Random) -> bool:
        disk.fill()
        WAIT.wait(chance.uniform(0.5, 2))
        disk.free()
        return True

    garbled = [
        spell("report doubled", 0.3),
        spell("report delayed", 0.2),
        spell("work doubled", 0.3),
        spell("heartbeat lost", 1.0),
    ]
    return [*garbled, Fault("disk full", fill)]


def at_points(centre: Centre) -> list[Fault]:
    """Deaths at exact places; the process that dies counts itself."""

    def fault(point: str) -> Fault:
        def strike(_: random.Random) -> bool:
            centre.order(point)
            return centre.hit(point, within_s=5)

        return Fault(point, strike, counts_itself=True)

    return [fault(point) for point in (*CONDUCTOR, *WORKER)]
