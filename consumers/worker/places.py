"""Where a message sends a worker: only below the sites of its own configuration."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from ..messages import Message, MessageError, Settle, Work


def check_places(message: Message) -> None:
    """Refuse a path that leads out of its site. Raises `MessageError` with the first one."""
    for path in _paths(message):
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise MessageError(f"path {path!r} leads out of its site")


def _paths(message: Message) -> Iterator[str]:
    if isinstance(message, Work):
        for item in message.parcel:
            yield item.folder.path
            yield from (content.location.path for content in item.inputs)
    elif isinstance(message, Settle):
        for entry in message.parcel:
            yield entry.path
            yield entry.link or ""
