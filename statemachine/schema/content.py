"""What there is to read: products, replicas, salt records, the catalog, and file-system work after the fact."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from .columns import facts, key, metadata, moment, number, refers, words

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

original = Table(
    "original",
    metadata,
    Column("blake3", Text, primary_key=True),
    refers("file_id", "file.id"),
    moment("created_at", now=True),
    Index("original_file", "file_id"),
    comment="a content and the file that it was first read from: the key lets only one of two have it",
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
