"""A simulated detector: writes raw files of plausible events, and tells its caller, not the file, the truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import light
from .arrays import Array
from .detector import DEFAULT, Detector
from .digitize import digitize
from .light import Photons, Scatter
from .rawfile import Segment, concatenate, header, to_bytes, write
from .yields import Recoil, quanta, tritium_kev

EPOCH_NS = 1_700_000_000_000_000_000
SEGMENT_NS = 60_000_000_000
"""Segments of a run start a minute apart, runs an hour apart, so that trigger times rise."""

MIXES: dict[str, dict[str, float]] = {
    "science": {"er": 0.42, "er-multiple": 0.14, "nr": 0.08, "nr-multiple": 0.04, "noise": 0.10, "random": 0.22},
    "background": {"er": 0.50, "er-multiple": 0.18, "noise": 0.10, "random": 0.22},
    "calibration": {"tritium": 0.90, "noise": 0.06, "random": 0.04},
    "led": {"led": 1.0},
}
"""What triggers in each kind of run, and how often. An unknown kind is taken as background.

`noise` is a trigger on a lone electron, `random` one of the clock, with nothing at the trigger time.
"""


@dataclass(frozen=True, slots=True)
class EventTruth:
    """What really happened in one event; `source` is a key of the mix."""

    number: int
    trigger_ns: int
    source: str
    scatters: tuple[Scatter, ...]


def write_raw(
    path: Path,
    *,
    run: int,
    sequence: int,
    kind: str,
    seed: int,
    events: int,
    first_event: int = 0,
    start_ns: int | None = None,
    detector: Detector = DEFAULT,
) -> tuple[EventTruth, ...]:
    """Write one raw file, under a temporary name first, and give the truth of its events.

    The same arguments give the same bytes. `start_ns` is the time of the segment's start (UTC, ns).
    """
    start = EPOCH_NS + run * 60 * SEGMENT_NS + sequence * SEGMENT_NS if start_ns is None else start_ns
    rng = np.random.default_rng([seed, run, sequence])
    triggers = _triggers(detector, rng, start, events)
    mix = MIXES.get(kind, MIXES["background"])
    sources = rng.choice(list(mix), size=events, p=list(mix.values()))
    truth, pulses = [], []
    for index, source in enumerate(sources):
        scatters = _scatters(detector, rng, str(source))
        photons = _photons(detector, rng, str(source), scatters)
        trigger = int(triggers[index])
        pulses.append(digitize(detector, rng, photons, trigger))
        truth.append(EventTruth(first_event + index, trigger, str(source), scatters))
    attributes = header(detector, run=run, sequence=sequence, kind=kind, first=first_event, events=events)
    numbers = np.arange(first_event, first_event + events, dtype=np.int64)
    counts = np.array([len(p.channel) for p in pulses], np.int32)
    write(path, to_bytes(Segment(attributes, numbers, triggers, counts, concatenate(pulses))))
    return tuple(truth)


def _triggers(detector: Detector, rng: np.random.Generator, start_ns: int, events: int) -> Array:
    """Trigger times of a Poisson process of 5 Hz with the window as dead time, on the sampling grid."""
    window = detector.window_before_ns + detector.window_after_ns
    gaps = np.floor(rng.exponential(0.2e9, events)).astype(np.int64) + window + 1000
    return (start_ns + np.cumsum(gaps)) // detector.dt_ns * detector.dt_ns


def _scatters(detector: Detector, rng: np.random.Generator, source: str) -> tuple[Scatter, ...]:
    """Scatters of one event, in time so that the largest S2 comes at the trigger."""
    if source in ("noise", "random", "led"):
        return ()
    recoil: Recoil = "NR" if source.startswith("nr") else "ER"
    number = int(rng.integers(2, 4)) if source.endswith("multiple") else 1
    made = quanta(detector, recoil, energies := _energies(rng, source, number), int(rng.integers(2**31)))
    points = _points(detector, rng, number)
    drifts = [detector.drift_us(z) for _, _, z in points]
    time = trigger_offset(detector, rng) - drifts[int(np.argmax(made[:, 1]))] * 1e3
    rows = zip(energies, points, made, strict=True)
    return tuple(Scatter(recoil, float(e), time, *p, int(m[0]), int(m[1])) for e, p, m in rows)


def trigger_offset(detector: Detector, rng: np.random.Generator) -> float:
    """Where the middle of the largest S2's electrons lies after the trigger, in ns."""
    return float(rng.normal(0, 2 * detector.dt_ns))


def _energies(rng: np.random.Generator, source: str, number: int) -> Array:
    """Recoil energies in keV: flat ER as from radon's daughters and pp neutrinos, falling NR as from neutrons."""
    if source == "tritium":
        return tritium_kev(number, int(rng.integers(2**31))).clip(min=0.5)
    if source.startswith("nr"):
        return 4 + rng.exponential(14, number)
    return rng.uniform(1.5, 25, number)


def _points(detector: Detector, rng: np.random.Generator, number: int) -> list[tuple[float, float, float]]:
    """Positions of the scatters of one particle: about 150 mm apart, inside the detector."""
    points = [light.random_position(detector, rng)]
    while len(points) < number:
        step = rng.normal(size=3)
        step *= rng.exponential(150) / np.linalg.norm(step)
        x, y, z = (float(a + b) for a, b in zip(points[-1], step, strict=True))
        if np.hypot(x, y) < detector.radius_mm - 10 and 20 < z < detector.height_mm - 20:
            points.append((x, y, z))
    return points


def _photons(detector: Detector, rng: np.random.Generator, source: str, scatters: tuple[Scatter, ...]) -> Photons:
    parts = [light.dark_counts(detector, rng)]
    for scatter in scatters:
        parts += [light.s1(detector, rng, scatter), light.s2(detector, rng, scatter)]
    if source == "led":
        channels = rng.choice(detector.channels, rng.poisson(0.2 * detector.channels)).astype(np.int16)
        parts.append(Photons(channels, rng.normal(0, 10, len(channels))))
    else:
        parts += _single_electrons(detector, rng, source)
    return light.join(parts)


def _single_electrons(detector: Detector, rng: np.random.Generator, source: str) -> list[Photons]:
    """Lone electrons from the grids and from impurities; a noise trigger is one such at the trigger time."""
    number = rng.poisson(1.5) + (source == "noise")
    times = rng.uniform(-detector.window_before_ns, detector.window_after_ns, number)
    if source == "noise":
        times[0] = 0.0
    places = [light.random_position(detector, rng) for _ in times]
    return [
        light.electron_light(detector, rng, np.array([time]), x, y)
        for time, (x, y, _) in zip(times, places, strict=True)
    ]
