"""The tables, one place. All live in one PostgreSQL schema an instance, found through `search_path`.

`item` is the machine: one row a file, and one a run, within a campaign. Its last change is in the row itself
(`trigger`, `actor`, `reason`, ...), and a statement trigger in the database copies each change of `version` to
`history` and to `count_delta`, so that no code path can change an item in silence.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()
NOW = text("clock_timestamp()")
TIME = DateTime(timezone=True)


def key(name: str = "id") -> Column[int]:
    """Give a generated 64-bit primary key."""
    return Column(name, BigInteger, Identity(), primary_key=True)


def words(name: str, default: str | None = "") -> Column[str]:
    """Give a text column, never null, empty unless told."""
    return Column(name, Text, nullable=False, server_default=default)


def number(name: str, default: int = 0) -> Column[int]:
    """Give a 64-bit integer column, never null."""
    return Column(name, BigInteger, nullable=False, server_default=str(default))


def moment(name: str, *, now: bool = False) -> Column[object]:
    """Give a point in time; `now` makes it the database's clock, never null."""
    return Column(name, TIME, nullable=not now, server_default=NOW if now else None)


def facts(name: str) -> Column[object]:
    """Give a JSON object column, never null."""
    return Column(name, JSONB, nullable=False, server_default=text("'{}'::jsonb"))


def refers(name: str, to: str, *, optional: bool = False) -> Column[int]:
    """Give a foreign key."""
    return Column(name, BigInteger, ForeignKey(to), nullable=optional)


pipeline = Table(
    "pipeline",
    metadata,
    key(),
    words("name"),
    words("version"),
    facts("definition"),
    moment("created_at", now=True),
    UniqueConstraint("name", "version"),
)

