"""`[alerts]` and `[detector]`: who is told of what, from where on, and how it is known that the detector runs."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ...statemachine.alerting import Limits
from ...statemachine.records import Record
from .types import Port, Seconds

Hours = Annotated[float, msgspec.Meta(gt=0)]
Severities = tuple[Literal["page", "ticket"], ...]
BOTH: Severities = ("page", "ticket")
HANDBOOK = "docs/alerts.md"
"""Where each alert has its heading, for who has the source beside him."""


class MailConfig(Record):
    """A mail server, and who is told by it; without a host nobody is."""

    host: str = ""
    port: Port = 25
    tls: Literal["none", "starttls", "tls"] = "none"
    user: str = ""
    password_file: Path | None = None
    cafile: Path | None = None
    sender: str = msgspec.field(name="from", default="")
    to: tuple[str, ...] = ()
    severities: Severities = BOTH


class HookConfig(Record):
    """A URL that is told; where the URL is a secret itself, it stands in a file."""

    url: str = ""
    url_file: Path | None = None
    token_file: Path | None = None
    cafile: Path | None = None
    severities: Severities = BOTH


class AlertsConfig(Record):
    """How alerts are looked at and told. `repeat_hours` after it was told, what is still so is told again."""

    look_s: Seconds = 15.0
    calm_s: Seconds = 300.0
    repeat_hours: Hours = 24.0
    heartbeat_url: str = ""
    heartbeat_url_file: Path | None = None
    heartbeat_s: Seconds = 60.0
    mail: MailConfig = MailConfig()
    hooks: dict[str, HookConfig] = msgspec.field(name="hook", default_factory=dict)
    limits: Limits = Limits()
    handbook: str = HANDBOOK


class DetectorConfig(Record):
    """How it is known that the detector runs: by an open run, by a file that is touched, by who says so (REST)."""

    runs: bool = True
    longest_run_hours: Hours = 24.0
    heartbeat: Path | None = None
    heartbeat_s: Seconds = 120.0
