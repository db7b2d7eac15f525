"""How values read: sizes, times, durations, names that may hold anything."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum
from typing import Any

import click

SIZES = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)?")
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}
# Control characters steer a terminal, and these others turn or hide what is written.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")


def human_size(n: int) -> str:
    """Write bytes in decimal units with three digits: `1.23 GB`."""
    value, place = float(n), 0
    while abs(value) >= 999.5 and place < len(SIZES) - 1:
        value, place = value / 1000, place + 1
    if place == 0:
        return f"{n} B"
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {SIZES[place]}"


def human_age(age: timedelta) -> str:
    """Write how long ago, in the two largest units: `3d 4h`."""
    seconds = int(abs(age.total_seconds()))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    while len(parts) > 1 and parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{n}{unit}" for n, unit in parts[:2] if n or len(parts) == 1)


def human_lasting(took: float) -> str:
    """Write how long something took: seconds with three digits, longer times in their two largest units."""
    return f"{took:.3g}s" if took < 99.5 else human_age(timedelta(seconds=round(took)))


def local_time(moment: datetime, zone: tzinfo, *, both: bool = False) -> str:
    """Write a time in the site's zone, labelled; with `both`, in UTC too."""
    here = moment.astimezone(zone)
    text = f"{here:%Y-%m-%d %H:%M:%S} {here.tzname()}"
    if both and here.tzname() != "UTC":
        text += f" ({moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC)"
    return text


def printable(text: str) -> str:
    """Make a name safe to print: nothing in it moves the cursor or hides what follows."""
    return UNPRINTABLE.sub(lambda found: ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text)


def seconds(text: str) -> float:
    """Read a duration such as `30s`, `5m`, `1.5h`; a bare number is seconds. Raises `ValueError`."""
    found = DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text} is no duration; write 30s, 5m or 2h")
    return float(found[1]) * SECONDS[found[2] or "s"]


class Duration(click.ParamType[float]):
    """A duration on the command line."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, or say how to write one."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def plain(value: object) -> str:
    """Write a value for programs: exact numbers, ISO times in UTC, nothing for none."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def writer(zone: tzinfo, *, exact: bool, now: datetime) -> Callable[[object, str], str]:
    """Give the function that writes a value of a kind (`size`, `age`, `time`, `plain`) for people."""

    def write(value: object, kind: str) -> str:
        if value is None or value == "":
            return "-"
        if kind == "size" and isinstance(value, int):
            return str(value) if exact else human_size(value)
        if isinstance(value, datetime):
            return human_age(now - value) if kind == "age" else local_time(value, zone)
        if kind == "lasting" and isinstance(value, int | float):
            return human_lasting(float(value))
        if kind == "share" and isinstance(value, int | float):
            return f"{100 * value:.0f}%"
        return printable(plain(value))

    return write
