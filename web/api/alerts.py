"""Alerts: what needs somebody, who knows of it, who is told; and whether the detector runs."""

from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response
from msgspec import Meta
from sqlalchemy import Connection

from ...statemachine.records import Record
from ...statemachine.store import alerts as store
from ...statemachine.store import detector
from ...statemachine.views import (
    AlertRow,
    DetectorRow,
    HoldingAck,
    Listed,
    ReceiverRow,
    alerts,
    detectors,
    holding,
    receivers,
)
from ..access.identity import Role, needs, who
from ..context import reading
from . import asked as asks
from .answer import Rows, rows
from .body import Reasoned, takes
from .document import PREFIX, gives
from .done import Done, answered

PAGE = "/alerts"
DAY_S = 86400.0
Word = Annotated[str, Meta(min_length=1, max_length=100)]
Of = Annotated[str, Meta(max_length=500)]
Source = Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]{0,39}$")]
blueprint = APIBlueprint("api_alerts", __name__, url_prefix=PREFIX, tag="alerts")


class AlertsAsked(asks.One):
    """Which alerts."""

    status = asks.choice("open, cleared in the last month, or all", ("open", "cleared", "all"), "open")
    code = asks.word("with this code")


class Acknowledge(Reasoned):
    """Say that somebody knows of an alert, open or not, for so many hours: until then nobody is told of it."""

    code: Word
    hours: Annotated[float, Meta(gt=0, le=720)]
    name: Of = ""


class Withdraw(Reasoned):
    """Take an acknowledgement back: the alert is told again."""

    code: Word
    name: Of = ""


class DetectorSaid(Record, forbid_unknown_fields=True):
    """What a source says of the detector; it holds for `valid_s` seconds, unless it says it again."""

    source: Source
    running: bool
    valid_s: Annotated[float, Meta(ge=1, le=DAY_S)] = 120.0
    detail: Annotated[str, Meta(max_length=500)] = ""


@blueprint.get("/alerts")
@blueprint.input(AlertsAsked, location="query")
@gives(Rows[AlertRow])
def list_alerts(query_data: dict[str, Any]) -> Response:
    """List alerts: open ones that nobody knows of first, pages before tickets; at most 500."""
    with reading() as connection:
        found = alerts(connection, **asks.filters(query_data))
    return rows(Listed(found, ""), query_data["wanted"])


@blueprint.get("/alerts/acks")
@blueprint.input(asks.One, location="query")
@gives(Rows[HoldingAck])
def list_acknowledgements(query_data: dict[str, Any]) -> Response:
    """List the acknowledgements that hold now, also of alerts that are not open; those come first."""
    with reading() as connection:
        found = holding(connection)
    return rows(Listed(found, ""), query_data["wanted"])


@blueprint.get("/alerts/receivers")
@blueprint.input(asks.One, location="query")
@gives(Rows[ReceiverRow])
def list_receivers(query_data: dict[str, Any]) -> Response:
    """List who is told of alerts, what waits for them, and what went wrong."""
    with reading() as connection:
        found = receivers(connection)
    return rows(Listed(found, ""), query_data["wanted"])


@blueprint.post("/alerts/ack")
@blueprint.input(asks.Changing, location="query")
@gives(Done, refuses=(404, 409))
@takes(Acknowledge, {"code": "site-down", "name": "UKDC", "hours": 4, "reason": "the cable is being mended"})
@needs(Role.OPERATOR)
def acknowledge(query_data: dict[str, Any], asked: Acknowledge) -> Response:
    """Say that you know of an alert, open or not, why it may wait, and for how long."""

    def change(connection: Connection) -> Done:
        until = store.acknowledge(connection, asked.code, asked.name, who().name, asked.reason, asked.hours * 3600)
        said = f"{store.said(asked.code, asked.name)} acknowledged until {until:%Y-%m-%d %H:%M} UTC"
        return _done(said, query_data)

    return answered(asked, change, dry_run=query_data["dry_run"])


@blueprint.post("/alerts/unack")
@blueprint.input(asks.Changing, location="query")
@gives(Done, refuses=(404, 409))
@takes(Withdraw, {"code": "site-down", "name": "UKDC", "reason": "it is not the cable"})
@needs(Role.OPERATOR)
def withdraw(query_data: dict[str, Any], asked: Withdraw) -> Response:
    """Take an acknowledgement back, also somebody else's."""

    def change(connection: Connection) -> Done:
        store.withdraw(connection, asked.code, asked.name, who().name, asked.reason)
        return _done(f"{store.said(asked.code, asked.name)} is told again", query_data)

    return answered(asked, change, dry_run=query_data["dry_run"])


@blueprint.get("/detector")
@blueprint.input(asks.One, location="query")
@gives(Rows[DetectorRow])
def show_detector(query_data: dict[str, Any]) -> Response:
    """Say whether the detector takes data, by each source that says so."""
    with reading() as connection:
        found = detectors(connection)
    return rows(Listed(found, ""), query_data["wanted"])


@blueprint.post("/detector")
@blueprint.input(asks.Changing, location="query")
@gives(Done, refuses=(409,))
@takes(DetectorSaid, {"source": "daq", "running": True, "valid_s": 120, "detail": "run 1201"})
@needs(Role.DETECTOR)
def say_detector(query_data: dict[str, Any], asked: DetectorSaid) -> Response:
    """Say, as a program of the detector, that it takes data or not; say it again before `valid_s` seconds are over."""

    def change(connection: Connection) -> Done:
        detector.say_from_outside(connection, asked.source, asked.running, asked.detail, asked.valid_s)
        said = f"{asked.source} says that the detector {'runs' if asked.running else 'does not run'}"
        return _done(said, query_data)

    return answered(asked, change, dry_run=query_data["dry_run"])


def _done(sentence: str, query: dict[str, Any]) -> Done:
    return Done(done=sentence, changed=1, link=PAGE, dry_run=query["dry_run"])
