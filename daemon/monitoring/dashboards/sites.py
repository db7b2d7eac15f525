"""Each site: room left, how fast it fills, what is copied to it."""

from ..promql import now, own, rate, total
from .panels import BAD, GOOD, WARN, Panel, Query, Row

SITE = 'site=~"$site"'
FREE = now("headframe_site_bytes", SITE, 'what="free"')
WHOLE = now("headframe_site_bytes", SITE, 'what="total"')
FREE_INODES = now("headframe_site_inodes", SITE, 'what="free"')
INODES = now("headframe_site_inodes", SITE, 'what="total"')
OF_SITE = "ignoring (what)"
ROOM = Row(
    "Room",
    (
        Panel(
            "Free",
            (Query(f"{FREE} / {OF_SITE} {WHOLE}", "{{site}}"),),
            "percentunit",
            "stat",
            width=12,
            height=5,
            steps=((None, BAD), (0.05, WARN), (0.15, GOOD)),
        ),
        Panel(
            "Answers",
            (Query(now("headframe_site_up", SITE), "{{site}}"),),
            kind="stat",
            width=12,
            height=5,
            steps=((None, BAD), (1, GOOD)),
            words=(("0", "down", BAD), ("1", "up", GOOD)),
        ),
        Panel("Free bytes", (Query(FREE, "{{site}}"),), "bytes"),
        Panel(
            "Full in",
            (Query(own("headframe:site_full:hours", SITE), "{{site}}"),),
            "h",
            says="At the pace of the last three hours; no line: it does not fill.",
        ),
        Panel(
            "Free inodes",
            (Query(f"{FREE_INODES} / {OF_SITE} {INODES}", "{{site}}"),),
            "percentunit",
        ),
        Panel(
            "Since it was measured",
            (Query(now("headframe_site_measured_seconds", SITE), "{{site}}"),),
            "s",
        ),
    ),
)
COPIES = Row(
    "Copies",
    (
        Panel(
            "Written",
            (Query(total("site", rate("headframe_site_written_bytes_total", SITE)), "{{site}}"),),
            "Bps",
        ),
        Panel(
            "Copies by status",
            (Query(total("site, status", now("headframe_replicas", SITE)), "{{site}} {{status}}"),),
        ),
    ),
)
ROWS = (ROOM, COPIES)
