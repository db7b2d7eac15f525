"""The tables, one place. All live in one PostgreSQL schema an instance, found through `search_path`.

`item` is the machine: one row a file, and one a run, within a campaign. Its last change is in the row itself
(`trigger`, `actor`, `reason`, ...), and a statement trigger in the database copies each change of `version` to
`history` and to `count_delta`, so that no code path can change an item in silence.
"""

from .access import access_event, api_token, person, web_secret, web_session
from .alerts import alert, alert_ack, alert_notice, detector
from .backup import backup
from .changes import change
from .columns import metadata
from .compatibility import compatibility
from .content import catalog_entry, original, product, replica, salt_record, settle, site
from .desk import answered, note, operation_item
from .machine import campaign, file, item, pipeline, run, run_operation, step_rule
from .measure import (
    failure_family,
    measure_due,
    measure_failure,
    measure_latency,
    measure_rate,
    site_sample,
    sum_delta,
    sum_total,
)
from .record import attempt, count_delta, count_total, count_whole, history, history_checkpoint, late
from .seen import queue_depth
from .service import dead_letter, operation, pause, pilot, process, watermark

__all__ = [
    "access_event",
    "alert",
    "alert_ack",
    "alert_notice",
    "answered",
    "api_token",
    "attempt",
    "backup",
    "campaign",
    "catalog_entry",
    "change",
    "compatibility",
    "count_delta",
    "count_total",
    "count_whole",
    "dead_letter",
    "detector",
    "failure_family",
    "file",
    "history",
    "history_checkpoint",
    "item",
    "late",
    "measure_due",
    "measure_failure",
    "measure_latency",
    "measure_rate",
    "metadata",
    "note",
    "operation",
    "operation_item",
    "original",
    "pause",
    "person",
    "pilot",
    "pipeline",
    "process",
    "product",
    "queue_depth",
    "replica",
    "run",
    "run_operation",
    "salt_record",
    "settle",
    "site",
    "site_sample",
    "step_rule",
    "sum_delta",
    "sum_total",
    "watermark",
    "web_secret",
    "web_session",
]
