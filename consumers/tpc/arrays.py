"""Small helpers for flat arrays of unequal pieces."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def offsets(lengths: Array) -> Array:
    """Give where each piece starts in the flat array, and the total: shape (n + 1,), int64."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def gather(starts: Array, lengths: Array) -> Array:
    """Give the flat indices of the pieces `starts[i] .. starts[i] + lengths[i]`, one after another."""
    ends = offsets(lengths)
    return np.repeat(starts - ends[:-1], lengths) + np.arange(ends[-1], dtype=np.int64)


def runs(indices: Array) -> list[tuple[int, int]]:
    """Write rising indices as (first, count) runs."""
    if not len(indices):
        return []
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    return [(int(piece[0]), len(piece)) for piece in np.split(indices, breaks)]
