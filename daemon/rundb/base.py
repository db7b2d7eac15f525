"""The contract of a source of run metadata, and how the configured ones are made.

A source is a class found by its entry point in `headframe.rundb`. It is made with a `Setting` and polled, in a
thread of its own, for everything that it knows; the poller finds out what is new. It may be slow and it may
raise: that delays nothing but the closing of its own runs.
"""

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ...statemachine.records import Record, RunInfo, Trouble
from ..config.errors import ConfigError, Mistakes
from ..config.model import Config, Inbox
from ..config.reader import Reader

R = TypeVar("R", bound=Record)


class InboxFolder(Record):
    """An inbox and its folder on this host."""

    inbox: Inbox
    folder: Path


class Setting(Record):
    """What a source is made with. `options` are its own; relative paths in them start at `folder`."""

    name: str
    options: dict[str, Any] = {}
    folder: Path = Path()
    timeout_s: float = 30.0
    inboxes: dict[str, InboxFolder] = {}


class RunDB(Protocol):
    """A source of run metadata."""

    def poll(self) -> Iterable[RunInfo | Trouble]:
        """Give all runs that the source knows, and a trouble for each entry that is wrong. May raise anything."""
        ...


Maker = Callable[[Setting], RunDB]


def options(setting: Setting, kind: type[R]) -> R:
    """Read a source's options into a record. Raises `ConfigError` with all mistakes, each named with its key."""
    mistakes = Mistakes()
    found: R = Reader(setting.folder, mistakes).record(kind, setting.options, key(setting))
    if mistakes.found:
        raise ConfigError(mistakes.found.values())
    return found


def key(setting: Setting) -> str:
    """Give the key under which a source's options stand."""
    return f"rundb.{setting.name}.options"


def open_all(config: Config) -> dict[str, RunDB]:
    """Make all configured sources. Raises `ConfigError` with the mistakes of all of them."""
    points = {point.name: point for point in entry_points(group="headframe.rundb")}
    inboxes = {name: InboxFolder(inbox=inbox, folder=config.inbox_root(name)) for name, inbox in config.inboxes.items()}
    made: dict[str, RunDB] = {}
    mistakes: list[str] = []
    for name, source in config.rundb.items():
        setting = Setting(
            name=name, options=source.options, folder=config.folder, timeout_s=source.timeout_s, inboxes=inboxes
        )
        try:
            made[name] = _maker(points[source.use])(setting)
        except ConfigError as error:
            mistakes += error.mistakes
        except Exception as error:
            mistakes.append(f"rundb.{name}.use: {source.use} cannot be loaded: {type(error).__name__}: {error}")
    if mistakes:
        raise ConfigError(mistakes, str(config.source or ""))
    return made


def _maker(point: EntryPoint) -> Maker:
    maker: Maker = point.load()
    return maker
