"""Finding pulses of the whole detector in a raw segment, with strax's algorithms.

A PMT's pulse becomes records with the baseline taken off, hits above threshold, and peaks: hits of several PMTs
near each other in time (strax: Aalbers et al., doi:10.5281/zenodo.1340632; the order of calls is that of
straxen's peaklets, github.com/XENONnT/straxen). Times are ns after `origin_ns`, areas phd.
"""

import numpy as np
import strax

from .arrays import Array, gather, offsets
from .detector import Detector
from .rawfile import Segment
from .splitting import pieces

RECORD = strax.DEFAULT_RECORD_LENGTH
BASELINE_SAMPLES = 14
HIT_ADC = 10
GAP_NS = 700
BEFORE_NS, AFTER_NS = 30, 100
"""How far around a hit its charge is summed."""

PEAK_SAMPLES = 200
MIN_CHANNELS = 2


def find_peaks(detector: Detector, segment: Segment) -> Array:
    """Find all peaks of a segment: a strax peak array (area_per_channel, width, area_fraction_top, ...).

    Sorted by time. Peaks lie within event windows; windows must not overlap.
    """
    records = to_records(detector, segment)
    to_phd = np.full(detector.channels, 1 / detector.gain_adc)
    hits = strax.sort_by_time(strax.find_hits(records, min_amplitude=HIT_ADC))
    peaks = strax.find_peaks(
        hits,
        to_phd,
        gap_threshold=GAP_NS,
        left_extension=BEFORE_NS,
        right_extension=AFTER_NS,
        min_channels=MIN_CHANNELS,
        result_dtype=peak_type(detector),
    )
    if not len(peaks):
        return np.zeros(0, peak_type(detector))
    hits = widen(detector, hits[strax.fully_contained_in(hits, peaks) >= 0], records)
    peaks = sum_up(detector, peaks, hits, records, to_phd)
    cut, parts = pieces(detector, peaks)
    if not cut.any():
        return peaks
    parts = sum_up(detector, parts, hits, records, to_phd)
    found: Array = strax.sort_by_time(np.concatenate([peaks[~cut], parts]))
    return found


def origin_ns(segment: Segment) -> int:
    """The time that strax counts from: the start of the first pulse. strax wants no times below 0."""
    return int(segment.pulses.start_ns.min()) if len(segment.pulses.start_ns) else 0


def peak_type(detector: Detector) -> np.dtype[np.void]:
    """The layout of a peak with all channels of the detector."""
    fields = strax.peak_dtype(
        n_channels=detector.channels,
        n_sum_wv_samples=PEAK_SAMPLES,
        hits_timing=False,
    )
    layout: np.dtype[np.void] = np.dtype(fields)
    return layout


def to_records(detector: Detector, segment: Segment) -> Array:
    """Cut the pulses into strax records of `RECORD` samples, sorted by time, baseline taken off, sign turned."""
    pulses = segment.pulses
    pieces = -(-pulses.length.astype(np.int64) // RECORD)
    pulse = np.repeat(np.arange(len(pieces)), pieces)
    number = np.arange(len(pulse)) - offsets(pieces)[pulse]
    records = np.zeros(len(pulse), strax.record_dtype(RECORD))
    records["channel"] = pulses.channel[pulse]
    records["dt"] = detector.dt_ns
    records["record_i"] = number
    records["pulse_length"] = pulses.length[pulse]
    records["length"] = np.minimum(pulses.length[pulse] - number * RECORD, RECORD)
    records["time"] = pulses.start_ns[pulse] - origin_ns(segment) + number * RECORD * detector.dt_ns
    rows = gather(np.arange(len(records)) * RECORD, records["length"])
    flat = np.zeros(len(records) * RECORD, np.int16)
    flat[rows] = pulses.samples
    records["data"] = flat.reshape(-1, RECORD)
    ordered: Array = strax.sort_by_time(records)
    strax.baseline(ordered, baseline_samples=BASELINE_SAMPLES, flip=True)
    strax.zero_out_of_bounds(ordered)
    return ordered


def widen(detector: Detector, hits: Array, records: Array) -> Array:
    """Stretch hits to their integration bounds, over record borders where needed; sorted by time."""
    nothing = np.zeros(0, strax.time_fields)
    strax.find_hit_integration_bounds(
        hits,
        nothing,
        records,
        save_outside_hits=(BEFORE_NS, AFTER_NS),
        n_channels=detector.channels,
        allow_bounds_beyond_records=True,
    )
    hits["time"] -= (hits["left"] - hits["left_integration"]) * hits["dt"]
    hits["length"] = hits["right_integration"] - hits["left_integration"]
    ordered: Array = strax.sort_by_time(hits)
    return ordered


def sum_up(detector: Detector, peaks: Array, hits: Array, records: Array, to_phd: Array) -> Array:
    """Sum the waveforms of the hits into the peaks and compute widths, centres and the top fraction."""
    strax.sum_waveform(peaks, hits, records, strax.record_links(records), to_phd, detector.n_top)
    strax.compute_properties(peaks, n_top_channels=detector.n_top)
    return peaks
