"""Telling S1 from S2 by shape: S1 light comes within tens of ns and mostly from below, S2 light takes the
electrons about a microsecond and comes mostly from above. Cuts are boxes, not fits."""

from enum import IntEnum

import numpy as np

from .arrays import Array
from .detector import Detector


class PulseType(IntEnum):
    """What a pulse is taken for; the numbers stand in the product."""

    UNKNOWN = 0
    S1 = 1
    S2 = 2
    SINGLE_ELECTRON = 3


S1_WIDTH_NS = 130
"""Largest width of the middle half of an S1."""

S1_TOP_FRACTION = 0.65
S1_COINCIDENCE = 3
COINCIDENCE_PHD = 0.3
S2_WIDTH_NS = 200
S2_TOP_FRACTION = 0.50
ELECTRON_PHD = 10
S2_ELECTRONS = 2.5
"""Smallest S2, in electrons; below it a pulse of that shape is a single electron."""


def coincidence(peaks: Array) -> Array:
    """How many PMTs saw more than 0.3 phd of each peak; shape (peaks,)."""
    numbers: Array = np.count_nonzero(peaks["area_per_channel"] > COINCIDENCE_PHD, axis=1)
    return numbers


def classify(detector: Detector, peaks: Array) -> Array:
    """Give the `PulseType` of each peak; shape (peaks,), int8."""
    width, top, area = peaks["width"][:, 5], peaks["area_fraction_top"], peaks["area"]
    kind = np.full(len(peaks), PulseType.UNKNOWN, np.int8)
    seen = coincidence(peaks) >= S1_COINCIDENCE
    kind[seen & (width < S1_WIDTH_NS) & (top < S1_TOP_FRACTION)] = PulseType.S1
    charge = (width >= S2_WIDTH_NS) & (top >= S2_TOP_FRACTION) & (area >= ELECTRON_PHD)
    large = area >= S2_ELECTRONS * detector.electron_phd
    kind[charge & large] = PulseType.S2
    kind[charge & ~large] = PulseType.SINGLE_ELECTRON
    return kind
