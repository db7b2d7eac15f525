"""What changed in the last minutes: what live pages are told from."""

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table, text

from .columns import metadata, number, words

change = Table(
    "change",
    metadata,
    Column(
        "xid",
        BigInteger,
        nullable=False,
        server_default=text("cast(cast(pg_current_xact_id() as text) as bigint)"),
        autoincrement=False,
    ),
    words("topic", None),
    number("key"),
    PrimaryKeyConstraint("xid", "topic", "key"),
    comment="what each transaction of the last minutes changed, for those who watch; written by triggers",
)
