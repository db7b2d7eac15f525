"""What operators do to items: select exactly, act on what is still as selected, write down who and why.

An action is a row of `operation`, and with it, frozen, the items that it is meant for (`operation_item`). It is
carried out in pages, each of which takes its items off that list: who comes after a crash goes on where it stopped.
"""

from .inline import Operated, operate
from .jobs import CANCELLABLE, OPEN, begin, cancel
from .order import Order
from .refusals import NothingLeftError, SelectionChangedError
from .request import Acted, act, follow
from .seen import Seen, count, lane_for, look, why_nothing
from .selection import Selection, check, find_file
from .turn import Turned, turn

__all__ = [
    "CANCELLABLE",
    "OPEN",
    "Acted",
    "NothingLeftError",
    "Operated",
    "Order",
    "Seen",
    "Selection",
    "SelectionChangedError",
    "Turned",
    "act",
    "begin",
    "cancel",
    "check",
    "count",
    "find_file",
    "follow",
    "lane_for",
    "look",
    "operate",
    "turn",
    "why_nothing",
]
