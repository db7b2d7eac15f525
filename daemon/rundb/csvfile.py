"""Runs from a CSV file whose first line names the columns."""

import csv
from collections.abc import Iterator
from pathlib import Path

from ...statemachine.records import Record, RunInfo, Trouble
from ..config.errors import ConfigError
from .base import Setting, key, options
from .rows import RowError, info


class Options(Record):
    """`file` is the CSV file, `delimiter` one character."""

    file: Path
    delimiter: str = ","


class CsvRunDB:
    """Reads the whole file at each poll; it may be replaced or appended to at any time."""

    def __init__(self, setting: Setting) -> None:
        self._name = setting.name
        self._options = options(setting, Options)
        if len(self._options.delimiter) != 1:
            raise ConfigError([f"{key(setting)}.delimiter: expected one character"])

    def poll(self) -> Iterator[RunInfo | Trouble]:
        """Give a run a line. Raises `OSError`, `UnicodeDecodeError`, `csv.Error`, `ValueError`."""
        path = self._options.file
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter=self._options.delimiter, restkey="?", restval="")
            header = [name.strip().lower() for name in rows.fieldnames or ()]
            if "run" not in header:
                raise ValueError(f"{path}: its first line has no column run; it has {', '.join(header) or 'none'}")
            for row in rows:
                yield self._read(row, f"{path}:{rows.line_num}")

    def _read(self, row: dict[str, str], where: str) -> RunInfo | Trouble:
        try:
            if row.pop("?", None):
                raise RowError("the line has more values than there are columns")
            return info(row, self._name)
        except RowError as error:
            payload = self._options.delimiter.join(map(str, row.values()))
            return Trouble(
                code="run-row-invalid", sentence=str(error), subject=where, payload=payload, source=self._name
            )
