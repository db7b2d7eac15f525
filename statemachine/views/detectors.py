"""Whether the detector takes data, by who says so."""

from datetime import datetime

from sqlalchemy import Connection, and_, func, select

from ..schema import detector
from .fields import View


class DetectorRow(View):
    """What a source says of the detector: `runs` (a run is open), `heartbeat` (a file), or who said so by REST.

    `running` is what counts: it was said, and holds until `until`; `since` when that has been so.
    """

    source: str
    running: bool
    detail: str
    since: datetime
    seen_at: datetime
    until: datetime


def detectors(conn: Connection) -> tuple[DetectorRow, ...]:
    """List what sources say, by their names."""
    running = and_(detector.c.running, detector.c.until > func.clock_timestamp()).label("running")
    others = [detector.c[name] for name in DetectorRow.__struct_fields__ if name != "running"]
    rows = conn.execute(select(running, *others).order_by(detector.c.source))
    return tuple(DetectorRow(**row._mapping) for row in rows)