step_rule = Table(
    "step_rule",
    metadata,
    refers("pipeline_id", "pipeline.id"),
    Column("rank", Integer, nullable=False),
    words("state", None),
    words("step", None),
    words("to_state", None),
    words("scope", None),
    words("makes", None),
    words("owned_by", None),
    Column("accepts_failed", Boolean, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("interrupts", Integer, nullable=False),
    Column("backoff_s", Double, nullable=False),
    Column("backoff_max_s", Double, nullable=False),
    Column("lease_s", Double, nullable=False),
    Column("bypassed_by", ARRAY(Text), nullable=False),
    PrimaryKeyConstraint("pipeline_id", "state"),
    comment="a pipeline's table of legal next states, as the store's SQL joins it",
)

campaign = Table(
    "campaign",
    metadata,
    key(),
    Column("name", Text, nullable=False, unique=True),
    refers("pipeline_id", "pipeline.id"),
    words("kind", "realtime"),
    words("lane", "live"),
    Column("weight", Integer, nullable=False, server_default="100"),
    words("status", "open"),
    words("created_by", "conductor"),
    moment("created_at", now=True),
    words("note"),
)

run = Table(
    "run",
    metadata,
    key(),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("kind", Text),
    Column("known_kind", Boolean, nullable=False, server_default=text("false")),
    refers("campaign_id", "campaign.id", optional=True),
    Column("identity", Text),
    moment("started_at"),
    moment("ended_at"),
    Column("expected", Integer),
    Column("first_sequence", Integer),
    Column("waived", Integer, nullable=False, server_default="0"),
    moment("closed_at"),
    words("closed_by"),
    words("quality", "unknown"),
    facts("metadata"),
    words("source"),
    Column("rewound_at", TIME, comment="set while a run-scope result may be older than the files"),
    moment("created_at", now=True),
    number("version", 1),
)

run_operation = Table(
    "run_operation",
    metadata,
    key(),
    refers("run_id", "run.id"),
    moment("at", now=True),
    words("actor", None),
    words("operation", None),
    words("reason"),
    facts("before"),
    facts("after"),
    Index("run_operation_run", "run_id", "id"),
)

file = Table(
    "file",
    metadata,
    key(),
    refers("run_id", "run.id"),
    Column("sequence", Integer),
    words("name", None),
    Column("site", Text),
    Column("path", Text),
    Column("size", BigInteger),
    Column("mtime_ns", BigInteger),
    Column("closed_ns", BigInteger),
    Column("adler32", Text),
    Column("blake3", Text),
    words("inbox"),
    moment("registered_at"),
    Column("expected_size", BigInteger),
    Column("expected_adler32", Text),
    moment("waived_at"),
    words("waived_by"),
    words("waived_reason"),
    Column("event_first", BigInteger),
    Column("event_last", BigInteger),
    Column("events", BigInteger),
    moment("secured_at"),
    moment("created_at", now=True),
    Index("file_run_name", "run_id", "name", unique=True),
    Index("file_run_sequence", "run_id", "sequence", unique=True),
    Index("file_place", "site", "path", unique=True),
    Index("file_content", "blake3", postgresql_where=text("blake3 is not null")),
    Index("file_name", "name"),
)

item = Table(
    "item",
    metadata,
    key(),
    refers("campaign_id", "campaign.id"),
    refers("pipeline_id", "pipeline.id"),
    refers("run_id", "run.id"),
    refers("file_id", "file.id", optional=True),
    words("scope", None),
    words("kind"),
    words("state", None),
    words("phase", None),
    Column("step", Text),
    words("lane", "live"),
    Column("priority", Integer, nullable=False, server_default="0"),
    number("epoch", 1),
    number("version", 1),
    Column("owner", Text),
    moment("lease_until"),
    moment("submitted_at"),
    moment("not_before"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("interrupts", Integer, nullable=False, server_default="0"),
    Column("nodes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    facts("request"),
    facts("conditions"),
    moment("since", now=True),
    moment("trouble_since"),
    words("trigger", None),
    words("actor"),
    words("reason_code"),
    words("reason"),
    words("host"),
    words("job"),
    words("log"),
    moment("changed_at", now=True),
    Index("item_once", "campaign_id", "run_id", "file_id", unique=True, postgresql_nulls_not_distinct=True),
    Index("item_run", "run_id"),
    Index("item_file", "file_id"),
    Index("item_of_run", "phase", "state", "run_id", postgresql_where=text("scope = 'run'")),
    Index("item_ready", "step", "lane", "priority", "id", postgresql_where=text("phase = 'ready'")),
    Index("item_submitted", "step", "lane", "submitted_at", postgresql_where=text("phase = 'submitted'")),
    Index("item_executing", "id", postgresql_where=text("phase = 'executing'")),
    Index(
        "item_trouble",
        "phase",
        "id",
        postgresql_where=text("phase in ('failed', 'held', 'abandoned')"),
    ),
    postgresql_with={"fillfactor": "70"},
)

history = Table(
    "history",
    metadata,
    Column("item_id", BigInteger, nullable=False),
    number("version"),
    Column("at", TIME, nullable=False, server_default=NOW),
    words("trigger", None),
    Column("from_state", Text),
    Column("from_phase", Text),
    words("to_state", None),
    words("to_phase", None),
    Column("epoch", BigInteger, comment="the epoch that the trigger acted on"),
    number("to_epoch"),
    Column("campaign_id", BigInteger, nullable=False),
    Column("owner", Text),
    words("actor"),
    words("host"),
    words("job"),
    words("log"),
    words("reason_code"),
    words("reason"),
    Index("history_item", "item_id", "version"),
    Index("history_at", "at", postgresql_using="brin"),
    postgresql_partition_by="RANGE (at)",
    comment="append only; written by the trigger item_history, by nothing else",
)

history_checkpoint = Table(
    "history_checkpoint",
    metadata,
    Column("item_id", BigInteger, primary_key=True),
    number("version"),
    Column("at", TIME, nullable=False),
    words("state", None),
    words("phase", None),
    number("epoch"),
    comment="where replay starts for an item whose older history was dropped",
)

attempt = Table(
    "attempt",
    metadata,
    Column("item_id", BigInteger, ForeignKey("item.id"), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    words("step", None),
    words("owner"),
    words("host"),
    words("job"),
    moment("started_at"),
    moment("ended_at"),
    words("outcome", "running"),
    words("reason_code"),
    words("reason"),
    words("log_site"),
    words("log"),
    facts("usage"),
    PrimaryKeyConstraint("item_id", "epoch"),
    Index("attempt_ended", "ended_at"),
)

late = Table(
    "late",
    metadata,
    key(),
    moment("at", now=True),
    number("item_id"),
    number("epoch"),
    words("owner"),
    words("trigger"),
    words("cause"),
    words("host"),
    words("reason"),
    Index("late_item", "item_id"),
    comment="what came too late to count: a stale epoch, another owner, a settled item",
)

product = Table(
    "product",
    metadata,
    key(),
    refers("run_id", "run.id"),
    refers("file_id", "file.id", optional=True),
    refers("campaign_id", "campaign.id", optional=True),
    refers("item_id", "item.id"),
    number("epoch"),
    words("step", None),
    words("name", None),
    words("type", None),
    number("size"),
    words("adler32"),
    words("blake3"),
    Column("event_first", BigInteger),
    Column("event_last", BigInteger),
    Column("events", BigInteger),
    words("software"),
    words("configuration"),
    facts("metadata"),
    moment("created_at", now=True),
    moment("superseded_at"),
    words("superseded_reason"),
    UniqueConstraint("item_id", "epoch", "name"),
    Index("product_file", "file_id", "step"),
    Index("product_run", "run_id", "type"),
)

replica = Table(
    "replica",
    metadata,
    key(),
    refers("run_id", "run.id"),
    refers("file_id", "file.id", optional=True),
    refers("product_id", "product.id", optional=True),
    words("role", None),
    words("step"),
    words("site", None),
    Column("path", Text(collation="C"), nullable=False),
    words("link"),
    words("status", "present"),
    number("size"),
    words("adler32"),
    words("blake3"),
    moment("created_at", now=True),
    moment("verified_at"),
    moment("retired_at"),
    Column("item_id", BigInteger),
    Column("epoch", BigInteger),
    UniqueConstraint("site", "path"),
    Index("replica_file", "file_id"),
    Index("replica_product", "product_id"),
    Index("replica_run", "run_id", "site"),
)

salt_record = Table(
    "salt_record",
    metadata,
    Column("product_id", BigInteger, ForeignKey("product.id"), primary_key=True),
    refers("file_id", "file.id"),
    words("key_id", None),
    Column("sealed", LargeBinary, nullable=False),
    moment("created_at", now=True),
)

catalog_entry = Table(
    "catalog_entry",
    metadata,
    Column("item_id", BigInteger, ForeignKey("item.id"), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("step", Text, primary_key=True),
    refers("file_id", "file.id", optional=True),
    refers("run_id", "run.id"),
    refers("campaign_id", "campaign.id"),
    facts("facts"),
    moment("created_at", now=True),
    Index("catalog_entry_run", "run_id"),
)

settle = Table(
    "settle",
    metadata,
    key(),
    words("action", None),
    words("site", None),
    words("path", None),
    Column("link", Text),
    Column("replica_id", BigInteger),
    Column("tries", Integer, nullable=False, server_default="0"),
    words("error"),
    moment("not_before", now=True),
    moment("created_at", now=True),
    Index("settle_due", "not_before"),
    UniqueConstraint("action", "site", "path"),
    comment="file-system work after the fact; a row goes when a worker has said that it is done",
)

site = Table(
    "site",
    metadata,
    Column("name", Text, primary_key=True),
    words("kind", "processing"),
    words("path"),
    words("status", "up"),
    words("reason"),
    facts("space"),
    moment("seen_at", now=True),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    key(),
    Column("fingerprint", Text, nullable=False, unique=True),
    words("queue", None),
    words("code", None),
    words("sentence", None),
    words("subject"),
    Column("run_number", BigInteger),
    words("payload"),
    number("size"),
    number("mtime_ns"),
    number("count", 1),
    moment("first_at", now=True),
    moment("last_at", now=True),
    moment("replayed_at"),
    words("replayed_by"),
    moment("cleared_at"),
    Index("dead_letter_run", "run_number"),
    Index("dead_letter_subject", "subject"),
    Index("dead_letter_last", "last_at"),
)

operation = Table(
    "operation",
    metadata,
    key(),
    moment("at", now=True),
    words("actor", None),
    words("action", None),
    facts("selection"),
    words("reason", None),
    Column("idempotency_key", Text, unique=True),
    number("total"),
    number("done"),
    number("changed"),
    words("status", "running"),
    moment("finished_at"),
    comment="what operators did; a bulk action is a job that commits pages",
)

pause = Table(
    "pause",
    metadata,
    words("what", None),
    words("name", None),
    words("actor", None),
    words("reason", None),
    moment("since", now=True),
    PrimaryKeyConstraint("what", "name"),
)

watermark = Table(
    "watermark",
    metadata,
    Column("lane", Text, primary_key=True),
    moment("applied_at", now=True),
    comment="every report sent before this time has been applied",
)

process = Table(
    "process",
    metadata,
    Column("owner", Text, primary_key=True),
    words("role", None),
    words("host"),
    Column("pid", BigInteger),
    words("version"),
    facts("detail"),
    moment("started_at", now=True),
    moment("seen_at", now=True),
    comment="daemons and workers, by the random id of a process start",
)

pilot = Table(
    "pilot",
    metadata,
    key(),
    Column("token", Text, nullable=False, unique=True),
    words("steps"),
    words("status", "intended"),
    words("job"),
    words("node"),
    facts("request"),
    words("reason"),
    moment("created_at", now=True),
    moment("submitted_at"),
    moment("started_at"),
    moment("ended_at"),
)

_COUNTED = ("run_id", "campaign_id", "scope", "state", "phase", "site")


def _counted() -> list[Column[object]]:
    kinds = (BigInteger, BigInteger, Text, Text, Text, Text)
    return [Column(name, kind, nullable=False) for name, kind in zip(_COUNTED, kinds, strict=True)]


count_total = Table("count_total", metadata, *_counted(), number("n"), PrimaryKeyConstraint(*_COUNTED))

count_delta = Table(
    "count_delta",
    metadata,
    key(),
    *_counted(),
    number("n"),
    Index("count_delta_run", "run_id"),
    comment="signed, in the transaction of the change itself; folded into count_total by one process",
)
