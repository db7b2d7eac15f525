"""How fast sites fill, from what hosts have seen of them in the last hours."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, and_, cast, func, select

from ..schema import site, site_sample
from .fields import View

WINDOW = timedelta(hours=3)
"""Over so long a straight line is laid: what is cleared now and then does not count as room for ever."""
LEAST = timedelta(minutes=15)
"""Who was seen for less than this has no rate yet."""
FAR = timedelta(days=3650)
"""What fills later than this does not fill."""


class Filling(View):
    """A site that was measured: bytes `free` of `total`; it fills with `bytes_per_s` (less than 0: it empties).

    `full_at` is when it is full if that goes on; none where it does not fill. No rate before a quarter of an hour.
    """

    site: str
    free: int
    total: int
    bytes_per_s: float | None
    full_at: datetime | None


def filling(conn: Connection) -> tuple[Filling, ...]:
    """List by name the sites whose room somebody has measured."""
    used = site_sample.c.total - site_sample.c.free
    window = and_(site_sample.c.site == site.c.name, site_sample.c.at > func.statement_timestamp() - WINDOW)
    wanted = (
        select(
            site.c.name,
            _bytes("free"),
            _bytes("total"),
            func.statement_timestamp().label("now"),
            (func.max(site_sample.c.at) - func.min(site_sample.c.at)).label("seen"),
            func.regr_slope(used, func.extract("epoch", site_sample.c.at)).label("slope"),
        )
        .select_from(site.outerjoin(site_sample, window))
        .where(site.c.space.has_key("free"), site.c.space.has_key("total"))
        .group_by(site.c.name)
        .order_by(site.c.name)
    )
    return tuple(_filling(row) for row in conn.execute(wanted))


def _bytes(name: str) -> ColumnElement[int]:
    return cast(site.c.space[name].astext, BigInteger).label(name)


def _filling(row: Row[Any]) -> Filling:
    rate = float(row.slope) if row.slope is not None and row.seen >= LEAST else None
    left_s = row.free / rate if rate is not None and rate > 0 else None
    full_at = row.now + timedelta(seconds=left_s) if left_s is not None and left_s < FAR.total_seconds() else None
    return Filling(site=row.name, free=int(row.free), total=int(row.total), bytes_per_s=rate, full_at=full_at)
