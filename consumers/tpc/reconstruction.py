"""The reconstruction of TPC data as one product: raw or salted file in, ROOT file out."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..steps.reconstruct import Reconstructed
from .detector import DEFAULT, Detector
from .events import event_table, pulse_table
from .pulses import find_peaks
from .rawfile import read_for
from .rootfile import write_root
from .simulate import write_raw


def warm_up() -> None:
    """Reconstruct a small file, so that strax's functions are compiled and cached (20 to 50 s once a user)."""
    with TemporaryDirectory() as folder:
        raw = Path(folder) / "warm.h5"
        write_raw(raw, run=0, sequence=0, kind="science", seed=0, events=5)
        TpcReconstructor({}).reconstruct(raw, raw.with_suffix(".root"))


class TpcReconstructor:
    """Finds pulses, classifies and pairs them, and writes the trees `events` and `pulses`.

    It takes no options; anything given is refused.
    """

    suffix = "_rq.root"

    def __init__(self, options: Mapping[str, Any]) -> None:
        if options:
            raise ValueError(f"the tpc reconstructor has no option {', '.join(sorted(options))}")
        self.detector: Detector = DEFAULT

    @property
    def configuration(self) -> str:
        """The version of the detector's constants."""
        return self.detector.name

    def reconstruct(self, source: Path, target: Path) -> Reconstructed:
        """Write the product of `source` to `target`. Raises what `rawfile.read_for` raises."""
        segment = read_for(self.detector, source)
        pulses = pulse_table(self.detector, segment, find_peaks(self.detector, segment))
        events = event_table(self.detector, segment, pulses)
        times = segment.event_trigger_ns
        notes = {"detector": json.dumps(asdict(self.detector)), "source": source.name}
        write_root(target, {"events": events, "pulses": pulses}, notes, int(times[0]) if len(times) else 0)
        return Reconstructed(
            run=int(segment.attributes["run"]),
            sequence=int(segment.attributes["sequence"]),
            events=segment.events,
            metadata={"pulses": len(pulses["event"]), "single_scatters": int(events["single_scatter"].sum())},
        )
