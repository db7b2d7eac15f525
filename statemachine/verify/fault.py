"""What a check gives, and how checks walk through large tables."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, TextClause, text

from ..records import Record

PAGE = 50_000
Resolve = Callable[[str, str], Path]
"""Gives the path on this host of a path at a site. Raises `KeyError` for an unknown site."""


class Fault(Record):
    """One broken line: a stable code, what it is about, and what is wrong."""

    code: str
    subject: str
    sentence: str


class Check(NamedTuple):
    """An invariant and how to find what breaks it.

    `settles` says that it may be broken for a moment on a live machine, between two commits that belong
    together: what breaks it has to be looked at twice.
    """

    title: str
    run: Callable[[Connection], Iterator[Fault]]
    settles: bool = False


SUBJECT = (
    "coalesce('file ' || subject_file.name || ' of run ' || subject_run.number, 'run ' || subject_run.number) "
    "|| ' in ' || subject_campaign.name"
)
NAMES = (
    "join run subject_run on subject_run.id = i.run_id "
    "join campaign subject_campaign on subject_campaign.id = i.campaign_id "
    "left join file subject_file on subject_file.id = i.file_id"
)


def named(statement: str) -> TextClause:
    """Make a statement; `{subject}` is an item's name in words, `{names}` the joins (from `i`) that it needs."""
    return text(statement.format(subject=SUBJECT, names=NAMES))


def by_item(conn: Connection, statement: TextClause, **values: object) -> Iterator[Row[Any]]:
    """Run a statement page by page over the ids of items, between `:after` and `:upto`."""
    conn.execute(text("set local jit = off"))  # compiling takes longer than a page
    following = text("select min(id) from item where id > :after")
    after = 0
    # Ids have gaps, after a restore very wide ones: a page begins at the next item that there is.
    while (first := conn.execute(following, {"after": after}).scalar()) is not None:
        after = first - 1 + PAGE
        yield from conn.execute(statement, {**values, "after": first - 1, "upto": after})


def faults(conn: Connection, statement: TextClause) -> Iterator[Fault]:
    """Run a statement page by page whose rows are faults."""
    for row in by_item(conn, statement):
        yield Fault(code=row.code, subject=row.subject, sentence=row.sentence)
