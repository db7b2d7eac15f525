"""How values look on a page: times in the site's zone and in UTC, sizes, counts. Markup is always escaped."""

from datetime import UTC, datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Flask, request
from markupsafe import Markup

from .context import here

DASH = "\N{EN DASH}"
UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
FORMAT = "%Y-%m-%d %H:%M:%S"


def install(app: Flask) -> None:
    """Give the templates these filters, and the application's settings as `site`."""
    app.add_template_filter(moment)
    app.add_template_filter(size)
    app.add_template_filter(count)
    app.add_template_filter(lasting)
    app.add_template_filter(command)
    app.add_template_global(elsewhere)
    app.context_processor(lambda: {"site": here()})


def command(said: str) -> Markup:
    """Show a command that breaks between its words only: a browser breaks `--phase` after its hyphens."""
    return Markup(" ").join(Markup('<span class="word">{}</span>').format(word) for word in said.split())


def elsewhere(**changed: str | None) -> str:
    """Give the address of this page with some of what it asks for changed; none leaves that out."""
    kept = {name: value for name, value in request.args.items() if value and name != "part"}
    asked = {name: value for name, value in {**kept, **changed}.items() if value is not None}
    return f"{request.script_root}{request.path}" + (f"?{urlencode(asked)}" if asked else "")


def moment(value: datetime | None) -> Markup | str:
    """Show a point in time in the site's zone and in UTC, both labelled; a dash for none."""
    if value is None:
        return DASH
    zone, utc = here().zone, value.astimezone(UTC)
    local = Markup('<span class="local">{}</span>').format(local_time(value, zone))
    if zone.key != "UTC":
        local += Markup(' <span class="utc">{} UTC</span>').format(utc.strftime(_utc_format(value, zone)))
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(), local)


def local_time(value: datetime, zone: ZoneInfo) -> str:
    """Write a point in time as date and time in a zone, with the zone's name at that time."""
    local = value.astimezone(zone)
    return f"{local.strftime(FORMAT)} {local.tzname()}"


def local_clock(value: datetime, zone: ZoneInfo) -> str:
    """Write the time of day in a zone, and in UTC where that is another."""
    local = value.astimezone(zone)
    shown = f"{local.strftime('%H:%M:%S')} {local.tzname()}"
    return shown if zone.key == "UTC" else f"{shown} ({value.astimezone(UTC).strftime('%H:%M:%S')} UTC)"


def size(value: int | None) -> str:
    """Write a number of bytes with three digits and a decimal unit; a dash for none."""
    if value is None:
        return DASH
    amount, unit = float(value), 0
    while amount >= 999.5 and unit < len(UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{value} B" if unit == 0 else f"{amount:.3g} {UNITS[unit]}"


def count(value: int | None) -> str:
    """Write a number in groups of three digits, apart by narrow spaces that do not break; a dash for none."""
    return DASH if value is None else f"{value:,}".replace(",", "\u202f")


def lasting(seconds: float | None) -> str:
    """Write how long something takes, in two units at most; a dash for none."""
    if seconds is None:
        return DASH
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _utc_format(value: datetime, zone: ZoneInfo) -> str:
    same_day = value.astimezone(zone).date() == value.astimezone(UTC).date()
    return "%H:%M:%S" if same_day else FORMAT
