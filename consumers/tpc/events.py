"""From pulses to events: which S1 belongs to which S2, how many scatters, where, how large."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import strax

from .arrays import Array
from .classify import PulseType, classify, coincidence
from .detector import Detector
from .positions import fit
from .pulses import origin_ns
from .rawfile import Segment

SCATTER_ELECTRONS = 5
SCATTER_SHARE = 0.02
"""Another S2 counts as a scatter from this many electrons and this share of the largest S2."""

DRIFT_MARGIN = 1.02
W_KEV = 0.0135
"""Energy that makes one quantum, in keV."""

Table = dict[str, Array]
"""Columns of equal length, by name."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """What was reconstructed of one event; NaN and -1 where there is nothing."""

    s1_pulse: int = -1
    s2_pulse: int = -1
    s1_phd: float = np.nan
    s2_phd: float = np.nan
    cs1_phd: float = np.nan
    cs2_phd: float = np.nan
    drift_us: float = np.nan
    x_mm: float = np.nan
    y_mm: float = np.nan
    z_mm: float = np.nan
    energy_kev: float = np.nan
    scatters: int = 0
    single_scatter: bool = False


def pulse_table(detector: Detector, segment: Segment, peaks: Array) -> Table:
    """Give a row a pulse, in order of time.

    Columns: `event` (number), `pulse` (its place in the event), `start_ns` and `centre_ns` after the trigger,
    `duration_ns`, `area_phd`, `width50_ns` and `width90_ns` (of the middle 50 % and 90 % of the area),
    `top_fraction`, `coincidence` (PMTs), `type` (`PulseType`), `x_mm` and `y_mm` (NaN unless S2).
    """
    origin = origin_ns(segment)
    opening = segment.event_trigger_ns - int(segment.attributes["window_before_ns"]) - origin
    row = np.searchsorted(opening, peaks["center_time"], side="right") - 1
    trigger = segment.event_trigger_ns[row] - origin
    kinds = classify(detector, peaks)
    places = _places(detector, peaks, kinds)
    return {
        "event": segment.event_number[row],
        "pulse": (np.arange(len(row)) - np.searchsorted(row, row)).astype(np.int32),
        "start_ns": peaks["time"] - trigger,
        "centre_ns": peaks["center_time"] - trigger,
        "duration_ns": strax.endtime(peaks) - peaks["time"],
        "area_phd": peaks["area"],
        "width50_ns": peaks["width"][:, 5],
        "width90_ns": peaks["width"][:, 9],
        "top_fraction": peaks["area_fraction_top"],
        "coincidence": coincidence(peaks).astype(np.int32),
        "type": kinds,
        "x_mm": places[:, 0],
        "y_mm": places[:, 1],
    }


def _places(detector: Detector, peaks: Array, kinds: Array) -> Array:
    places = np.full((len(peaks), 2), np.nan, np.float32)
    charge = kinds == PulseType.S2
    places[charge] = fit(detector, peaks["area_per_channel"][charge][:, : detector.n_top])
    return places


def event_table(detector: Detector, segment: Segment, pulses: Table) -> Table:
    """Give a row an event of the file, also where nothing was found.

    Columns: `run`, `sequence`, `event`, `trigger_ns` (UTC), `pulses`, `s1s`, `s2s`, `single_electrons` (how many
    of each), and the fields of `Scatter`.
    """
    borders = np.searchsorted(pulses["event"], segment.event_number)
    ends = np.searchsorted(pulses["event"], segment.event_number, side="right")
    spans = list(zip(borders, ends, strict=True))
    rows = [pair(detector, {name: column[a:b] for name, column in pulses.items()}) for a, b in spans]
    kinds = [np.bincount(pulses["type"][a:b], minlength=4) for a, b in spans]
    counts = np.array(kinds, np.int32).reshape(-1, 4)
    number = len(segment.event_number)
    columns: Table = {
        "run": np.full(number, segment.attributes["run"], np.int64),
        "sequence": np.full(number, segment.attributes["sequence"], np.int32),
        "event": segment.event_number,
        "trigger_ns": segment.event_trigger_ns,
        "pulses": (ends - borders).astype(np.int32),
        "s1s": counts[:, PulseType.S1],
        "s2s": counts[:, PulseType.S2],
        "single_electrons": counts[:, PulseType.SINGLE_ELECTRON],
    }
    return columns | _columns(rows)


def _columns(rows: list[Scatter]) -> Table:
    types: dict[type, Any] = {int: np.int32, float: np.float32, bool: np.bool_}
    names = Scatter.__dataclass_fields__
    return {
        name: np.array([getattr(row, name) for row in rows], types[type(field.default)])
        for name, field in names.items()
    }


def pair(detector: Detector, pulses: Table) -> Scatter:
    """Take the largest S2 and the largest S1 at most a full drift before it; count the S2s after that S1.

    `pulses` are those of one event.
    """
    areas, times = pulses["area_phd"], pulses["centre_ns"]
    s2s = np.flatnonzero(pulses["type"] == PulseType.S2)
    if not len(s2s):
        return Scatter()
    main = int(s2s[np.argmax(areas[s2s])])
    lag = detector.s2_gap_ns / 2 + detector.s2_decay_ns - detector.s1_decay_ns
    drift = (times[main] - times - lag) / 1e3
    possible = (drift > 0) & (drift < detector.drift_max_us * DRIFT_MARGIN)
    s1s = np.flatnonzero((pulses["type"] == PulseType.S1) & possible)
    x, y = float(pulses["x_mm"][main]), float(pulses["y_mm"][main])
    if not len(s1s):
        return Scatter(s2_pulse=main, s2_phd=float(areas[main]), x_mm=x, y_mm=y)
    prompt = int(s1s[np.argmax(areas[s1s])])
    after = (times[s2s] - times[prompt]) / 1e3
    least = max(SCATTER_ELECTRONS * detector.electron_phd, SCATTER_SHARE * float(areas[main]))
    within = (after > 0) & (after < detector.drift_max_us * DRIFT_MARGIN) & (areas[s2s] >= least)
    return _scatter(detector, pulses, prompt, main, drift=float(drift[prompt]), scatters=max(1, int(within.sum())))


def _scatter(detector: Detector, pulses: Table, s1: int, s2: int, *, drift: float, scatters: int) -> Scatter:
    """Correct S1 for the light collection at the height, S2 for the electrons lost on the way."""
    z = detector.height_mm - drift * detector.drift_mm_per_us
    light, charge = float(pulses["area_phd"][s1]), float(pulses["area_phd"][s2])
    cs1 = light * detector.g1 / detector.s1_efficiency(z)
    cs2 = charge * float(np.exp(drift / detector.electron_lifetime_us))
    return Scatter(
        s1_pulse=s1,
        s2_pulse=s2,
        s1_phd=light,
        s2_phd=charge,
        cs1_phd=cs1,
        cs2_phd=cs2,
        drift_us=drift,
        x_mm=float(pulses["x_mm"][s2]),
        y_mm=float(pulses["y_mm"][s2]),
        z_mm=z,
        energy_kev=W_KEV * (cs1 / detector.g1 + cs2 / detector.g2),
        scatters=scatters,
        single_scatter=scatters == 1,
    )
