"""For each alert: series on which it fires, and series on which it does not. In promtool's notation, a value a minute.

An alert that stands in the catalogue and not here fails the suite.
"""

from typing import NamedTuple


class Case(NamedTuple):
    """`fires` and `quiet` are series with their values; `labels` are those of the alert beside its own."""

    fires: dict[str, str]
    quiet: dict[str, str]
    labels: dict[str, str] = {}
    at: str = "90m"


def alone(code: str, name: str) -> Case:
    """Give the case of a condition that the service looks at itself."""
    need = f'headframe_need{{code="{code}",name="{name}"}}'
    return Case({need: "1x300"}, {need: "0x300"}, {"name": name})


UP = {"headframe_database_up": "1x300"}
ITEMS = 'headframe_items{scope="file",step="place",lane="live",state="arrived",phase="ready"}'
SENT = ITEMS.replace("ready", "submitted")
MOVES = 'headframe_transitions_total{trigger="succeed"}'
RUNNING = 'headframe_leases{step="place",lease="running"}'
FREE = 'headframe_site_bytes{site="daq",what="free"}'
FULL = 'headframe_site_full_seconds{site="daq"}'
TOTAL = 'headframe_site_bytes{site="daq",what="total"}'
DETECTOR = 'headframe_detector_running{source="runs"}'
OLDEST = 'headframe_oldest_ready_seconds{step="place",lane="live"}'
P95 = 'headframe_latency_seconds{window="hour",quantile="0.95"}'
LEASES = 'headframe_leases{step="place",lease="expired"}'
FAILED = 'headframe_attempts_last_hour{step="place",outcome="failed"}'
DONE = 'headframe_attempts_last_hour{step="place",outcome="succeeded"}'
BACKUP = "headframe_last_backup_seconds"
UNFOLDED = 'headframe_unfolded_seconds{what="measures"}'
DELTAS = "headframe_count_deltas_waiting"
SITE = {"name": "daq", "site": "daq"}
STEP = {"name": "place", "step": "place"}


def processes(role: str) -> Case:
    """Give the case of a role that nobody has: known by its silence, or not even by that."""
    here = f'headframe_processes{{role="{role}"}}'
    return Case({**UP, here: "1x30 0x300"}, {**UP, here: "1x300"})


CASES: dict[str, Case] = {
    "database-away": Case({"headframe_database_up": "1x30 0x300"}, UP),
    "broker-away": Case({"headframe_broker_up": "0x300"}, {"headframe_broker_up": "1x300"}),
    "web-away": Case({'up{job="headframe-web"}': "0x300"}, {'up{job="headframe-web"}': "1x300"}),
    "no-conductor": processes("conductor"),
    "no-sweeper": processes("sweeper"),
    "no-watcher": Case(
        {'headframe_process_silence_seconds{role="watcher"}': "0+60x300"},
        {'headframe_process_silence_seconds{role="watcher"}': "5x300"},
    ),
    "counts-behind": Case({UNFOLDED: "0+60x300", DELTAS: "10x300"}, {UNFOLDED: "5x300", DELTAS: "10x300"}),
    "no-progress": Case({**UP, OLDEST: "0+60x300", MOVES: "100x300"}, {**UP, OLDEST: "0+60x300", MOVES: "100+5x300"}),
    "no-files": Case(
        {**UP, "headframe_last_file_seconds": "0+60x300", DETECTOR: "1x300"},
        {**UP, "headframe_last_file_seconds": "0+60x300", DETECTOR: "0x300"},
    ),
    "queue-old": Case({OLDEST: "7200x300"}, {OLDEST: "600x300"}, STEP),
    "slow-files": Case({P95: "20000x300"}, {P95: "90x300"}),
    "leases-expired": Case({LEASES: "2x300"}, {LEASES: "0 2 0 2 0 2 0x300"}, STEP),
    "no-worker": alone("no-worker", "place"),
    "failures": Case({FAILED: "50x300", DONE: "50x300"}, {FAILED: "5x300", DONE: "95x300"}, STEP),
    "failed-items": alone("failed-items", ""),
    "dead-letters": Case(
        {'headframe_dead_letters{code="bad-name"}': "3x300"}, {'headframe_dead_letters{code="bad-name"}': "0x300"}
    ),
    "backup-old": Case({BACKUP: "95000x300"}, {BACKUP: "3600x300"}),
    "site-down": Case({'headframe_site_up{site="daq"}': "0x300"}, {'headframe_site_up{site="daq"}': "1x300"}, SITE),
    "site-full": Case({FREE: "4x300", TOTAL: "100x300"}, {FREE: "40x300", TOTAL: "100x300"}, SITE),
    "buffer-full-soon": Case({FULL: "90000-60x300"}, {FULL: "900000-60x300"}, SITE),
    "launcher-silent": alone("launcher-silent", "nersc"),
    "pilots-refused": alone("pilots-refused", "large"),
    "pilots-pending": alone("pilots-pending", "large"),
    "nodes-set-aside": Case({"headframe_nodes_set_aside": "2x300"}, {"headframe_nodes_set_aside": "0x300"}),
}
MORE_QUIET: dict[str, tuple[dict[str, str], ...]] = {
    "no-progress": (
        {**UP, ITEMS: "0x300", SENT: "0x300", MOVES: "100x300"},
        {**UP, OLDEST: "0+60x300", MOVES: "100x300", RUNNING: "1x300"},
        {**UP, OLDEST: "0+60x300", MOVES: "100x300", 'headframe_paused{step="place",lane="live"}': "1x300"},
        # Ready, but its next try is not due.
        {**UP, ITEMS: "7x300", MOVES: "100x300"},
        # Seen for some minutes only: a new Prometheus, a new instance, a database that has just come back.
        {"headframe_database_up": "_x80 1x220", OLDEST: "_x80 9000+60x220", MOVES: "_x80 100x220"},
        {**UP, OLDEST: "_x80 9000+60x220", MOVES: "_x80 100x220"},
        {"headframe_database_up": "1x60 0x20 1x220", OLDEST: "0+60x60 _x20 4800+60x220", MOVES: "100x60 _x20 100x220"},
        # Sent, and taken up by nobody yet, for some minutes.
        {**UP, SENT: "0x80 7x220", MOVES: "100x300"},
    ),
    "no-files": (
        {**UP, "headframe_last_file_seconds": "60x300", DETECTOR: "1x300"},
        # The database has been away for some minutes: that is another alert.
        {"headframe_database_up": "1x75 0x225", "headframe_last_file_seconds": "60x75", DETECTOR: "1x75"},
    ),
    "no-conductor": ({"headframe_database_up": "0x300"}, {}),
    "failures": ({FAILED: "5x300", DONE: "5x300"},),
    "buffer-full-soon": ({FREE: "5000x300", TOTAL: "9000x300"},),
    "backup-old": ({"headframe_database_up": "1x300"},),
}
"""Where it would be wrong to fire too: the other half of a condition is missing."""
MORE_FIRES: dict[str, tuple[dict[str, str], ...]] = {
    "no-progress": (
        {**UP, SENT: "7x300", MOVES: "100x300"},
        # The same once it has been looked at for long enough.
        {"headframe_database_up": "_x60 1x240", OLDEST: "_x60 9000+60x240", MOVES: "_x60 100x240"},
    ),
    "counts-behind": ({UNFOLDED: "0x300", DELTAS: "60000x300"},),
}
"""Other ways in which it is so."""
