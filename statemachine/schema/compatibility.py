"""Which versions of headframe may work on this schema: one row, written by `headframe db upgrade`."""

from sqlalchemy import Boolean, CheckConstraint, Column, Table, Text, text

from .columns import metadata, moment, words

compatibility = Table(
    "compatibility",
    metadata,
    Column(
        "single",
        Boolean,
        CheckConstraint("single", name="compatibility_is_one_row"),
        primary_key=True,
        server_default=text("true"),
    ),
    Column("oldest", Text, nullable=False, comment="the oldest version that may work on this schema"),
    words("revision", None),
    Column("by", Text, nullable=False, comment="the version that brought it here"),
    moment("at", now=True),
    comment="which versions may work on this schema: one row",
)
