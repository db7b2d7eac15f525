"""The raw format: one HDF5 file holds one segment of a run, as zero-suppressed pulses grouped by event.

Datasets: `events/number`, `events/trigger_ns`, `events/pulses` (pulses of each event, in file order);
`pulses/channel`, `pulses/start_ns`, `pulses/length` (in samples); `samples`, the flat int16 ADC counts of all
pulses. Root attributes: `format`, `format_version`, `run`, `sequence`, `kind`, `detector`, `dt_ns`,
`window_before_ns`, `window_after_ns`, `first_event`, `last_event`. Attributes and datasets that this version
does not know are kept. Chunks carry Fletcher sums, so that damage is noticed. The same content gives the same
bytes. There is no truth in a raw file.
"""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..steps.api import Events, PayloadError
from ..steps.files import storage_errors
from .arrays import Array, gather, offsets
from .detector import Detector

FORMAT = "headframe-tpc-raw"
VERSION = 1
SIGNATURE = b"\x89HDF\r\n\x1a\n"
DATASETS = {
    "events/number": np.int64,
    "events/trigger_ns": np.int64,
    "events/pulses": np.int32,
    "pulses/channel": np.int16,
    "pulses/start_ns": np.int64,
    "pulses/length": np.int32,
    "samples": np.int16,
}
INTEGERS = ("run", "sequence", "dt_ns", "window_before_ns", "window_after_ns", "first_event", "last_event")


@dataclass(frozen=True, slots=True)
class Pulses:
    """Pulses one after another: channel, start in ns, length in samples, and the samples of all, flat."""

    channel: Array
    start_ns: Array
    length: Array
    samples: Array

    def take(self, order: Array) -> "Pulses":
        """Give the pulses with these indices, in this order."""
        lengths = self.length[order]
        flat = gather(offsets(self.length)[:-1][order], lengths)
        return Pulses(self.channel[order], self.start_ns[order], lengths, self.samples[flat])


@dataclass(frozen=True, slots=True)
class Segment:
    """The content of a raw file. `event_*` have shape (events,); `event_pulses` counts pulses of each."""

    attributes: Mapping[str, Any]
    event_number: Array
    event_trigger_ns: Array
    event_pulses: Array
    pulses: Pulses
    extra: Mapping[str, Array] = field(default_factory=dict)

    @property
    def events(self) -> Events:
        """The range of event numbers."""
        first, last = int(self.attributes["first_event"]), int(self.attributes["last_event"])
        return Events(first=first, last=last, count=len(self.event_number))


def concatenate(parts: list[Pulses]) -> Pulses:
    """Put the pulses of events one after another."""
    empty = Pulses(np.zeros(0, np.int16), np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int16))
    parts = [empty, *parts]
    return Pulses(
        np.concatenate([p.channel for p in parts]),
        np.concatenate([p.start_ns for p in parts]),
        np.concatenate([p.length for p in parts]),
        np.concatenate([p.samples for p in parts]),
    )


def header(detector: Detector, *, run: int, sequence: int, kind: str, first: int, events: int) -> dict[str, Any]:
    """Give the attributes of a file with this many events."""
    return {
        "format": FORMAT,
        "format_version": VERSION,
        "run": run,
        "sequence": sequence,
        "kind": kind,
        "detector": detector.name,
        "dt_ns": detector.dt_ns,
        "window_before_ns": detector.window_before_ns,
        "window_after_ns": detector.window_after_ns,
        "first_event": first,
        "last_event": first + events - 1,
    }


def to_bytes(segment: Segment) -> bytes:
    """Give the segment as the bytes of an HDF5 file; the same segment always gives the same bytes."""
    image = io.BytesIO()
    with h5py.File(image, "w", libver=("v110", "v110"), track_order=False) as file:
        for name, value in sorted(segment.attributes.items()):
            file.attrs[name] = value
        for name, array in (_arrays(segment) | dict(segment.extra)).items():
            packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}
            file.create_dataset(name, data=array, track_times=False, **(packed if array.size else {}))
    return image.getvalue()


