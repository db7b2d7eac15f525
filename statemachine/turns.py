"""Whose turn it is: what waits in several campaigns goes out by their weights, and none of them waits for ever.

Stride scheduling (Waldspurger and Weihl, 1995): each turn moves its campaign on by the inverse of its weight, and the
one that is furthest behind is next. Who has had nothing to send begins where the others are: it gets no more for that.
"""

from collections.abc import Mapping
from heapq import heapify, heappop, heappush

STRIDE = 10**12
"""How far a turn moves a campaign of weight 1: whole numbers, so that nothing is lost however long it goes on."""


class Turns:
    """The turns of one step's queue. Kept by who sends: others who send as well share by their own, to the same end."""

    def __init__(self) -> None:
        self._at = 0
        self._next: dict[int, int] = {}

    def give(self, waiting: Mapping[int, int], weights: Mapping[int, int], room: int) -> list[int]:
        """Give whose turn it is, one after the other: at most `room`, each no oftener than something of it waits."""
        left = dict(waiting)
        due = [(max(self._at, self._next.get(each, 0)), each) for each, n in waiting.items() if n]
        heapify(due)
        turns: list[int] = []
        while due and len(turns) < room:
            self._at, each = heappop(due)
            turns.append(each)
            self._next[each] = self._at + STRIDE // weights[each]
            left[each] -= 1
            if left[each]:
                heappush(due, (self._next[each], each))
        self._next = {each: at for each, at in self._next.items() if at > self._at}
        return turns
