"""How long ago something was, in words that change seldom: a part of a page is sent only where it differs."""

from datetime import UTC, datetime

JUST_NOW_S = 15
STEPS = ((60, 1, "s"), (3600, 60, "min"), (172_800, 3600, "h"), (float("inf"), 86_400, "d"))


def since(value: datetime | None) -> str:
    """Say how long ago a point in time was; nothing for none."""
    return "" if value is None else lasting((datetime.now(UTC) - value).total_seconds())


def ago(value: datetime | None) -> str:
    """Say when something was heard of last, coarsely."""
    if value is None:
        return "never"
    seconds = (datetime.now(UTC) - value).total_seconds()
    if seconds < JUST_NOW_S:
        return "just now"
    return "in the last minute" if seconds < 60 else f"{lasting(seconds)} ago"


def lasting(seconds: float) -> str:
    """Write a length of time in its largest unit: `40 s`, `7 min`, `5 h`, `3 d`."""
    seconds = max(0.0, seconds)
    length, unit = next((length, unit) for below, length, unit in STEPS if seconds < below)
    return f"{int(seconds // length)} {unit}"


def rate(value: float) -> str:
    """Write how many a minute: one decimal where they are few."""
    return f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}"
