"""Alerts: what needs somebody now, since when, who has been told, and who has said that they know."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from msgspec.structs import replace
from sqlalchemy import Connection, Row, and_, exists, func, select, true

from ..alerting import BY_CODE
from ..schema import alert, alert_ack, alert_notice
from .fields import View
from .need import Need

AlertStatus = Literal["open", "cleared", "all"]
SAME = {"failed": "failed-items", "node-set-aside": "nodes-set-aside"}
"""Needs that are one alert all together."""
MOST = 500
"""So many are listed at most: they are by condition and site or step, never by file."""


class AlertRow(View):
    """An alert. `name` says which site, step, launcher or pilot it is about, '' where there is but one.

    `severity` is page or ticket. It has been so `since`, needs somebody since `fired_at`, and is over since
    `cleared_at`; `calm_since`: it is not so at the moment, and cleared if that stays. `owner` has said so that they
    know, for a `reason` and `until` a time; receivers were told at `told_at`. `page` is where to look, `remedy` the
    heading in docs/alerts.md.
    """

    id: int
    code: str
    name: str
    severity: str
    sentence: str
    command: str
    page: str
    remedy: str
    since: datetime
    seen_at: datetime
    fired_at: datetime | None
    calm_since: datetime | None
    cleared_at: datetime | None
    told_at: datetime | None
    owner: str
    reason: str
    acknowledged_at: datetime | None
    until: datetime | None

    @property
    def acknowledged(self) -> bool:
        """Say whether somebody knows of it just now."""
        return self.until is not None and self.cleared_at is None


class AckRow(View):
    """Who said of an alert that they know, until when, and who ended it before its time."""

    id: int
    code: str
    name: str
    owner: str
    reason: str
    since: datetime
    until: datetime
    ended_by: str


class HoldingAck(View):
    """An acknowledgement that holds now. `open`: its alert is; else it was given beforehand, or the alert is over."""

    code: str
    name: str
    owner: str
    reason: str
    since: datetime
    until: datetime
    open: bool


class KnownRow(View):
    """Until when somebody knows, or knew within the last day, of an alert, be it open or not; `now`: they still do."""

    code: str
    name: str
    until: datetime
    now: bool


class ReceiverRow(View):
    """How a receiver of alerts does: what waits for it, since when, how often it was tried, and what was wrong."""

    receiver: str
    waiting: int
    oldest: datetime | None
    tries: int
    error: str
    sent_at: datetime | None


def alerts(conn: Connection, status: AlertStatus = "open", code: str | None = None) -> tuple[AlertRow, ...]:
    """List alerts that need or needed somebody: open ones that nobody knows of first, pages before tickets."""
    ack = (
        select(alert_ack)
        .where(alert_ack.c.code == alert.c.code, alert_ack.c.name == alert.c.name)
        .where(alert_ack.c.until > func.clock_timestamp(), alert.c.cleared_at.is_(None))
        .order_by(alert_ack.c.id.desc())
        .limit(1)
        .lateral("ack")
    )
    wanted = select(alert, ack.c.owner, ack.c.reason, ack.c.since.label("acknowledged_at"), ack.c.until).select_from(
        alert.outerjoin(ack, true())
    )
    wanted = wanted.where(alert.c.fired_at.is_not(None))
    if status != "all":
        cleared = alert.c.cleared_at.is_not(None)
        wanted = wanted.where(cleared if status == "cleared" else ~cleared)
    if code is not None:
        wanted = wanted.where(alert.c.code == code)
    order = (alert.c.cleared_at.desc().nulls_first(), ack.c.owner.is_not(None), alert.c.severity, alert.c.since)
    return tuple(_alert(row) for row in conn.execute(wanted.order_by(*order, alert.c.id).limit(MOST)))


def acknowledgements(conn: Connection, code: str, name: str) -> tuple[AckRow, ...]:
    """List who has acknowledged an alert in the last month, the last one first."""
    wanted = select(*(alert_ack.c[field] for field in AckRow.__struct_fields__))
    wanted = wanted.where(alert_ack.c.code == code, alert_ack.c.name == name)
    return tuple(AckRow(**row._mapping) for row in conn.execute(wanted.order_by(alert_ack.c.id.desc()).limit(100)))


def holding(conn: Connection) -> tuple[HoldingAck, ...]:
    """List the acknowledgements that hold now, those first whose alert is not open, and of them who ends first."""
    table = alert_ack.c
    mine = (alert.c.code == table.code) & (alert.c.name == table.name)
    is_open = exists().where(mine, alert.c.cleared_at.is_(None), alert.c.fired_at.is_not(None)).label("open")
    fields = [table[field] for field in HoldingAck.__struct_fields__ if field != "open"]
    wanted = select(*fields, is_open).where(table.until > func.clock_timestamp())
    rows = conn.execute(wanted.order_by(is_open, table.until, table.id).limit(MOST))
    return tuple(HoldingAck(**row._mapping) for row in rows)


def known(conn: Connection) -> tuple[KnownRow, ...]:
    """List of which alerts somebody knows, or knew within the last day."""
    until, now = func.max(alert_ack.c.until), func.clock_timestamp()
    wanted = select(alert_ack.c.code, alert_ack.c.name, until.label("until"), (until > now).label("now"))
    wanted = wanted.where(alert_ack.c.until > now - timedelta(days=1)).group_by(alert_ack.c.code, alert_ack.c.name)
    rows = conn.execute(wanted.order_by(alert_ack.c.code, alert_ack.c.name).limit(MOST))
    return tuple(KnownRow(**row._mapping) for row in rows)


def receivers(conn: Connection) -> tuple[ReceiverRow, ...]:
    """List the receivers that anything was told to in the last month, or that wait for it."""
    table = alert_notice.c
    waits = and_(table.sent_at.is_(None), table.given_up_at.is_(None))
    wanted = (
        select(
            table.receiver,
            func.count().filter(waits).label("waiting"),
            func.min(table.made_at).filter(waits).label("oldest"),
            func.coalesce(func.max(table.tries).filter(waits), 0).label("tries"),
            func.coalesce(func.max(table.error).filter(waits), "").label("error"),
            func.max(table.sent_at).label("sent_at"),
        )
        .group_by(table.receiver)
        .order_by(table.receiver)
    )
    return tuple(ReceiverRow(**row._mapping) for row in conn.execute(wanted))


def with_alerts(conn: Connection, needs: Iterable[Need]) -> tuple[Need, ...]:
    """Say of needs who knows of them; add the open alerts that are none of them."""
    rows = {(row.code, row.name): row for row in alerts(conn)}
    found, shown = [], set()
    for need in needs:
        key = (SAME[need.code], "") if need.code in SAME else (need.code, need.name)
        shown.add(key)
        found.append(replace(need, known=_known(rows[key])) if key in rows else need)
    others = [row for key, row in rows.items() if key not in shown]
    return (*found, *(Need(row.code, row.sentence, row.command, row.name, _known(row)) for row in others))


def _known(row: AlertRow) -> str:
    return f"{row.owner} knows, until {row.until:%Y-%m-%d %H:%M} UTC: {row.reason}" if row.until else ""


def pick(rows: Sequence[AlertRow], code: str, name: str) -> AlertRow | None:
    """Give the one of this code and name among them, an open one first; none where there is none."""
    return next((row for row in rows if (row.code, row.name) == (code, name)), None)


def _alert(row: Row[Any]) -> AlertRow:
    held: dict[str, Any] = {name: row._mapping.get(name) for name in AlertRow.__struct_fields__}
    kind = BY_CODE.get(row.code)
    held.update(owner=row.owner or "", reason=row.reason or "", remedy=row.code, page=kind.page if kind else "/")
    return AlertRow(**held)
