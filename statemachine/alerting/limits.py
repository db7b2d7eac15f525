"""From where on something needs somebody: the thresholds of `[alerts.limits]`."""

from typing import Annotated

import msgspec

from ..records import Record

Minutes = Annotated[float, msgspec.Meta(gt=0)]
Hours = Annotated[float, msgspec.Meta(gt=0)]
Percent = Annotated[float, msgspec.Meta(gt=0, le=100)]

BACKUP_HOURS = 26.0
"""The age that a backup may have where none is configured: a day, and time to make the next one."""


class Limits(Record):
    """Each is explained in docs/alerts.md, with the alert that it belongs to.

    `backup_hours` none: only who has made a backup once is told that the last one is old.
    """

    no_progress_minutes: Minutes = 15.0
    no_files_minutes: Minutes = 30.0
    queue_minutes: Minutes = 60.0
    latency_minutes: Minutes = 240.0
    leases_minutes: Minutes = 5.0
    counts_minutes: Minutes = 10.0
    buffer_hours: Hours = 24.0
    site_free_percent: Percent = 5.0
    failures_percent: Percent = 20.0
    failures_least: Annotated[int, msgspec.Meta(ge=1)] = 20
    backup_hours: Hours | None = None

    @property
    def backup_age_hours(self) -> float:
        """Give how old the last backup may be."""
        return BACKUP_HOURS if self.backup_hours is None else self.backup_hours
