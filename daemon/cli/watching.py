"""`-w`: look again and again, and show what came, changed or went."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from .columns import Column
from .output import Output, aligned, to_json, to_yaml, tsv_line
from .units import printable, writer

if TYPE_CHECKING:
    from datetime import tzinfo

Event = tuple[str, Any]


def watch_rows(
    ask: Callable[[], list[Any]],
    columns: Sequence[Column],
    output: Output,
    zone: tzinfo,
    key_of: Callable[[Any], tuple[Any, ...]],
    interval: float,
) -> None:
    """Show rows, then each change, until interrupted or the reader leaves. JSON is one line an event."""
    known: dict[tuple[Any, ...], Any] = {}
    headers = output.headers
    while True:
        found = {key_of(row): row for row in ask()}
        happened = list(events(known, found))
        for line in _lines(happened, columns, output, zone, headers):
            click.echo(line)
        headers = headers and not happened
        known = found
        sys.stdout.flush()
        time.sleep(interval)


def events(before: dict[tuple[Any, ...], Any], now: dict[tuple[Any, ...], Any]) -> Iterator[Event]:
    """Give what happened between two looks."""
    for key, row in now.items():
        if key not in before:
            yield "added", row
        elif before[key] != row:
            yield "changed", row
    for key, row in before.items():
        if key not in now:
            yield "removed", row


def _lines(
    happened: list[Event], columns: Sequence[Column], output: Output, zone: tzinfo, headers: bool
) -> Iterator[str]:
    if output.format == "json":
        yield from (to_json({"event": event, "object": row}) for event, row in happened)
    elif output.format == "yaml":
        yield from ("---\n" + to_yaml({"event": event, "object": row}).rstrip("\n") for event, row in happened)
    elif output.format == "tsv":
        yield from (f"{event}\t{tsv_line(row, columns)}" for event, row in happened)
    elif output.format == "name":
        yield from (printable(plain_name(row)) for event, row in happened if event != "removed")
    elif happened:
        yield from _table(happened, columns, output, zone, headers)


def _table(
    happened: list[Event], columns: Sequence[Column], output: Output, zone: tzinfo, headers: bool
) -> Iterator[str]:
    shown = [column for column in columns if output.format == "wide" or not column.wide]
    write = writer(zone, exact=output.exact, now=datetime.now(UTC))
    cells = [
        [*(write(column.get(row), column.kind) for column in shown), "" if event == "added" else event]
        for event, row in happened
    ]
    yield from aligned(cells, [*shown, Column("", lambda _: "")], headers=headers)


def plain_name(row: Any) -> str:
    """Give a row's name."""
    return str(getattr(row, "name", None) or getattr(row, "number", None) or getattr(row, "file", ""))
