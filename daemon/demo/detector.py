"""The simulated detector: writes the raw files of some runs into an inbox, and each run's manifest."""

import json
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ...consumers.tpc.simulate import write_raw
from .plan import Plan


def main() -> None:
    """Take runs, one after another: the arguments are the inbox and the plans as JSON."""
    inbox, plans = Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=tuple[Plan, ...])
    for plan in plans:
        take(inbox, plan)


def take(inbox: Path, plan: Plan) -> None:
    """Take one run: a first manifest, its files, the last manifest."""
    began = datetime.now(UTC)
    _manifest(inbox, plan, began, [], ended=None)
    written: list[dict[str, Any]] = []
    for sequence in range(1, plan.files + 1):
        path = inbox / f"run{plan.number:06d}_{sequence:04d}.h5"
        write_raw(
            path,
            run=plan.number,
            sequence=sequence,
            kind=plan.kind,
            seed=plan.number * 10_000 + sequence,
            events=plan.events,
            first_event=(sequence - 1) * plan.events,
        )
        written.append(_announced(path, sequence))
    _manifest(inbox, plan, began, written, ended=datetime.now(UTC))


def _announced(path: Path, sequence: int) -> dict[str, Any]:
    content = path.read_bytes()
    return {
        "name": path.name,
        "sequence": sequence,
        "size": len(content),
        "adler32": f"{zlib.adler32(content):08x}",
    }


def _manifest(inbox: Path, plan: Plan, began: datetime, written: list[dict[str, Any]], ended: datetime | None) -> None:
    said = {
        "run": plan.number,
        "type": plan.kind,
        "started": began.isoformat(),
        "ended": ended.isoformat() if ended else None,
        "closed": ended is not None,
        "files": written,
    }
    fresh = inbox / f".run{plan.number:06d}.json"
    fresh.write_text(json.dumps(said, indent=1), encoding="utf-8")
    fresh.rename(inbox / f"run{plan.number:06d}.json")


if __name__ == "__main__":
    main()
