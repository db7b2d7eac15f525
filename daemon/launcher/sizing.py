"""How many pilots there should be: from the work that waits, how long it takes, and the pilots that there are."""

import math
from collections import deque
from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace

from ...statemachine.piloting import StepDemand
from ...statemachine.records import Record
from ..config.launching import PilotConfig

FEW = 4
"""Without a measurement each worker is given so many files. Nobody knows yet how long one takes: a pilot a file would
ask for a whole cluster, one pilot for all might take for ever. The first results correct it."""

PATIENCE = 3
"""Waiting pilots are taken back when, for so many rounds, there were too many of them."""


class Work(Record):
    """The work for pilots of one name: files that wait (those apart that ran out of time or memory) and that execute;
    `*_s` is how long they take, in seconds of one worker."""

    waiting: int = 0
    waiting_s: float = 0.0
    large: int = 0
    large_s: float = 0.0
    executing_s: float = 0.0


class Kind(Record):
    """Which pilots: of a name, `large` ones, or those of the least number, which `stay` though there is no work."""

    name: str
    large: bool = False
    stay: bool = False


def kinds(name: str) -> tuple[Kind, Kind, Kind]:
    """Give the kinds of pilots of a name: ordinary, large, and those that stay."""
    return Kind(name=name), Kind(name=name, large=True), Kind(name=name, stay=True)


class Crowd(Record):
    """The pilots of one kind. `leaving`: told to drain or to be cancelled, or near their end, and no help any more."""

    running: int = 0
    pending: int = 0
    leaving: int = 0

    @property
    def helping(self) -> int:
        """Count those that do work, or will."""
        return self.running + self.pending

    @property
    def all(self) -> int:
        """Count those that hold a place."""
        return self.running + self.pending + self.leaving


NOBODY = Crowd()


class Plan(Record):
    """What to do for pilots of one name: start so many, and so many of those that wait are too many. Of those that
    stay, running ones may be too many as well: they would not leave by themselves. `wanted`: so many are to be there.
    """

    start: int = 0
    start_large: int = 0
    start_stay: int = 0
    surplus: int = 0
    surplus_large: int = 0
    surplus_stay: int = 0
    wanted: int = 0


def work(pilots: Mapping[str, PilotConfig], demand: Iterable[StepDemand], able: Collection[str]) -> dict[str, Work]:
    """Share the work among pilots: in the order of the configuration, each name takes what its most pilots can do.

    The last one takes the rest. A name that is not `able` to start pilots now sees work, but takes none from others.
    """
    left = {step.step: step for step in demand}
    found = {}
    for name, pilot in pilots.items():
        room_s = pilot.max * places(pilot) * pilot.within_s
        parts = []
        for step in pilot.steps:
            if step in left:
                part = _for_lanes(left[step], pilot)
                taken = _taken(part, room_s, mean_s(part, pilot))
                room_s -= taken.waiting * mean_s(part, pilot)
                more = _others(name, step, pilots, able)
                parts.append(taken if more else part)
                if name in able and more:
                    left[step] = _without(left[step], taken)
        found[name] = _sum(parts, pilot)
    return found


def places(pilot: PilotConfig) -> int:
    """Give the workers of one pilot."""
    return pilot.workers * pilot.nodes


def mean_s(step: StepDemand, pilot: PilotConfig) -> float:
    """Give how long a file takes; without a measurement, so long that a worker does a few in the time given."""
    return step.mean_s or pilot.within_s / FEW


