"""From a scatter to photons on PMTs: S1 at once, S2 after the electrons' drift."""

from dataclasses import dataclass

import numpy as np

from .arrays import Array
from .detector import Detector
from .patterns import s1_pattern, s2_pattern
from .yields import Recoil


@dataclass(frozen=True, slots=True)
class Scatter:
    """One interaction: `time_ns` after the trigger (usually before it, hence negative), position in mm."""

    recoil: Recoil
    energy_kev: float
    time_ns: float
    x: float
    y: float
    z: float
    photons: int
    electrons: int


@dataclass(frozen=True, slots=True)
class Photons:
    """Detected photons: the PMT and the time in ns after the trigger; both of shape (photons,)."""

    channel: Array
    time_ns: Array


def join(parts: list[Photons]) -> Photons:
    """Put photons of several sources together."""
    if not parts:
        return Photons(np.zeros(0, np.int16), np.zeros(0))
    return Photons(np.concatenate([p.channel for p in parts]), np.concatenate([p.time_ns for p in parts]))


def s1(detector: Detector, rng: np.random.Generator, scatter: Scatter) -> Photons:
    """Scintillation light of a scatter as the PMTs detect it."""
    count = rng.binomial(scatter.photons, detector.s1_efficiency(scatter.z))
    delay = rng.exponential(detector.s1_decay_ns, count) + rng.normal(0, detector.s1_spread_ns, count)
    pattern = s1_pattern(detector, scatter.x, scatter.y, scatter.z)
    return Photons(_channels(rng, pattern, count), scatter.time_ns + delay)


def s2(detector: Detector, rng: np.random.Generator, scatter: Scatter) -> Photons:
    """Electroluminescence of a scatter: attachment and diffusion on the way up, extraction at the surface."""
    drift = detector.drift_us(scatter.z)
    survival = np.exp(-drift / detector.electron_lifetime_us) * detector.extraction
    electrons = rng.binomial(scatter.electrons, survival)
    spread = np.sqrt(2 * detector.longitudinal_diffusion_cm2_per_s * 100 * drift * 1e-6)
    arrival = drift * 1e3 + rng.normal(0, spread / detector.drift_mm_per_us * 1e3, electrons)
    sideways = np.sqrt(2 * detector.transverse_diffusion_cm2_per_s * 100 * drift * 1e-6)
    shift = rng.normal(0, sideways / np.sqrt(max(electrons, 1)), 2)
    return electron_light(detector, rng, scatter.time_ns + arrival, scatter.x + shift[0], scatter.y + shift[1])


def electron_light(detector: Detector, rng: np.random.Generator, arrival_ns: Array, x: float, y: float) -> Photons:
    """Light of electrons that leave the liquid at (x, y) mm at these times."""
    made = rng.poisson(detector.electron_phd, len(arrival_ns))
    times = np.repeat(arrival_ns, made)
    delay = rng.uniform(0, detector.s2_gap_ns, len(times)) + rng.exponential(detector.s2_decay_ns, len(times))
    return Photons(_channels(rng, s2_pattern(detector, x, y), len(times)), times + delay)


def dark_counts(detector: Detector, rng: np.random.Generator) -> Photons:
    """Thermal emission of the PMTs over one event window."""
    window = detector.window_before_ns + detector.window_after_ns
    count = rng.poisson(detector.dark_rate_hz * detector.channels * window * 1e-9)
    times = rng.uniform(-detector.window_before_ns, detector.window_after_ns, count)
    return Photons(rng.integers(0, detector.channels, count).astype(np.int16), times)


def random_position(detector: Detector, rng: np.random.Generator) -> tuple[float, float, float]:
    """A point uniform in the drift volume, in mm; the last 20 mm at either end and the wall are left out."""
    radius = (detector.radius_mm - 10) * np.sqrt(rng.uniform())
    angle = rng.uniform(0, 2 * np.pi)
    z = rng.uniform(20, detector.height_mm - 20)
    return float(radius * np.cos(angle)), float(radius * np.sin(angle)), float(z)


def _channels(rng: np.random.Generator, pattern: Array, count: int) -> Array:
    edges = np.cumsum(pattern)
    return np.searchsorted(edges / edges[-1], rng.uniform(size=count), side="right").astype(np.int16)