def write(path: Path, content: bytes) -> None:
    """Write a file under a hidden temporary name, wait until it is on disk, then give it its name."""
    partial = path.with_name(f".{path.name}.partial")
    with storage_errors(f"writing {path.name}"):
        with partial.open("wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        partial.replace(path)


def read(path: Path) -> Segment:
    """Read a raw file.

    Raises a permanent `PayloadError` with code `empty`, `not-raw`, `truncated` or `damaged` where the content
    is at fault, and what `storage_errors` says where the storage is.
    """
    with storage_errors(f"reading {path.name}"):
        content = path.read_bytes()
    return from_bytes(content, path.name)


def read_for(detector: Detector, path: Path) -> Segment:
    """Read a raw file of this detector; one of another is a permanent `PayloadError`, code `other-detector`."""
    segment = read(path)
    name, dt = segment.attributes.get("detector"), segment.attributes["dt_ns"]
    most = int(segment.pulses.channel.max(initial=0))
    if (name, dt) != (detector.name, detector.dt_ns) or most >= detector.channels:
        raise _refuse(
            "other-detector",
            f"{path.name} is of detector {name} ({dt} ns a sample, channels to {most}); this is {detector.name} "
            f"({detector.dt_ns} ns, channels to {detector.channels - 1})",
        )
    return segment


def from_bytes(content: bytes, name: str) -> Segment:
    """Read the content of a raw file; `name` is for the errors, the same as those of `read`."""
    if not content:
        raise _refuse("empty", f"{name} is empty")
    if not content.startswith(SIGNATURE[: len(content)]):
        raise _refuse("not-raw", f"{name} is not an HDF5 file: it starts with {content[:8]!r}")
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            segment = _segment(file, name)
    except OSError as error:
        code = "truncated" if _looks_truncated(error, content) else "damaged"
        raise _refuse(code, f"{name} is {code} ({len(content)} bytes): {error}") from error
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        raise _refuse("damaged", f"{name} is damaged: {error}") from error
    _check(segment, name)
    return segment


def _segment(file: h5py.File, name: str) -> Segment:
    attributes = dict(file.attrs.items())
    if attributes.get("format") != FORMAT or attributes.get("format_version") != VERSION:
        found = f"{attributes.get('format')!r} version {attributes.get('format_version')!r}"
        raise _refuse("not-raw", f"{name} is an HDF5 file, but not {FORMAT} version {VERSION}: it says {found}")
    arrays: dict[str, Array] = {}

    def visit(key: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[key] = item[()]

    file.visititems(visit)
    missing = sorted(set(DATASETS) - set(arrays))
    missing += [key for key in INTEGERS if not isinstance(attributes.get(key), int | np.integer)]
    if missing:
        raise _refuse("not-raw", f"{name} lacks {', '.join(missing)}")
    known = [arrays.pop(key) for key in DATASETS]
    return Segment(attributes, known[0], known[1], known[2], Pulses(*known[3:]), arrays)


def _check(segment: Segment, name: str) -> None:
    """Refuse a file whose arrays contradict each other or its attributes."""
    pulses, events = segment.pulses, segment.events
    for (key, wanted), array in zip(DATASETS.items(), _arrays(segment).values(), strict=True):
        if array.dtype != wanted or array.ndim != 1:
            raise _refuse("not-raw", f"{name}: {key} is {array.dtype} with {array.ndim} dimensions")
    sound = {
        "events": len(segment.event_number) == len(segment.event_trigger_ns) == len(segment.event_pulses),
        "event range": events.count == events.last - events.first + 1,
        "pulses per event": (segment.event_pulses >= 0).all() and segment.event_pulses.sum() == len(pulses.channel),
        "pulses": len(pulses.channel) == len(pulses.start_ns) == len(pulses.length),
        "samples": (pulses.length > 0).all() and pulses.length.sum() == len(pulses.samples),
        "channels": (pulses.channel >= 0).all(),
    }
    wrong = [key for key, good in sound.items() if not good]
    if wrong:
        raise _refuse("damaged", f"{name} contradicts itself: {', '.join(wrong)} do not fit together")


def _arrays(segment: Segment) -> dict[str, Array]:
    pulses = segment.pulses
    events = (segment.event_number, segment.event_trigger_ns, segment.event_pulses)
    rest = (pulses.channel, pulses.start_ns, pulses.length, pulses.samples)
    return dict(zip(DATASETS, events + rest, strict=True))


def _looks_truncated(error: OSError, content: bytes) -> bool:
    return "truncated" in str(error) or "eof" in str(error).lower() or len(content) < 96


def _refuse(code: str, sentence: str) -> PayloadError:
    return PayloadError(code, sentence, permanent=True)
