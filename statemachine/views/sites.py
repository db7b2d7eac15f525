"""Sites: what lies there and how they are."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from ..schema import site
from .counts import GOOD, Count, totals
from .fields import View


class SiteRow(View):
    """A storage place. `copies` counts readable replicas by role, `waiting` the others by status."""

    name: str
    kind: str
    path: str
    status: str
    reason: str
    space: dict[str, Any]
    seen_at: datetime | None
    copies: dict[str, int]
    waiting: dict[str, int]

    @property
    def measured_at(self) -> datetime | None:
        """Give when its space was measured last; none where nobody has."""
        try:
            return datetime.fromisoformat(str(self.space.get("at", "")))
        except ValueError:
            return None

    @property
    def share_free(self) -> float | None:
        """Give how much of its space is free, of 1; none where nobody has measured it."""
        return self._share("total", "free")

    @property
    def share_inodes_free(self) -> float | None:
        """Give how many of its inodes are free, of 1; none where nobody has counted them, or there are none."""
        return self._share("files", "files_free")

    def _share(self, of: str, left: str) -> float | None:
        total, free = self.space.get(of), self.space.get(left)
        return None if not total or free is None else float(free) / float(total)


def sites(conn: Connection, *, name: str | None = None, counts: Sequence[Count] | None = None) -> tuple[SiteRow, ...]:
    """List sites by name, also those that are known from their replicas only; `counts` if asked for before."""
    copies: dict[str, dict[str, int]] = {}
    waiting: dict[str, dict[str, int]] = {}
    for count in totals(conn, scope=("replica",)) if counts is None else counts:
        if count.scope != "replica":
            continue
        kept, word = (copies, count.state) if count.phase in GOOD else (waiting, count.phase)
        numbers = kept.setdefault(count.site, {})
        numbers[word] = numbers.get(word, 0) + count.n
    known = {row.name: dict(row._mapping) for row in conn.execute(select(site))}
    names = sorted({*known, *copies, *waiting})
    unknown: dict[str, Any] = {"kind": "", "path": "", "status": "unknown", "reason": "", "space": {}, "seen_at": None}
    return tuple(
        SiteRow(
            **{**unknown, **known.get(each, {}), "name": each},
            copies=copies.get(each, {}),
            waiting=waiting.get(each, {}),
        )
        for each in names
        if name is None or each == name
    )
