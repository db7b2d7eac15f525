"""Where the handbook says what to do about an alert."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import Session

BESIDE = Path(__file__).resolve().parents[2] / "docs" / "alerts.md"
"""The page in a checkout; a wheel brings no handbook."""


def remedy(session: Session, code: str) -> str:
    """Say where somebody reads it: at the configured URL, in the checkout, or under its heading, wherever that is."""
    from ..config.alerting import HANDBOOK

    configured = HANDBOOK if session.url else session.config.alerts.handbook
    if configured != HANDBOOK:
        return f"{configured}#{code}"
    where = str(BESIDE) if BESIDE.exists() else "the handbook's page Alerts"
    return f'{where}, under "{code}"'
