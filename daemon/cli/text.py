"""Blocks of text for one screen: titles, aligned fields, sub-tables; colour only on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from .columns import Column
from .output import STYLES, aligned
from .units import printable, writer

if TYPE_CHECKING:
    from datetime import tzinfo

LABEL = 12
COLOURS = {"red", "green", "yellow", "blue", "cyan", "bright_black"}


class Screen:
    """Collects lines; `show` prints them, through a pager where they are more than a terminal holds."""

    def __init__(self, zone: tzinfo, *, exact: bool = False) -> None:
        self.lines: list[str] = []
        self.zone = zone
        self.write = writer(zone, exact=exact, now=datetime.now(UTC))

    def title(self, text: str, word: str = "") -> None:
        """Begin with what this is about, and its phase or the like in colour."""
        self.lines.append(click.style(printable(text), bold=True) + (f"  {coloured(word)}" if word else ""))

    def fields(self, pairs: Iterable[tuple[str, object]], kind: str = "time") -> None:
        """Write names and values in two columns, leaving out what is empty."""
        shown = [(name, self.write(value, kind)) for name, value in pairs if value not in (None, "", {}, ())]
        width = max((LABEL, *(len(name) for name, _ in shown)))
        self.lines += [f"  {name.ljust(width)}  {value}" for name, value in shown]

    def text(self, *lines: str) -> None:
        """Write lines as they are."""
        self.lines += [printable(line) for line in lines]

    def table(self, head: str, rows: Sequence[Any], columns: Sequence[Column], most: int = 30) -> None:
        """Write a table under a head; the last `most` rows; nothing where there are none."""
        if not rows:
            return
        left_out = f" (the last {most} of {len(rows)})" if len(rows) > most else ""
        self.lines += ["", click.style(f"{head}{left_out}", bold=True)]
        cells = [[self.write(column.get(row), column.kind) for column in columns] for row in rows[-most:]]
        self.lines += [f"  {line}" for line in aligned(cells, columns, headers=True)]

    def show(self) -> None:
        """Print; click drops the colour where this is no terminal."""
        import shutil
        import sys

        if sys.stdout.isatty() and len(self.lines) > shutil.get_terminal_size().lines:
            click.echo_via_pager("\n".join(self.lines) + "\n")
        else:
            for line in self.lines:
                click.echo(line)


def coloured(word: str) -> str:
    """Write a phase or the like in its colour."""
    style = STYLES.get(word, "")
    return click.style(word, fg=style) if style in COLOURS else word
