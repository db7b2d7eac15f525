"""The alerts. Metrics that are read from the database are the same on each replica of web: hence the many `max by`."""

from collections.abc import Mapping
from types import MappingProxyType

from .alert import Alert, Severity

PAGE, TICKET = Severity.PAGE, Severity.TICKET
DATABASE_UP = "max(headframe_database_up) == 1"
DUE = "(max by (step, lane) (headframe_oldest_ready_seconds) > $no_progress_s)"
"""Ready for so long: only what may go out, not what waits for its next try."""
SENT = (
    'min_over_time((sum by (step, lane) (max by (scope, step, lane, state) (headframe_items{phase="submitted",step!=""'
    "})))[${no_progress_s}s:30s]) > 0"
)
MOVED = "sum(max by (trigger) (headframe_transitions_total))"
MOVED_BEFORE = "(sum(max by (trigger) (headframe_transitions_total offset ${no_progress_s}s)) or vector(0))"
"""Not `increase`, which says 0 of a counter that has just appeared."""
ALL_THE_TIME = "min_over_time((max(headframe_database_up) or vector(0))[${no_progress_s}s:30s]) == 1"
"""Somebody has looked through the whole window: no new Prometheus, no database that has just come back."""
MANY_COUNTS = 50_000
"""Rows of counts, which do not know their time; a sweeper folds ten thousand a second."""


def silent(role: str) -> str:
    """Ask whether no process of a role has been heard of for a minute, while the database can tell."""
    none = f'((max(headframe_processes{{role="{role}"}}) or vector(0)) == 0)'
    return f"{none} and on () ({DATABASE_UP})"


def needed(code: str) -> str:
    """Ask for what the service's own look found, at the scrape, where no raw metric says it."""
    return f'max by (name) (headframe_need{{code="{code}"}}) == 1'


SERVICE = (
    Alert(
        code="database-away",
        severity=PAGE,
        for_s=60,
        summary="PostgreSQL does not answer the web: nothing changes state, files stay where they are",
        expr="max(headframe_database_up) == 0",
        command="headframe doctor",
        page="/",
        blind=True,
    ),
    Alert(
        code="broker-away",
        severity=PAGE,
        for_s=60,
        summary="the broker does not answer: no work goes out and no report comes in",
        expr="max(headframe_broker_up) == 0",
        command="headframe doctor",
        page="/queues",
        need="broker-away",
    ),
    Alert(
        code="web-away",
        severity=PAGE,
        for_s=60,
        summary="no web answers Prometheus: no page, no REST, no new pilots",
        expr='absent(up{job="headframe-web"} == 1)',
        command="headframe web",
        page="/",
        blind=True,
    ),
    Alert(
        code="no-conductor",
        severity=PAGE,
        for_s=60,
        summary="no conductor has been heard of lately: nothing changes state",
        expr=silent("conductor"),
        command="headframe conductor",
        page="/",
        need="no-conductor",
    ),
    Alert(
        code="no-sweeper",
        severity=PAGE,
        for_s=120,
        summary="no sweeper has been heard of lately: what dead workers had stays with them, and nobody tells alerts",
        expr=silent("sweeper"),
        command="headframe sweeper",
        page="/",
    ),
    Alert(
        code="no-watcher",
        severity=PAGE,
        for_s=60,
        summary="no watcher has been heard of lately: new files stay in the inbox",
        expr='min(headframe_process_silence_seconds{role="watcher"} > 60 < 604800)',
        command="headframe watch",
        page="/",
        need="no-watcher",
    ),
    Alert(
        code="counts-behind",
        severity=TICKET,
        for_s=300,
        summary="what has happened is not counted: measures, failures and latencies are of before",
        expr=(
            f"(max(headframe_unfolded_seconds) > $counts_s) or (max(headframe_count_deltas_waiting) > {MANY_COUNTS})"
        ),
        command="headframe status",
        page="/",
        need="counts-behind",
    ),
)

FLOW = (
    Alert(
        code="no-progress",
        severity=PAGE,
        for_s=60,
        summary="work waits, nothing is being worked on, and nothing has changed state for long",
        expr=(
            f"(count(({DUE} or {SENT}) unless on (step, lane) headframe_paused == 1) > 0)"
            f" and on () ({MOVED} - {MOVED_BEFORE} == 0) and on () ({ALL_THE_TIME})"
            ' unless on () (sum(headframe_leases{lease="running"}) > 0)'
        ),
        command="headframe status",
        page="/queues",
        need="no-progress",
    ),
    Alert(
        code="no-files",
        severity=PAGE,
        for_s=60,
        summary="the detector runs, and no file arrives",
        expr=(
            "(((max(headframe_last_file_seconds) or vector(Inf)) > $no_files_s) and on ()"
            " (min_over_time((max(headframe_detector_running))[${no_files_s}s:30s]) == 1)"
            # While the database is away nobody knows of files, nor whether the detector runs.
            f" and on () ({DATABASE_UP}))"
        ),
        command="headframe get dead-letters",
        page="/",
        need="no-files",
    ),
    Alert(
        code="queue-old",
        severity=PAGE,
        for_s=60,
        summary="live work at step {name} has waited for long",
        expr=(
            'max by (step) (headframe_oldest_ready_seconds{lane="live"} unless on (step, lane) headframe_paused == 1)'
            " > $queue_s"
        ),
        command="headframe status",
        page="/queues",
        label="step",
        need="queue-old",
    ),
    Alert(
        code="slow-files",
        severity=TICKET,
        for_s=300,
        summary="one file in twenty takes longer than it should from its closing to the catalog",
        expr='max(headframe_latency_seconds{window="hour",quantile="0.95"}) > $latency_s',
        command="headframe status",
        page="/latency",
        need="slow-files",
    ),
    Alert(
        code="leases-expired",
        severity=TICKET,
        for_s=60,
        summary="attempts at step {name} are over by their lease, and nobody takes them back",
        expr='min_over_time((max by (step) (headframe_leases{lease="expired"}))[${leases_s}s:30s]) > 0',
        command="headframe status",
        page="/workers",
        label="step",
        need="leases-expired",
    ),
    Alert(
        code="no-worker",
        severity=PAGE,
        for_s=120,
        summary="no worker takes step {name}, and work waits for it",
        expr=needed("no-worker"),
        command="headframe worker",
        page="/workers",
        label="name",
        need="no-worker",
    ),
)

