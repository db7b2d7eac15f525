"""The cluster: pilots, launchers, nodes, and the work that waits for them."""

from ..promql import now, total
from .panels import BAD, GOOD, WARN, Panel, Query, Row

PILOTS = Row(
    "Pilots",
    (
        Panel(
            "Pilots",
            (Query(total("name, status", now("headframe_pilots")), "{{name}} {{status}}"),),
            stacked=True,
        ),
        Panel(
            "Work for them",
            (
                Query(total("step", now("headframe_items", 'phase=~"ready|submitted"')), "{{step}} waits"),
                Query(total("step", now("headframe_items", 'phase="executing"')), "{{step}} runs"),
            ),
        ),
        Panel(
            "Since a launcher was heard of",
            (Query(now("headframe_launcher_silence_seconds"), "{{launcher}}"),),
            "s",
        ),
        Panel(
            "Nodes set aside",
            (Query(now("headframe_nodes_set_aside")),),
            kind="stat",
            width=6,
            steps=((None, GOOD), (1, WARN), (4, BAD)),
            says="headframe get pauses; headframe resume --node NAME",
        ),
        Panel(
            "Workers",
            (Query(now("headframe_processes", 'role=~"worker|pilot"'), "{{role}}"),),
            kind="stat",
            width=6,
            steps=((None, BAD), (1, GOOD)),
        ),
    ),
)
ROWS = (PILOTS,)
