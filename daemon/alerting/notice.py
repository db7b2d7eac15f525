"""What is told: JSON of the same shape as Alertmanager's web hooks (version 4), so that one receiver takes both."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from ...statemachine.alerting import BY_CODE
from ...statemachine.store.notices import Bodies, Telling
from ..config.alerting import HANDBOOK
from .receivers import Receiver

NEVER = "0001-01-01T00:00:00Z"
"""How Alertmanager says that an alert has not ended."""
TEST = "test"
"""The code of what `headframe alerts test` sends."""


def bodies(receivers: Sequence[Receiver], instance: str, url: str, handbook: str = HANDBOOK) -> Bodies:
    """Give what makes of alerts what each receiver is told."""

    def make(telling: Sequence[Telling]) -> dict[str, dict[str, Any]]:
        made = {}
        for receiver in receivers:
            wanted = [each for each in telling if each.severity in receiver.severities]
            if wanted:
                made[receiver.name] = body(receiver.name, instance, url, wanted, handbook)
        return made

    return make


def body(
    receiver: str, instance: str, url: str, telling: Sequence[Telling], handbook: str = HANDBOOK
) -> dict[str, Any]:
    """Say it all in one notice; what needs somebody comes first."""
    alerts = [
        _alert(instance, url, each, handbook) for each in sorted(telling, key=lambda each: each.cleared_at is not None)
    ]
    return {
        "version": "4",
        "groupKey": f"headframe/{instance}",
        "status": "firing" if any(each.cleared_at is None for each in telling) else "resolved",
        "receiver": receiver,
        "groupLabels": {"headframe": instance},
        "commonLabels": {"headframe": instance},
        "commonAnnotations": {},
        "externalURL": url,
        "truncatedAlerts": 0,
        "alerts": alerts,
    }


def trial(now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Telling:
    """Give the alert that is none: it says that the receiver can be reached."""
    return Telling(
        id=0,
        code=TEST,
        name="",
        severity="ticket",
        sentence="this is a test: somebody tries whether alerts arrive, and nothing has to be done",
        command="headframe alerts",
        fired_at=now(),
    )


def subject(body: dict[str, Any]) -> str:
    """Say it in one line."""
    alerts, instance = body["alerts"], body["commonLabels"]["headframe"]
    firing = [each for each in alerts if each["status"] == "firing"]
    shown = firing or alerts
    named = ", ".join(dict.fromkeys(f"{_label(each, 'code')} {_label(each, 'name')}".strip() for each in shown))
    word = f"{len(firing)} need somebody" if firing else "over"
    # One line, whatever a site or a launcher is called: a mail with two is refused.
    return " ".join(f"[{instance}] {word}: {named}".split())[:200]


def plain(body: dict[str, Any]) -> str:
    """Write it down for people."""
    parts = [_paragraph(each) for each in body["alerts"]]
    page = f"\nAll of them: {body['externalURL']}/alerts\n" if body["externalURL"] else ""
    return "\n".join(parts) + page


def _paragraph(alert: dict[str, Any]) -> str:
    named = f"{_label(alert, 'code')} {_label(alert, 'name')}".strip()
    notes = alert["annotations"]
    if alert["status"] == "resolved":
        return f"over: {named}\n  {notes['summary']}\n  from {alert['startsAt']} to {alert['endsAt']}\n"
    said = f"{_label(alert, 'severity')}: {named}\n  {notes['summary']}\n  since {alert['startsAt']}\n"
    return f"{said}  run: {notes['command']}\n  remedy: {notes['remedy']}\n  {notes['acknowledge']}\n"


def _label(alert: dict[str, Any], name: str) -> str:
    return str(alert["labels"].get(name, ""))


def _alert(instance: str, url: str, each: Telling, handbook: str) -> dict[str, Any]:
    labels = {"alertname": each.code, "code": each.code, "severity": each.severity, "headframe": instance}
    if each.name:
        labels["name"] = each.name
    known = BY_CODE.get(each.code)
    return {
        "status": "firing" if each.cleared_at is None else "resolved",
        "labels": labels,
        "annotations": {
            "summary": each.sentence,
            "command": each.command,
            "remedy": f"{handbook}#{each.code}",
            "acknowledge": f"to say that you know: headframe alerts ack {each.code} {each.name}".rstrip()
            + " --for 2h --reason ...",
        },
        "startsAt": _moment(each.fired_at),
        "endsAt": NEVER if each.cleared_at is None else _moment(each.cleared_at),
        "generatorURL": f"{url}{known.page}" if url and known else url,
        "fingerprint": sha256(f"{instance}\0{each.code}\0{each.name}".encode()).hexdigest()[:16],
    }


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
