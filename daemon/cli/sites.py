"""Sites as the configuration of this host knows them, where the database does not say more."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...statemachine.views import SiteRow
    from ..config import Config


def configured(config: Config, rows: Sequence[SiteRow]) -> list[SiteRow]:
    """Give all sites by name: those known to the database, and those configured here, with what this host sees."""
    import msgspec

    from ...statemachine.views import SiteRow

    known = {row.name: row for row in rows}
    for name, site in config.sites.items():
        row = known.get(name) or SiteRow(
            name=name, kind="", path="", status="unknown", reason="", space={}, seen_at=None, copies={}, waiting={}
        )
        if row.status == "unknown":
            seen: dict[str, Any] = _seen(Path(config.site(name).root))
            row = msgspec.structs.replace(row, kind=site.kind, **seen)
        known[name] = row
    return [known[name] for name in sorted(known)]


def _seen(root: Path) -> dict[str, Any]:
    try:
        usage = shutil.disk_usage(root)
    except OSError as error:
        return {"path": str(root), "status": "not here", "reason": error.strerror or str(error)}
    return {"path": str(root), "status": "up", "space": {"free": usage.free, "total": usage.total}}
