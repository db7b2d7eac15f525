"""What needs somebody and who knows of it; what is told to whom; whether the detector runs."""

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, text

from .columns import TIME, facts, key, metadata, moment, words

OPEN = text("cleared_at is null")

alert = Table(
    "alert",
    metadata,
    key(),
    words("code", None),
    words("name"),
    words("severity", None),
    words("sentence", None),
    words("command"),
    moment("since", now=True),
    moment("seen_at", now=True),
    Column("fired_at", TIME, comment="since when it has been so for long enough; none: not yet"),
    Column("calm_since", TIME, comment="since when it is no longer so; it stays open for a while"),
    moment("cleared_at"),
    moment("told_at"),
    moment("resolved_told_at"),
    Index("alert_open", "code", "name", unique=True, postgresql_where=OPEN),
    Index("alert_cleared", "cleared_at"),
    Index("alert_to_resolve", "id", postgresql_where=text("cleared_at is not null and resolved_told_at is null")),
    comment="what needs somebody, as the sweeper sees it: open ones, and those of the last month",
)

alert_ack = Table(
    "alert_ack",
    metadata,
    key(),
    words("code", None),
    words("name"),
    words("owner", None),
    words("reason", None),
    moment("since", now=True),
    Column("until", TIME, nullable=False),
    words("ended_by"),
    Index("alert_ack_of", "code", "name", "until"),
    comment="who knows of an alert, and until when it is told to nobody else",
)

alert_notice = Table(
    "alert_notice",
    metadata,
    key(),
    words("receiver", None),
    facts("body"),
    moment("made_at", now=True),
    moment("due_at", now=True),
    Column("tries", Integer, nullable=False, server_default="0"),
    words("error"),
    moment("sent_at"),
    moment("given_up_at"),
    Index("alert_notice_waiting", "receiver", "id", postgresql_where=text("sent_at is null and given_up_at is null")),
    Index("alert_notice_made", "made_at"),
    comment="what is told to a receiver of alerts, in order; kept until it has it, and a month",
)

detector = Table(
    "detector",
    metadata,
    Column("source", Text, primary_key=True),
    Column("running", Boolean, nullable=False, server_default=text("false")),
    words("detail"),
    moment("since", now=True),
    moment("seen_at", now=True),
    Column("until", TIME, nullable=False, comment="after this nobody knows: what a source says does not last for ever"),
    comment="whether the detector takes data, by who says so",
)
