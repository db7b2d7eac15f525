"""How lists are written: table, wide, json, yaml, tsv, name. Rows come as they are found, page by page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from .columns import Column
from .units import plain, printable, writer

if TYPE_CHECKING:
    from datetime import tzinfo

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = ("table", "wide", "json", "yaml", "tsv", "name")
RIGHT = ("number", "size", "lasting", "share")
STYLES = {
    "failed": "red", "held": "yellow", "abandoned": "bright_black", "executing": "cyan", "submitted": "blue",
    "done": "green", "down": "red", "interrupted": "yellow", "succeeded": "green", "up": "green",
}  # fmt: skip


class Output(NamedTuple):
    """What the options for output say."""

    format: str = "table"
    headers: bool = True
    exact: bool = False

    @property
    def is_table(self) -> bool:
        """Say whether people read it."""
        return self.format in ("table", "wide")


def output_options(command: F) -> F:
    """Add the options that every list has; they arrive as `output`, `no_headers`, `exact`."""
    for option in (
        click.option("--bytes", "exact", is_flag=True, help="Sizes in exact bytes."),
        click.option("--no-headers", is_flag=True, help="No line of column heads."),
        click.option("-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="Format."),
    ):
        command = option(command)
    return command


def to_json(value: object) -> str:
    """Write a record as one line of JSON."""
    import msgspec

    return msgspec.json.encode(value).decode()


def to_yaml(value: object) -> str:
    """Write a record as YAML."""
    import msgspec
    import yaml

    plain_value = msgspec.to_builtins(value)
    text: str = yaml.safe_dump(plain_value, sort_keys=False, allow_unicode=True, width=110)
    return text


def write_one(value: object, format_: str) -> None:
    """Write one record as json or yaml."""
    click.echo(to_json(value) if format_ == "json" else to_yaml(value).rstrip("\n"))


def write_rows(
    rows: Iterable[Any],
    columns: Sequence[Column],
    output: Output,
    zone: tzinfo,
    name_of: Callable[[Any], str],
    records: Callable[[Any], object] = lambda row: row,
) -> int:
    """Write a list; give how many rows it had. `records` says what of a row programs get."""
    if output.is_table:
        return _write_table(list(rows), columns, output, zone)
    written = 0

    def counting() -> Iterator[Any]:
        nonlocal written
        for row in rows:
            written += 1
            yield row

    for line in _lines(counting(), columns, output, name_of, records):
        click.echo(line, nl=output.format != "json")
    return written


def _lines(
    rows: Iterable[Any],
    columns: Sequence[Column],
    output: Output,
    name_of: Callable[[Any], str],
    records: Callable[[Any], object],
) -> Iterator[str]:
    if output.format == "json":
        yield "["
        for n, row in enumerate(rows):
            yield (",\n" if n else "\n") + to_json(records(row))
        yield "\n]\n"
    elif output.format == "yaml":
        for row in rows:
            yield to_yaml([records(row)]).rstrip("\n")
    elif output.format == "tsv":
        if output.headers:
            yield "\t".join(column.head.lower().replace(" ", "_") for column in columns)
        for row in rows:
            yield tsv_line(row, columns)
    else:
        for row in rows:
            yield printable(name_of(row))


def tsv_line(row: Any, columns: Sequence[Column]) -> str:
    """Write a row for programs: every column, exact, with tabs and line ends escaped."""
    return "\t".join(printable(plain(column.get(row))) for column in columns)


def _write_table(rows: list[Any], columns: Sequence[Column], output: Output, zone: tzinfo) -> int:
    shown = [column for column in columns if output.format == "wide" or not column.wide]
    write = writer(zone, exact=output.exact, now=datetime.now(UTC))
    cells = [[write(column.get(row), column.kind) for column in shown] for row in rows]
    if not rows:
        return 0
    if sys.stdout.isatty() and output.format == "table":
        _rich_table(cells, shown, output)
    else:
        for line in aligned(cells, shown, headers=output.headers):
            click.echo(line)
    return len(rows)


def aligned(cells: list[list[str]], columns: Sequence[Column], *, headers: bool) -> Iterator[str]:
    """Write cells in plain columns, never cut: for pipes, logs and `-o wide`."""
    table = [[column.head for column in columns], *cells] if headers else cells
    widths = [max((len(line[n]) for line in table), default=0) for n in range(len(columns))]
    for line in table:
        parts = [
            cell.rjust(width) if column.kind in RIGHT else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        ]
        yield "  ".join(parts).rstrip()


def _rich_table(cells: list[list[str]], columns: Sequence[Column], output: Output) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=output.headers, header_style="bold")
    for column in columns:
        right = column.kind in RIGHT
        fold = column.head in ("NAME", "FILE", "PATH")
        table.add_column(
            column.head, justify="right" if right else "left", overflow="fold" if fold else "ellipsis", no_wrap=not fold
        )
    for line in cells:
        table.add_row(*(Text(cell, style=_style(c, cell)) for cell, c in zip(line, columns, strict=True)))
    console = Console(highlight=False)
    if len(cells) > console.height:
        with console.pager(styles=True):
            console.print(table)
    else:
        console.print(table)


def _style(column: Column, cell: str) -> str:
    if column.head in ("FAILED", "HELD", "MISSING") and cell not in ("0", "-"):
        return STYLES["failed" if column.head == "FAILED" else "held"]
    return STYLES.get(cell, "") if column.kind == "phase" else ""
