"""From photons to what the digitizer stores: zero-suppressed pulses of 14-bit ADC counts."""

import numpy as np

from .arrays import Array, offsets
from .detector import Detector, baselines
from .light import Photons
from .rawfile import Pulses

TEMPLATE = 9
"""Samples that one photon's response covers."""

ADC_MAX = 16_383


def digitize(detector: Detector, rng: np.random.Generator, photons: Photons, trigger_ns: int) -> Pulses:
    """Make the pulses of one event window, sorted by start and channel.

    A pulse begins `pulse_before` samples before its first photon and ends `pulse_after` after its last; photons
    nearer than that share one. Photons outside the window are lost. `trigger_ns` is a multiple of the sample.
    """
    photons = _inside(detector, photons)
    order = np.lexsort((photons.time_ns, photons.channel))
    channel, time = photons.channel[order], photons.time_ns[order]
    sample = np.floor(time / detector.dt_ns).astype(np.int64)
    opens = np.ones(len(sample), bool)
    reach = detector.pulse_before + detector.pulse_after
    opens[1:] = (np.diff(channel) != 0) | (np.diff(sample) > reach)
    first = np.flatnonzero(opens)
    last = np.append(first[1:], len(sample))[: len(first)] - 1
    start = sample[first] - detector.pulse_before
    length = sample[last] + detector.pulse_after + 1 - start
    owner = np.cumsum(opens) - 1
    flat = _waveform(detector, rng, time, offsets(length)[owner] - start[owner], int(length.sum()))
    volts = np.repeat(baselines(detector)[channel[first]], length) - flat
    volts += rng.normal(0, detector.noise_adc, len(volts))
    samples = np.clip(np.rint(volts), 0, ADC_MAX).astype(np.int16)
    start_ns = trigger_ns + start * detector.dt_ns
    pulses = Pulses(channel[first].astype(np.int16), start_ns, length.astype(np.int32), samples)
    return pulses.take(np.lexsort((pulses.channel, pulses.start_ns)))


def _inside(detector: Detector, photons: Photons) -> Photons:
    """Drop photons whose pulse would reach over the window's ends."""
    margin = (detector.pulse_before + detector.pulse_after) * detector.dt_ns
    good = (photons.time_ns > margin - detector.window_before_ns) & (
        photons.time_ns < detector.window_after_ns - margin
    )
    return Photons(photons.channel[good], photons.time_ns[good])


def _waveform(detector: Detector, rng: np.random.Generator, time: Array, base: Array, total: int) -> Array:
    """Sum the photons' responses, in ADC counts, into one flat array of `total` samples."""
    charge = rng.normal(1, detector.phd_spread, len(time)).clip(min=0.05)
    steps = np.arange(TEMPLATE) - TEMPLATE // 2
    position = time / detector.dt_ns
    whole = np.floor(position)
    distance = (steps - (position - whole)[:, None]) * detector.dt_ns / detector.phd_width_ns
    shape = np.exp(-0.5 * distance**2)
    shape *= (detector.gain_adc * charge / shape.sum(axis=1))[:, None]
    index = (base + whole.astype(np.int64))[:, None] + steps
    return np.bincount(index.ravel(), weights=shape.ravel(), minlength=total)
