"""Which PMT sees the light: patterns of S1 and S2 over the arrays. Simulation and position fit share them."""

import numpy as np

from .arrays import Array
from .detector import Detector, pmt_positions

S1_REFLECTED = 0.4
"""Part of the S1 light that loses its direction on the reflective walls."""


def s1_pattern(detector: Detector, x: float, y: float, z: float) -> Array:
    """Probability of each PMT to see a detected S1 photon from (x, y, z) in mm; shape (channels,), sum 1."""
    positions, top = pmt_positions(detector), detector.n_top
    squared = (positions[:, 0] - x) ** 2 + (positions[:, 1] - y) ** 2
    share = 0.10 + 0.25 * z / detector.height_mm
    upper = _solid_angle(squared[:top], detector.height_mm - z + detector.top_gap_mm)
    lower = _solid_angle(squared[top:], z + detector.bottom_gap_mm)
    return np.concatenate([share * upper, (1 - share) * lower])


def _solid_angle(squared: Array, height: float) -> Array:
    """Share of each PMT of one array, `height` mm away: solid angle of a far flat disc, plus reflections."""
    direct = height / (squared + height * height) ** 1.5
    shares: Array = (1 - S1_REFLECTED) * direct / direct.sum() + S1_REFLECTED / len(squared)
    return shares


def s2_top_pattern(detector: Detector, x: Array, y: Array) -> Array:
    """Probability of each top PMT to see top S2 light from (x, y) in mm; shape (len(x), n_top), rows sum 1."""
    positions = pmt_positions(detector)[: detector.n_top]
    squared = (positions[:, 0] - x[:, None]) ** 2 + (positions[:, 1] - y[:, None]) ** 2
    spot = (1 + squared / detector.s2_spot_mm**2) ** -1.5
    spot /= spot.sum(axis=1, keepdims=True)
    pattern: Array = (1 - detector.s2_uniform) * spot + detector.s2_uniform / detector.n_top
    return pattern


def s2_pattern(detector: Detector, x: float, y: float) -> Array:
    """Probability of each PMT to see an S2 photon from (x, y) in mm; shape (channels,), sum 1."""
    top = s2_top_pattern(detector, np.array([x]), np.array([y]))[0] * detector.s2_top_fraction
    bottom = np.full(detector.n_bottom, (1 - detector.s2_top_fraction) / detector.n_bottom)
    return np.concatenate([top, bottom])
