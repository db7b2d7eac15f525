"""Cutting a pulse in two where two scatters' S2s run into each other.

The summed waveform is smoothed; a dip that is deep against the noise of whole electrons separates two pulses.
"""

from itertools import pairwise

import numpy as np
import strax
from scipy.signal import find_peaks as find_maxima  # type: ignore[import-untyped]

from .arrays import Array
from .classify import S2_WIDTH_NS
from .detector import Detector

SMOOTH_NS = 500
SIGMAS = 5.0
ELECTRONS = 20


def pieces(detector: Detector, peaks: Array) -> tuple[Array, Array]:
    """Say which peaks to cut, shape (peaks,) bool, and give the pieces: empty peaks with time and length set."""
    wide = (peaks["width"][:, 5] > S2_WIDTH_NS) & (peaks["area"] > ELECTRONS * detector.electron_phd)
    cut, made = np.zeros(len(peaks), bool), [np.zeros(0, peaks.dtype)]
    for index in np.flatnonzero(wide):
        borders = _borders(detector, peaks[index])
        if len(borders) > 2:
            cut[index] = True
            made.append(_between(detector, peaks[index], borders))
    return cut, np.concatenate(made)


def _borders(detector: Detector, peak: np.void) -> list[int]:
    """Samples at which pieces begin and end: 0, the deep dips, the length."""
    wave = peak["data"][: peak["length"]]
    wing = max(1, int(SMOOTH_NS / 2 / peak["dt"]))
    counts = strax.symmetric_moving_average(wave, wing) * (2 * wing + 1)
    depth = SIGMAS * np.sqrt(max(float(counts.max()), 1.0) * detector.electron_phd)
    tops = find_maxima(np.concatenate([[0.0], counts, [0.0]]), prominence=depth)[0] - 1
    dips = [int(a + np.argmin(counts[a:b])) for a, b in pairwise(tops)]
    return [0, *dips, len(wave)]


def _between(detector: Detector, peak: np.void, borders: list[int]) -> Array:
    parts = np.zeros(len(borders) - 1, peak.dtype)
    scale = int(peak["dt"]) // detector.dt_ns
    parts["time"] = peak["time"] + np.array(borders[:-1]) * int(peak["dt"])
    parts["length"] = np.diff(borders) * scale
    parts["dt"] = detector.dt_ns
    parts["channel"] = peak["channel"]
    return parts
