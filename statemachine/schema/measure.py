"""What is measured: how long things take, how fast steps go, what fails alike. The sweeper keeps it."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from .columns import TIME, key, metadata, moment, number, words
from .machine import run


def _keys(*names: str) -> list[Column[Any]]:
    kinds: dict[str, Any] = {"span": Integer, "at": TIME, "campaign_id": BigInteger, "bucket": Integer}
    return [Column(name, kinds.get(name, Text), nullable=False) for name in names]


def _seconds(name: str) -> Column[float]:
    return Column(name, Double, nullable=False, server_default="0")


measure_due = Table(
    "measure_due",
    metadata,
    key(),
    number("item_id"),
    number("version"),
    number("epoch"),
    Column("at", TIME, nullable=False),
    words("trigger", None),
    words("step"),
    words("lane"),
    number("campaign_id"),
    words("kind"),
    Column("finished", Boolean, nullable=False, server_default=text("false")),
    comment="changes to be measured, in the transaction of the change itself; taken by one process",
)

LATENCY = ("what", "span", "at", "step", "campaign_id", "kind", "bucket")
measure_latency = Table(
    "measure_latency",
    metadata,
    *_keys(*LATENCY),
    number("n"),
    _seconds("seconds"),
    PrimaryKeyConstraint(*LATENCY),
    comment="how long things took: counts in buckets of time, eight to a doubling, by spans of minutes",
)

RATE = ("span", "at", "campaign_id", "step", "lane")
measure_rate = Table(
    "measure_rate",
    metadata,
    *_keys(*RATE),
    number("done"),
    number("passed"),
    number("failed"),
    number("interrupted"),
    _seconds("busy_s"),
    _seconds("lost_s"),
    _seconds("metered_s"),
    _seconds("cpu_s"),
    number("queued"),
    _seconds("queue_s"),
    number("memory_peak"),
    PrimaryKeyConstraint(*RATE),
    Index("measure_rate_campaign", "campaign_id", "step"),
    comment="what each step did, by spans of minutes",
)

FAILURE = ("span", "at", "family", "campaign_id")
measure_failure = Table(
    "measure_failure",
    metadata,
    *_keys(*FAILURE),
    number("n"),
    PrimaryKeyConstraint(*FAILURE),
    comment="how many attempts failed alike, by spans of minutes",
)

failure_family = Table(
    "failure_family",
    metadata,
    Column("family", Text, primary_key=True),
    words("step", None),
    words("reason_code", None),
    words("template", None),
    Column("onset", TIME, nullable=False),
    Column("last_at", TIME, nullable=False),
    number("n"),
    comment="failures that say the same but for paths, hosts, names and numbers",
)

site_sample = Table(
    "site_sample",
    metadata,
    Column("site", Text, nullable=False),
    Column("at", TIME, nullable=False),
    number("free"),
    number("total"),
    PrimaryKeyConstraint("site", "at"),
    comment="how much room a site had, the first look of each five minutes; for a week",
)


SUM = ("name", "step", "lane", "what", "bucket")


def _summed() -> list[Column[Any]]:
    bucket = Column("bucket", Integer, nullable=False, server_default="0")
    return [*(words(name) for name in SUM[:-1]), bucket, number("n"), _seconds("seconds"), moment("last_at", now=True)]


sum_total = Table(
    "sum_total",
    metadata,
    *_summed(),
    PrimaryKeyConstraint(*SUM),
    comment="what has happened since the beginning, for metrics: it only grows",
)

sum_delta = Table(
    "sum_delta",
    metadata,
    key(),
    *_summed(),
    comment="in the transaction of the change itself; folded into sum_total by one process",
)

Index("run_open", run.c.id, postgresql_where=text("closed_at is null"))
