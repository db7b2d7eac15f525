"""Alertmanager's configuration: who is told what, how often, and what is left unsaid because its cause is told."""

from pathlib import Path
from typing import Any

from ...statemachine.records import Record
from .promql import INSTANCE
from .rules import WATCHDOG
from .scraping import duration

PEOPLE = "people"
EVERYTHING = ".+"


class Mail(Record):
    """A mail server, and to whom it brings. The password is read from its file by Alertmanager."""

    smarthost: str
    sender: str
    to: tuple[str, ...]
    tls: bool = True
    user: str = ""
    password_file: Path | None = None


class Hook(Record, kw_only=False):
    """A web hook; its token is read from its file by Alertmanager."""

    url: str
    token_file: Path | None = None


class Telling(Record):
    """Who is told, and how patiently. Times in seconds.

    `watchdog` is a URL that is called every `watchdog_s`, while Prometheus and Alertmanager work.
    """

    mail: Mail | None = None
    hooks: tuple[Hook, ...] = ()
    wait_s: float = 30.0
    interval_s: float = 300.0
    page_again_s: float = 4 * 3600.0
    ticket_again_s: float = 24 * 3600.0
    watchdog: str = ""
    watchdog_s: float = 60.0


FOLLOWS: dict[str, tuple[str, ...]] = {
    "web-away": (EVERYTHING,),
    "database-away": (EVERYTHING,),
    "broker-away": ("no-progress", "queue-old", "slow-files", "no-worker"),
    "no-conductor": ("no-progress", "queue-old", "slow-files", "no-worker"),
    "no-sweeper": ("leases-expired", "counts-behind"),
    "no-watcher": ("no-files",),
    "launcher-silent": ("pilots-pending", "no-worker"),
    "pilots-refused": ("pilots-pending", "no-worker"),
}
"""What follows from each cause, for the whole instance: it is not told while the cause is."""
SAME: dict[str, tuple[str, ...]] = {
    "site-down": ("site-full", "buffer-full-soon"),
    "site-full": ("buffer-full-soon",),
}
"""The same for one and the same site."""


def alertmanager(told: Telling) -> dict[str, Any]:
    """Give the configuration."""
    return {
        "global": {"resolve_timeout": "5m"},
        "route": {
            "receiver": PEOPLE,
            "group_by": [INSTANCE, "code"],
            "group_wait": duration(told.wait_s),
            "group_interval": duration(told.interval_s),
            "repeat_interval": duration(told.ticket_again_s),
            "routes": [
                _watchdog_route(told),
                {"matchers": ['severity="page"'], "repeat_interval": duration(told.page_again_s)},
            ],
        },
        "inhibit_rules": inhibitions(),
        "receivers": [_receiver(told), _watchdog(told)],
    }


def inhibitions() -> list[dict[str, Any]]:
    """Say which alerts silence which."""
    whole = [_inhibit(cause, follows, [INSTANCE]) for cause, follows in FOLLOWS.items()]
    return [*whole, *(_inhibit(cause, follows, [INSTANCE, "name"]) for cause, follows in SAME.items())]


def _inhibit(cause: str, follows: tuple[str, ...], equal: list[str]) -> dict[str, Any]:
    """What silences all else is itself always told: two such alerts would silence each other. So is the watchdog."""
    above = "|".join((WATCHDOG, *(each for each, silenced in FOLLOWS.items() if EVERYTHING in silenced)))
    targets = [f'code!~"{above}"'] if EVERYTHING in follows else [f'code=~"{"|".join(follows)}"']
    return {"source_matchers": [f'code="{cause}"'], "target_matchers": targets, "equal": equal}


def _watchdog_route(told: Telling) -> dict[str, Any]:
    """Never to people. It is said again at every second look, which has to come a little after it may be."""
    return {
        "matchers": [f'code="{WATCHDOG}"'],
        "receiver": WATCHDOG,
        "group_wait": "0s",
        "group_interval": duration(told.watchdog_s / 2),
        "repeat_interval": duration(told.watchdog_s * 0.9),
    }


def _watchdog(told: Telling) -> dict[str, Any]:
    """Whoever misses it; where there is nobody, it is told to nobody."""
    called = [{"url": told.watchdog, "send_resolved": False}] if told.watchdog else []
    return {"name": WATCHDOG, **({"webhook_configs": called} if called else {})}


def _receiver(told: Telling) -> dict[str, Any]:
    receiver: dict[str, Any] = {"name": PEOPLE}
    if told.mail is not None:
        receiver["email_configs"] = [_mail(told.mail)]
    if told.hooks:
        receiver["webhook_configs"] = [_hook(hook) for hook in told.hooks]
    return receiver


def _mail(mail: Mail) -> dict[str, Any]:
    said: dict[str, Any] = {
        "to": ", ".join(mail.to),
        "from": mail.sender,
        "smarthost": mail.smarthost,
        "require_tls": mail.tls,
        "send_resolved": True,
        "headers": {"Subject": SUBJECT},
        "html": "",
        "text": TEXT,
    }
    if mail.user:
        said |= {"auth_username": mail.user, "auth_password_file": str(mail.password_file)}
    return said


def _hook(hook: Hook) -> dict[str, Any]:
    said: dict[str, Any] = {"url": hook.url, "send_resolved": True}
    if hook.token_file is not None:
        said["http_config"] = {"authorization": {"type": "Bearer", "credentials_file": str(hook.token_file)}}
    return said


SUBJECT = (
    '[{{ .Status }}] {{ .CommonLabels.headframe }}: {{ .CommonLabels.code }}'
    '{{ if gt (len .Alerts) 1 }} ({{ len .Alerts }}){{ end }}'
)  # fmt: skip
TEXT = """{{ range .Alerts }}{{ .Annotations.summary }}
{{ .Annotations.description }}
since {{ .StartsAt.UTC.Format "2006-01-02 15:04:05" }} UTC{{ if eq .Status "resolved" }}, over at \
{{ .EndsAt.UTC.Format "2006-01-02 15:04:05" }} UTC{{ end }}
{{ with .Annotations.page }}{{ . }}
{{ end }}{{ with .Annotations.runbook_url }}{{ . }}
{{ end }}
{{ end }}"""
