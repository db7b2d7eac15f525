"""Where salt goes: into event windows with no scatter of their own, so that it looks like one that triggered.

A good part of the triggers of such a detector are random ones. Salt takes the place of the scatter they lack:
its S2 at the trigger, as in a real event. Only when no such window is left it goes to a quiet stretch of a
window that has a scatter, where it is a pile-up that an analysis would cut.
"""

from collections.abc import Iterator

import numpy as np

from .arrays import Array, offsets
from .detector import Detector
from .rawfile import Pulses, Segment

CLUSTER_GAP_NS = 1000
LARGEST_QUIET = 70
"""More pulses than this close together are more than one or two electrons."""

PROMPT_NS = 200
PROMPT_PULSES = 3
MARGIN_NS = 50_000


def spans(segment: Segment) -> Array:
    """First and last-plus-one pulse of each event, shape (events, 2)."""
    borders = offsets(segment.event_pulses)
    return np.stack([borders[:-1], borders[1:]], axis=1)


def is_quiet(start_ns: Array) -> bool:
    """Say whether pulses that start at these times hold neither an S2 of several electrons nor an S1."""
    count, width = _clusters(start_ns)
    prompt = (count >= PROMPT_PULSES) & (width < PROMPT_NS)
    return not bool(prompt.any() or (count > LARGEST_QUIET).any())


def _clusters(start_ns: Array) -> tuple[Array, Array]:
    """Number and extent in ns of groups of pulses near each other."""
    times = np.sort(start_ns)
    breaks = np.flatnonzero(np.diff(times) > CLUSTER_GAP_NS) + 1
    first, last = np.append(0, breaks), np.append(breaks, len(times))
    if not len(times):
        first = last = np.zeros(0, np.int64)
    return last - first, times[last - 1] - times[first]


def quiet_events(segment: Segment) -> Array:
    """Indices of the events without a scatter."""
    starts = segment.pulses.start_ns
    return np.array([i for i, (a, b) in enumerate(spans(segment)) if is_quiet(starts[a:b])], np.int64)


def choose(
    detector: Detector, rng: np.random.Generator, segment: Segment, drift_ns: float, taken: set[int]
) -> Iterator[tuple[int, float]]:
    """Offer places for a scatter with this drift: (event, time of its S2 in ns after the trigger), best first."""
    quiet = [int(i) for i in rng.permutation(quiet_events(segment)) if int(i) not in taken]
    for event in quiet:
        yield event, float(rng.normal(0, 2 * detector.dt_ns))
    others = set(range(len(segment.event_number))) - taken - set(quiet)
    for event in rng.permutation(sorted(others)):
        yield from _gaps(rng, segment, int(event), drift_ns)


def _gaps(rng: np.random.Generator, segment: Segment, event: int, drift_ns: float) -> Iterator[tuple[int, float]]:
    """Offer a few S2 times in one window that keep clear of its large pulses."""
    before, after = (int(segment.attributes[f"window_{side}_ns"]) for side in ("before", "after"))
    low, high = drift_ns + MARGIN_NS - before, after - MARGIN_NS
    first, last = spans(segment)[event]
    times = segment.pulses.start_ns[first:last] - segment.event_trigger_ns[event]
    for time in rng.uniform(low, high, 10) if low < high else ():
        near = times[(times > time - drift_ns - MARGIN_NS) & (times < time + MARGIN_NS)]
        if is_quiet(near):
            yield event, float(time)


def overlaps(detector: Detector, there: Pulses, new: Pulses) -> bool:
    """Say whether any new pulse touches one that is there in the same channel; no digitizer writes such."""
    for channel, start, length in zip(new.channel, new.start_ns, new.length, strict=True):
        same = there.channel == channel
        begins = there.start_ns[same]
        ends = begins + there.length[same] * detector.dt_ns
        if ((begins <= start + length * detector.dt_ns) & (ends >= start)).any():
            return True
    return False
