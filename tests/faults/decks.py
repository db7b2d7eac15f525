"""Faults to draw from: every kind comes up before any comes up again, in an order that the seed decides."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .centre import Centre


@dataclass(frozen=True)
class Fault:
    """A kind of fault: `strike` does it, waits as long as it lasts, mends it, and says whether it hit anything.

    One with `counts_itself` is counted where it happens, and not here.
    """

    name: str
    strike: Callable[[random.Random], bool]
    counts_itself: bool = False


class Deck:
    """Faults of one family, one after another; families go on beside each other."""

    def __init__(self, name: str, faults: Sequence[Fault], pause_s: tuple[float, float], seed: int) -> None:
        self.name, self.faults, self.pause_s = name, list(faults), pause_s
        self.chance = random.Random(f"{seed} {name}")
        self.rounds = 0
        self.error: BaseException | None = None

    def play(self, centre: Centre, over: threading.Event) -> None:
        """Strike until it is over; a fault of the suite's own ends it for all, and is kept in `error`."""
        try:
            self._play(centre, over)
        except BaseException as error:
            self.error = error
            over.set()

    def _play(self, centre: Centre, over: threading.Event) -> None:
        """Play one round after another. What hit nothing comes again at the end of its round."""
        while not over.is_set():
            hand = self.faults.copy()
            self.chance.shuffle(hand)
            while hand:
                if over.wait(self.chance.uniform(*self.pause_s)):
                    return
                fault = hand.pop(0)
                if not fault.strike(self.chance):
                    hand.append(fault)
                elif not fault.counts_itself:
                    centre.note(fault.name)
            self.rounds += 1


class Clock:
    """Sets `over` when the time is up and each deck has gone round once, or when patience is."""

    def __init__(self, decks: Sequence[Deck], seconds: float, patience_s: float) -> None:
        self.decks, self.seconds, self.patience_s = decks, seconds, patience_s
        self.over = threading.Event()
        self.began = time.monotonic()

    def run(self) -> None:
        while not self.over.wait(0.2):
            spent = time.monotonic() - self.began
            if spent >= self.patience_s or (spent >= self.seconds and all(deck.rounds for deck in self.decks)):
                self.over.set()