DATA = (
    Alert(
        code="failures",
        severity=PAGE,
        for_s=60,
        summary="too many of the last hour's attempts at step {name} failed",
        expr=(
            '((sum by (step) (max by (step, outcome) (headframe_attempts_last_hour{outcome="failed"}))'
            ' / sum by (step) (max by (step, outcome) (headframe_attempts_last_hour{outcome=~"failed|succeeded"})))'
            " > $failures) and on (step) (sum by (step) (max by (step, outcome)"
            ' (headframe_attempts_last_hour{outcome=~"failed|succeeded"})) >= $failures_least)'
        ),
        command="headframe failures",
        page="/failures",
        label="step",
        need="failures",
    ),
    Alert(
        code="failed-items",
        severity=TICKET,
        for_s=300,
        summary="files or runs have failed for good: somebody must look and requeue or abandon",
        expr=needed("failed-items"),
        command="headframe get files --phase failed",
        page="/failures",
        need="failed-items",
    ),
    Alert(
        code="dead-letters",
        severity=TICKET,
        for_s=60,
        summary="there is input that could not be used",
        expr="sum(max by (code) (headframe_dead_letters)) > 0",
        command="headframe get dead-letters",
        page="/dead-letters",
        need="dead-letters",
    ),
    Alert(
        code="backup-old",
        severity=TICKET,
        for_s=600,
        summary="the last backup of the database is too old, or there is none",
        expr=(
            "(max(headframe_last_backup_seconds) > $backup_s)"
            " or (absent(headframe_last_backup_seconds)"
            f" and on () ({DATABASE_UP}) and on () (vector($backup_wanted) > 0))"
        ),
        command="headframe backup",
        page="/",
        need="backup-old",
    ),
)

SITES = (
    Alert(
        code="site-down",
        severity=PAGE,
        for_s=60,
        summary="site {name} is down: nothing is read or written there",
        expr="max by (site) (headframe_site_up) == 0",
        command="headframe doctor",
        page="/sites",
        label="site",
        need="site-down",
    ),
    Alert(
        code="site-full",
        severity=PAGE,
        for_s=60,
        summary="site {name} is nearly full",
        expr=(
            '(max by (site) (headframe_site_bytes{what="free"}) / max by (site) (headframe_site_bytes{what="total"}))'
            ' < $site_free or (max by (site) (headframe_site_inodes{what="free"})'
            ' / max by (site) (headframe_site_inodes{what="total"})) < $site_free'
        ),
        command="headframe describe site {name}",
        page="/sites",
        label="site",
        need="site-full",
    ),
    Alert(
        code="buffer-full-soon",
        severity=PAGE,
        for_s=600,
        summary="site {name} will be full soon at the rate of the last hours",
        expr="max by (site) (headframe_site_full_seconds) < $buffer_s",
        command="headframe describe site {name}",
        page="/sites",
        label="site",
        need="buffer-full-soon",
    ),
)

CLUSTER = (
    Alert(
        code="launcher-silent",
        severity=PAGE,
        for_s=120,
        summary="launcher {name} is silent while work waits for its pilots",
        expr=needed("launcher-silent"),
        command="headframe launcher",
        page="/pilots",
        label="name",
        need="launcher-silent",
    ),
    Alert(
        code="pilots-refused",
        severity=TICKET,
        for_s=300,
        summary="the batch system gives no pilot {name}",
        expr=needed("pilots-refused"),
        command="headframe slurm doctor",
        page="/pilots",
        label="name",
        need="pilots-refused",
    ),
    Alert(
        code="pilots-pending",
        severity=TICKET,
        for_s=60,
        summary="pilots {name} have been pending for long while work waits for them",
        expr=needed("pilots-pending"),
        command="headframe pilots list --status pending",
        page="/pilots",
        label="name",
        need="pilots-pending",
    ),
    Alert(
        code="nodes-set-aside",
        severity=TICKET,
        for_s=60,
        summary="nodes are set aside: they take no work until somebody releases them",
        expr="max(headframe_nodes_set_aside) > 0",
        command="headframe status",
        page="/pilots",
        need="nodes-set-aside",
    ),
)

ALERTS: tuple[Alert, ...] = (*SERVICE, *FLOW, *DATA, *SITES, *CLUSTER)
BY_CODE: Mapping[str, Alert] = MappingProxyType({alert.code: alert for alert in ALERTS})
