"""The detector: a dual-phase xenon TPC of about the size of LUX-ZEPLIN, and where its PMTs are.

Radius, longest drift time, g1 and electron lifetime are those of nestpy's detector `LZ_WS2022`, which describes LZ's
first science run (Phys. Rev. Lett. 131, 041002 (2023)); other numbers are of the right order, not measured ones
(docs/physics.md says which).
Coordinates: x and y from the axis, z upwards from the cathode, all in mm; the gate is at z = `height_mm`.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .arrays import Array


@dataclass(frozen=True, slots=True)
class Detector:
    """The constants that simulation, salt and reconstruction share. Areas are in phd (photons detected)."""

    name: str = "xenon-7t-1"
    n_top: int = 253
    n_bottom: int = 241
    radius_mm: float = 728.0
    height_mm: float = 1456.0
    pmt_radius_mm: float = 700.0
    top_gap_mm: float = 60.0
    bottom_gap_mm: float = 140.0
    drift_mm_per_us: float = 1.56
    drift_field_v_per_cm: float = 193.0
    density_g_per_cm3: float = 2.9
    electron_lifetime_us: float = 6500.0
    longitudinal_diffusion_cm2_per_s: float = 26.0
    transverse_diffusion_cm2_per_s: float = 55.0
    g1: float = 0.114
    g1_slope: float = -0.3
    extraction: float = 0.80
    electron_phd: float = 32.0
    s1_decay_ns: float = 27.0
    s1_spread_ns: float = 5.0
    s2_gap_ns: float = 900.0
    s2_decay_ns: float = 50.0
    s2_top_fraction: float = 0.72
    s2_spot_mm: float = 60.0
    s2_uniform: float = 0.20
    dt_ns: int = 10
    window_before_ns: int = 2_000_000
    window_after_ns: int = 2_500_000
    baseline_adc: float = 15_900.0
    baseline_spread_adc: float = 20.0
    noise_adc: float = 1.4
    gain_adc: float = 120.0
    phd_spread: float = 0.35
    phd_width_ns: float = 9.0
    pulse_before: int = 20
    pulse_after: int = 20
    dark_rate_hz: float = 30.0

    @property
    def channels(self) -> int:
        """Number of PMTs; channels 0 .. n_top - 1 are the top array."""
        return self.n_top + self.n_bottom

    @property
    def drift_max_us(self) -> float:
        """Drift time from the cathode, in microseconds."""
        return self.height_mm / self.drift_mm_per_us

    @property
    def g2(self) -> float:
        """Photons detected in S2 for an electron that reached the surface."""
        return self.extraction * self.electron_phd

    def drift_us(self, z_mm: float) -> float:
        """Drift time from height z."""
        return (self.height_mm - z_mm) / self.drift_mm_per_us

    def s1_efficiency(self, z_mm: float) -> float:
        """Photons detected in S1 for a photon made at height z: g1 on average, more at the bottom."""
        return self.g1 * (1 + self.g1_slope * (z_mm / self.height_mm - 0.5))


DEFAULT = Detector()


@lru_cache(maxsize=4)
def pmt_positions(detector: Detector = DEFAULT) -> Array:
    """Centres of all PMTs in mm, shape (channels, 2): two hexagonal arrays cut to a circle."""
    both = [_hexagons(number) * detector.pmt_radius_mm for number in (detector.n_top, detector.n_bottom)]
    return np.concatenate(both)


def _hexagons(number: int) -> Array:
    """The `number` innermost points of a hexagonal grid, the outermost at radius 1."""
    steps = np.arange(-20, 21)
    a, b = (grid.ravel() for grid in np.meshgrid(steps, steps))
    squared = a * a + a * b + b * b
    inner = np.lexsort((b, a, squared))[:number]
    points = np.stack([a + b / 2, b * np.sqrt(3) / 2], axis=1)[inner]
    scaled: Array = points / np.sqrt(squared[inner].max())
    return scaled


@lru_cache(maxsize=4)
def baselines(detector: Detector = DEFAULT) -> Array:
    """The baseline of each channel in ADC counts, shape (channels,): fixed, unlike each other."""
    spread = np.random.default_rng(detector.channels).uniform(-1, 1, detector.channels)
    levels: Array = detector.baseline_adc + detector.baseline_spread_adc * spread
    return levels
