"""The kinds of value that configuration knows beside those of TOML."""

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0.01, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Prefix = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,30}$")]
NAME = r"[A-Za-z][A-Za-z0-9_-]{0,40}"
"""What sites, inboxes, run types and the like may be called."""


class FolderMode(int):
    """The mode of folders; the owner may read, write and enter."""


class FileMode(int):
    """The mode of files; the owner may read, nobody may execute."""


class Memory(int):
    """An amount of memory in bytes, written as SLURM writes it: `64G` is 64 GiB."""


class Walltime(int):
    """A time limit in seconds, written as SLURM writes it: `4:00:00` or `1-12:00:00`."""


def hook(folder: Path, kind: type, value: Any) -> Any:
    """Make a value of `kind` from one of TOML; relative paths start at `folder`. Raises `ValueError`."""
    if kind is Path:
        return absolute(folder, value)
    if kind in (FolderMode, FileMode):
        return _mode(kind, value)
    if kind is Memory:
        return _memory(value)
    if kind is Walltime:
        return _walltime(value)
    raise NotImplementedError(kind)


def absolute(folder: Path, value: object) -> Path:
    """Give the path, from `folder` where it is relative. Raises `ValueError`."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("expected a path in quotation marks")
    return folder / Path(value).expanduser()


def program(folder: Path, word: str) -> str:
    """Give a word of a command; one that begins as a relative path does starts at the configuration's folder."""
    return str(folder / word) if word.startswith(("./", "../")) else word


def _memory(value: object) -> Memory:
    found = re.fullmatch(r"(\d+)([KMGT])(?:i?B)?", value) if isinstance(value, str) else None
    if found is not None:
        return Memory(int(found[1]) << 10 * (1 + "KMGT".index(found[2])))
    if value == 0 and not isinstance(value, bool):
        return Memory(0)
    raise ValueError('expected an amount such as "64G", or 0 for what the partition gives')


def _walltime(value: object) -> Walltime:
    found = re.fullmatch(r"(?:(\d+)-)?(\d{1,3}):([0-5]\d):([0-5]\d)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('expected hours, minutes and seconds such as "4:00:00", or "1-12:00:00" with days')
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return Walltime(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _mode(kind: type[int], value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError('expected octal digits such as "2775" or 0o2775')
    try:
        mode = value if isinstance(value, int) else int(value.removeprefix("0o"), 8)
    except ValueError as error:
        raise ValueError(f'"{value}" is not octal; write "2775" or 0o2775') from error
    if not 0 <= mode <= 0o7777:
        raise ValueError(f"{value} is not between 0 and 0o7777")
    # A decimal 2775 or 664 loses an owner's bit or makes a file executable, so it is caught here.
    if kind is FolderMode and mode & 0o700 != 0o700:
        raise ValueError(f'{oct(mode)} shuts the owner out of the folder; octal is written "2775" or 0o2775')
    if kind is FileMode and (mode & 0o400 == 0 or mode & 0o111):
        raise ValueError(f'{oct(mode)} is no mode for a data file; octal is written "664" or 0o664')
    return kind(mode)
