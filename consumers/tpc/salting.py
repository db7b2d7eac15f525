"""Salt for a TPC: simulated WIMP-like nuclear recoils, added to the raw pulses as the digitizer would write them.

The new file holds every pulse, event and attribute of the raw file bit for bit, and the salt's pulses between
them in their order of time. It is compressed anew whether there is salt or not, and filled up to a size that
depends on the raw file's size alone. A fixed number of scatters is simulated at each call, used or not, so
that the time taken tells little.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from ...statemachine.records import Record
from ..steps.files import storage_errors
from ..steps.salt import Salted
from . import light
from .arrays import Array, runs
from .detector import DEFAULT, Detector
from .digitize import digitize
from .light import Photons, Scatter
from .placement import choose, overlaps, spans
from .rawfile import Pulses, Segment, concatenate, read_for, to_bytes, write
from .yields import quanta

FEWEST_PHOTONS, FEWEST_ELECTRONS = 4, 8
"""A recoil that gives less is never seen; another one is drawn."""


class SaltSettings(Record, forbid_unknown_fields=True):
    """Options of the salter: the recoil spectrum (exponential, in keV, cut off) and the room kept for salt.

    `most` scatters fit into a file; `reserve` bytes are added to a file's size, salt or not.
    """

    energy_least_kev: float = 5.0
    energy_scale_kev: float = 12.0
    energy_most_kev: float = 60.0
    most: Annotated[int, msgspec.Meta(ge=1, le=10)] = 5
    reserve: Annotated[int, msgspec.Meta(ge=0)] = 768 * 1024


@dataclass(frozen=True, slots=True)
class Injection:
    """One salt scatter, in its event (index), as pulses on the file's clock."""

    event: int
    scatter: Scatter
    pulses: Pulses


class TpcSalter:
    """Adds nuclear recoils to TPC raw files."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.settings = msgspec.convert(options, SaltSettings, strict=False)
        self.detector: Detector = DEFAULT

    @property
    def configuration(self) -> str:
        """The version of the detector's constants."""
        return self.detector.name

    def salt(self, source: Path, target: Path, *, count: int, seed: int) -> Salted:
        """Write the salted file. At most `most` of `count` scatters go in, and only what fits into the reserve.

        Raises what `rawfile.read_for` raises.
        """
        segment = read_for(self.detector, source)
        with storage_errors(f"reading {source.name}"):
            size = padded_size(source.stat().st_size, self.settings.reserve)
        made = self._injections(segment, np.random.default_rng(seed))[:count]
        content, kept = self._fitting(segment, made, size)
        write(target, content.ljust(size if len(content) <= size else padded_size(len(content), 0), b"\0"))
        return Salted(events=segment.events, record=self._record(segment, kept, count))

    def _injections(self, segment: Segment, rng: np.random.Generator) -> list[Injection]:
        """Simulate `most` scatters and find a place for each; fewer where there is no room."""
        found: list[Injection] = []
        for _ in range(self.settings.most):
            scatter, photons = visible_scatter(self.detector, self.settings, rng)
            placed = place(self.detector, rng, segment, scatter, photons, taken={i.event for i in found})
            found += [placed] if placed else []
        return found

    def _fitting(self, segment: Segment, made: list[Injection], size: int) -> tuple[bytes, list[Injection]]:
        """Give the file with as many injections as keep it within `size` bytes."""
        content = to_bytes(inject(segment, made))
        while made and len(content) > size:
            made = made[:-1]
            content = to_bytes(inject(segment, made))
        return content, made

    def _record(self, segment: Segment, made: list[Injection], asked: int) -> dict[str, Any]:
        added = salt_indices(segment, made)
        salts = [
            {
                "event": int(segment.event_number[one.event]),
                "trigger_ns": int(segment.event_trigger_ns[one.event]),
                "scatter": {key: _rounded(value) for key, value in asdict(one.scatter).items()},
                "pulses": runs(indices),
            }
            for one, indices in zip(made, added, strict=True)
        ]
        return {"salter": "tpc", "detector": self.detector.name, "asked": asked, "salts": salts}


def padded_size(size: int, reserve: int) -> int:
    """Size of a salted file for a raw file of `size` bytes: with the reserve, in steps of 64 KiB."""
    return -(-(size + reserve) // 65536) * 65536


def visible_scatter(detector: Detector, settings: SaltSettings, rng: np.random.Generator) -> tuple[Scatter, Photons]:
    """Draw recoils until one can be seen; give it, and its photons, with the S1 near time 0."""
    while True:
        energy = settings.energy_least_kev + rng.exponential(settings.energy_scale_kev)
        x, y, z = light.random_position(detector, rng)
        if energy > settings.energy_most_kev:
            continue
        photons, electrons = quanta(detector, "NR", np.array([energy]), int(rng.integers(2**31)))[0]
        scatter = Scatter("NR", float(energy), 0.0, x, y, z, int(photons), int(electrons))
        prompt, charge = light.s1(detector, rng, scatter), light.s2(detector, rng, scatter)
        enough = len(charge.channel) >= FEWEST_ELECTRONS * detector.electron_phd
        if enough and len(set(prompt.channel.tolist())) >= FEWEST_PHOTONS:
            return scatter, light.join([prompt, charge])


def place(
    detector: Detector,
    rng: np.random.Generator,
    segment: Segment,
    scatter: Scatter,
    photons: Photons,
    *,
    taken: set[int],
) -> Injection | None:
    """Find the first place where the scatter's pulses touch none that are there; None where there is none."""
    drift = detector.drift_us(scatter.z) * 1e3
    for event, time in choose(detector, rng, segment, drift, taken):
        shift = time - drift
        moved = Photons(photons.channel, photons.time_ns + shift)
        new = digitize(detector, rng, moved, int(segment.event_trigger_ns[event]))
        first, last = spans(segment)[event]
        if not overlaps(detector, segment.pulses.take(np.arange(first, last)), new):
            return Injection(event, replace(scatter, time_ns=shift), new)
    return None


def inject(segment: Segment, made: list[Injection]) -> Segment:
    """Give the segment with the pulses of all injections merged in; nothing that was there changes."""
    both = concatenate([segment.pulses, *(one.pulses for one in made)])
    counts = segment.event_pulses.copy()
    for one in made:
        counts[one.event] += len(one.pulses.channel)
    return replace(segment, event_pulses=counts, pulses=both.take(_order(segment, made)))


def salt_indices(segment: Segment, made: list[Injection]) -> list[Array]:
    """Indices of each injection's pulses in the salted file."""
    order, start, found = _order(segment, made), len(segment.pulses.channel), []
    for one in made:
        stop = start + len(one.pulses.channel)
        found.append(np.flatnonzero((order >= start) & (order < stop)))
        start = stop
    return found


def _order(segment: Segment, made: list[Injection]) -> Array:
    """Order of (raw pulses, then each injection's) in which the file has them: raw ones keep theirs."""
    total, borders = len(segment.pulses.channel), spans(segment)
    at: list[Array] = [np.zeros(0, np.int64)]
    for one in made:
        first, last = borders[one.event]
        there = _key(segment, one.event, segment.pulses.take(np.arange(first, last)))
        at.append(first + np.searchsorted(there, _key(segment, one.event, one.pulses), side="right"))
    where = np.concatenate(at)
    return np.insert(np.arange(total), where, total + np.arange(len(where)))


def _key(segment: Segment, event: int, pulses: Pulses) -> Array:
    """Numbers that rise by start, then channel, as the pulses of an event are ordered."""
    key: Array = (pulses.start_ns - segment.event_trigger_ns[event]) * 32768 + pulses.channel
    return key


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value
