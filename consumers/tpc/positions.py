"""Where an S2 came from: the (x, y) that makes the light seen by the top array most likely.

A maximum-likelihood fit of a multinomial over the top PMTs with the light response of `patterns` (the method of
Mercury: Solovov et al., IEEE Trans. Nucl. Sci. 59 (2012) 3286): a coarse grid over
the detector, then finer ones around the best point.
"""

from functools import lru_cache

import numpy as np

from .arrays import Array
from .detector import Detector
from .patterns import s2_top_pattern

COARSE_MM = 40.0
FINER = (10.0, 2.5, 0.6)
STEPS = 5


def fit(detector: Detector, top_areas: Array) -> Array:
    """Fit positions in mm for areas of the top PMTs, shape (pulses, n_top); gives (pulses, 2)."""
    areas = top_areas.clip(min=0).astype(np.float64)
    points, logs = _coarse(detector)
    found = points[np.argmax(areas @ logs.T, axis=1)] if len(areas) else np.zeros((0, 2))
    return np.array([_refine(detector, a, p) for a, p in zip(areas, found, strict=True)]).reshape(-1, 2)


def _refine(detector: Detector, areas: Array, point: Array) -> Array:
    for size in FINER:
        steps = np.arange(-STEPS, STEPS + 1) * size
        x, y = (grid.ravel() for grid in np.meshgrid(point[0] + steps, point[1] + steps))
        inside = np.hypot(x, y) <= detector.radius_mm
        x, y = x[inside], y[inside]
        best = np.argmax(np.log(s2_top_pattern(detector, x, y)) @ areas)
        point = np.array([x[best], y[best]])
    return point


@lru_cache(maxsize=4)
def _coarse(detector: Detector) -> tuple[Array, Array]:
    """Grid points in mm, shape (points, 2), and the logarithm of the pattern at each."""
    steps = np.arange(-detector.radius_mm, detector.radius_mm + 1, COARSE_MM)
    x, y = (grid.ravel() for grid in np.meshgrid(steps, steps))
    inside = np.hypot(x, y) < detector.radius_mm
    points = np.stack([x[inside], y[inside]], axis=1)
    return points, np.log(s2_top_pattern(detector, points[:, 0], points[:, 1]))