def plan(pilot: PilotConfig, work: Work, ordinary: Crowd, large: Crowd, stay: Crowd = NOBODY) -> Plan:
    """Say how many pilots to start, and how many are too many.

    Large ones come first: an ordinary pilot would never do their work, and they do that of ordinary ones too. Then
    those that stay, the least number of pilots; where they leave no room for a large one, one of them has to go.
    """
    wanted_large = min(_needed(pilot, work.large, work.large_s, large.running), pilot.max)
    wanted_stay = min(pilot.min, pilot.max - wanted_large)
    wanted = _needed(pilot, work.waiting, work.waiting_s + work.executing_s, ordinary.running + stay.running)
    in_all = min(wanted, pilot.max - wanted_large)
    wanted = in_all - min(stay.helping, wanted_stay)
    room = pilot.max - ordinary.all - large.all - stay.all
    room = min(room, pilot.max_pending - ordinary.pending - large.pending - stay.pending)
    start_large = _between(0, wanted_large - large.helping, room)
    start_stay = _between(0, wanted_stay - stay.helping, room - start_large)
    return Plan(
        start=_between(0, wanted - ordinary.helping - start_stay, room - start_large - start_stay),
        start_large=start_large,
        start_stay=start_stay,
        surplus=_between(0, ordinary.helping - max(0, wanted), ordinary.pending),
        surplus_large=_between(0, large.helping - wanted_large, large.pending),
        surplus_stay=max(0, stay.helping - wanted_stay),
        wanted=wanted_large + max(in_all, wanted_stay),
    )


class Surplus:
    """Remembers how many pilots were too many; what is too many for a moment only is left alone."""

    def __init__(self, rounds: int = PATIENCE) -> None:
        self._last: deque[int] = deque(maxlen=rounds)

    def withdraw(self, surplus: int) -> int:
        """Note this round's number; give how many were too many in all of the last rounds."""
        self._last.append(surplus)
        found = min(self._last) if len(self._last) == self._last.maxlen else 0
        if found:
            self._last.clear()
        return found


def _needed(pilot: PilotConfig, files: int, seconds: float, running: int) -> int:
    """Give how many pilots do this work in the time given; never more new ones than it has files for."""
    if files <= 0:
        return 0
    by_time = math.ceil(seconds / (places(pilot) * pilot.within_s) - 1e-9)
    return min(max(1, by_time), running + math.ceil(files / places(pilot)))


def _between(least: int, value: int, most: int) -> int:
    return max(least, min(value, most))


def _for_lanes(step: StepDemand, pilot: PilotConfig) -> StepDemand:
    """Give the part of a step's work that pilots of these lanes take."""
    bulk = min(step.bulk, step.waiting)
    live = step.waiting - bulk if "live" in pilot.lanes else 0
    bulk = bulk if "bulk" in pilot.lanes else 0
    return replace(step, waiting=live + bulk, large=min(step.large, live + bulk), bulk=bulk)


def _taken(step: StepDemand, room_s: float, each_s: float) -> StepDemand:
    """Give what fits: live work first, as workers take it."""
    waiting = min(step.waiting, math.ceil(max(0.0, room_s) / each_s))
    bulk = max(0, waiting - (step.waiting - step.bulk))
    return replace(step, waiting=waiting, large=min(step.large, waiting), bulk=bulk)


def _without(step: StepDemand, taken: StepDemand) -> StepDemand:
    waiting, bulk = step.waiting - taken.waiting, step.bulk - taken.bulk
    return replace(step, waiting=waiting, large=max(0, step.large - taken.large), bulk=max(0, bulk), executing=0)


def _others(name: str, step: str, pilots: Mapping[str, PilotConfig], able: Collection[str]) -> bool:
    """Say whether a later name could do this step too."""
    later = list(pilots)[list(pilots).index(name) + 1 :]
    return any(other in able and step in pilots[other].steps for other in later)


def _sum(parts: Iterable[StepDemand], pilot: PilotConfig) -> Work:
    found = Work()
    for part in parts:
        each = mean_s(part, pilot)
        ordinary = part.waiting - part.large
        found = Work(
            waiting=found.waiting + ordinary,
            waiting_s=found.waiting_s + ordinary * each,
            large=found.large + part.large,
            large_s=found.large_s + part.large * each,
            executing_s=found.executing_s + part.executing * each,
        )
    return found
