"""The product: a ROOT file written by uproot (Pivarski et al., doi:10.5281/zenodo.4340632).

ROOT stores the time of writing and a random id. Here both come from the content, so that the same input gives
the same bytes at every try; uproot has no setting for its clock, so its one is put in place for the write.
"""

import datetime
import io
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uproot
from uproot.writing import _cascade, _cascadetree

from .arrays import Array
from .rawfile import write

EARLIEST_S, LATEST_S = 788_918_400, 2_777_068_800
"""ROOT can write the years 1995 to 2057."""

_lock = threading.Lock()


def write_root(path: Path, trees: Mapping[str, Mapping[str, Array]], notes: Mapping[str, str], when_ns: int) -> None:
    """Write trees of flat columns, and strings, under these names. `when_ns` (UTC) is the file's time."""
    image = _Image()
    key = uuid.uuid5(uuid.NAMESPACE_OID, f"{when_ns} {path.name}")
    with _clock(when_ns), uproot.recreate(image, uuid_function=lambda: key) as file:
        for name, columns in trees.items():
            tree = file.mktree(name, {column: array.dtype for column, array in columns.items()})
            if len(next(iter(columns.values()))):
                tree.extend(dict(columns))
        for name, text in notes.items():
            file[name] = text
    write(path, image.getvalue())


class _Image(io.BytesIO):
    """A file in memory that can still be read after uproot has closed it."""

    def close(self) -> None:
        """Stay open."""


@contextmanager
def _clock(when_ns: int) -> Iterator[None]:
    """Let uproot take `when_ns` for the time. One write at a time, for the clock is the modules'."""
    seconds = min(max(when_ns // 1_000_000_000, EARLIEST_S), LATEST_S)
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(tzinfo=None)
    still: Any = SimpleNamespace(datetime=SimpleNamespace(now=lambda: moment))
    with _lock:
        _cascade.datetime = _cascadetree.datetime = still
        try:
            yield
        finally:
            _cascade.datetime = _cascadetree.datetime = datetime
