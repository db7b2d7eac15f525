"""The first dashboard: is every file on its way, and if not, where does it stand."""

from ..promql import now, own, quantile, rate, total
from .panels import BAD, GOOD, WARN, Panel, Query, Row

DAY = 86400
UP = (("0", "away", BAD), ("1", "answers", GOOD))
ALERTS = own("ALERTS", 'alertstate="firing"', 'severity!="none"')
"""The watchdog, which always fires, is none."""

NOW = Row(
    "Now",
    (
        Panel(
            "Alerts",
            (Query(f"count({ALERTS}) or vector(0)"),),
            kind="stat",
            width=4,
            height=4,
            steps=((None, GOOD), (1, BAD)),
        ),
        Panel(
            "Database", (Query(now("headframe_database_up")),), kind="stat", width=4, height=4,
            steps=((None, BAD), (1, GOOD)), words=UP,
        ),
        Panel(
            "Broker", (Query(now("headframe_broker_up")),), kind="stat", width=4, height=4,
            steps=((None, BAD), (1, GOOD)), words=UP,
        ),
        Panel(
            "Runs open", (Query(now("headframe_runs_open")),), kind="stat", width=4, height=4,
        ),
        Panel(
            "Since the last file", (Query(now("headframe_last_file_seconds")),), "s", "stat", width=4, height=4,
            steps=((None, GOOD), (600, WARN), (3600, BAD)),
        ),
        Panel(
            "Dead letters", (Query(f"sum({now('headframe_dead_letters')}) or vector(0)"),), kind="stat", width=4,
            height=4, steps=((None, GOOD), (1, WARN)),
        ),
        Panel(
            "What fires",
            (Query(ALERTS),),
            kind="table",
            width=24,
            height=6,
            says="Each has its page in docs/alerts.md, by its code.",
        ),
    ),
)  # fmt: skip
FLOW = Row(
    "Flow",
    (
        Panel(
            "Files arrived",
            (Query(total("kind", rate("headframe_files_arrived_total")), "{{kind}}"),),
            "short",
            says="A second, by run type.",
            stacked=True,
        ),
        Panel(
            "From file closed to each state",
            (
                Query(quantile(0.5, "state", rate("headframe_file_seconds_bucket")), "{{state}}, half"),
                Query(own("headframe:file_seconds:p95_1h"), "{{state}}, 95 of 100 of an hour"),
            ),
            "s",
            says="Files of realtime campaigns.",
        ),
        Panel(
            "Files by state",
            (Query(total("state", now("headframe_items", 'scope="file"', 'phase!="done"')), "{{state}}"),),
            says="Those that are not done.",
            stacked=True,
        ),
        Panel(
            "Files by phase",
            (Query(total("phase", now("headframe_items", 'scope="file"', 'phase!="done"')), "{{phase}}"),),
            says="Those that are not done.",
            stacked=True,
        ),
        Panel(
            "Transitions",
            (Query(total("trigger", rate("headframe_transitions_total")), "{{trigger}}"),),
            "ops",
            says="Changes of state a second, by what made them.",
        ),
        Panel(
            "Failures of the last hour",
            (Query(own("headframe:attempts_failed:share1h"), "{{step}}"),),
            "percentunit",
            says="The share of a step's attempts that failed.",
        ),
    ),
)
BACKUP = Row(
    "Kept",
    (
        Panel(
            "Since the last backup", (Query(now("headframe_last_backup_seconds")),), "s", "stat", width=6, height=4,
            steps=((None, GOOD), (1.5 * DAY, WARN), (3 * DAY, BAD)),
        ),
        Panel(
            "Detector", (Query(now("headframe_detector_running"), "{{source}}"),), kind="stat", width=6, height=4,
            words=(("0", "stands", WARN), ("1", "runs", GOOD)),
        ),
        Panel(
            "Acknowledged", (Query(f"count({now('headframe_alert_acknowledged')}) or vector(0)"),), kind="stat",
            width=6, height=4, says="Alerts that somebody has taken on: headframe alerts list",
        ),
        Panel(
            "Versions", (Query(now("headframe_process_versions"), "{{role}} {{version}}"),), kind="stat",
            width=6, height=4, says="Of the processes that live.",
        ),
    ),
)  # fmt: skip
ROWS = (NOW, FLOW, BACKUP)
