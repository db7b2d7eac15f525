"""One kind of alert, as the catalogue declares it."""

from enum import StrEnum
from string import Template

from ..records import Record
from .limits import Limits


class Severity(StrEnum):
    """`page`: somebody is woken; `ticket`: somebody looks in the morning."""

    PAGE = "page"
    TICKET = "ticket"


class Alert(Record):
    """What may need somebody.

    `expr` is PromQL over headframe's metrics that gives a series for each thing that is so, with thresholds as `$name`;
    `label` says which of its labels is the alert's name (which site, which step), '' where there is but one. It has to
    be so for `for_s` seconds before anybody is told, in Prometheus and in the service itself. `need` says which of the
    conditions that the service looks at itself it is; '' where only Prometheus can see it. `summary` and `command` may
    say `{name}`. `page` is the page to look at. `blind`: while it is so, nobody can be asked who knows of it. Its
    remedy is in docs/alerts.md, under its code.
    """

    code: str
    severity: Severity
    for_s: float
    summary: str
    expr: str
    command: str
    page: str
    label: str = ""
    need: str = ""
    blind: bool = False

    @property
    def remedy_anchor(self) -> str:
        """Give the heading of docs/alerts.md that says what to do."""
        return self.code

    def query(self, limits: Limits) -> str:
        """Give the rule's PromQL with its thresholds, its name as the label `name`, and nothing while acknowledged."""
        found = raw(self.expr, limits)
        if self.label not in ("", "name"):
            found = f'label_replace({found}, "name", "$1", "{self.label}", "(.+)")'
        return f"({found}) unless on (name) ({self._known()})"

    def _known(self) -> str:
        of = f'{{code="{self.code}"}}'
        if not self.blind:
            return f"max by (name) (headframe_alert_acknowledged{of}) == 1"
        # What was said last. `min`, for a web that has gone may have said so before it was taken back: told in doubt.
        return f"min by (name) (last_over_time(headframe_alert_acknowledged_until_seconds{of}[1d])) > time()"


def raw(expr: str, limits: Limits) -> str:
    """Put the thresholds into an expression. Raises `KeyError`."""
    return Template(expr).substitute(thresholds(limits))


def thresholds(limits: Limits) -> dict[str, str]:
    """Give what an `expr` may say `$` of: each limit in seconds, a share as a share, and the window of the minutes."""
    found = {"backup_s": _number(limits.backup_age_hours * 3600), "failures_least": str(limits.failures_least)}
    for name in ("no_progress", "no_files", "queue", "latency", "leases", "counts"):
        found[f"{name}_s"] = _number(getattr(limits, f"{name}_minutes") * 60)
    found["buffer_s"] = _number(limits.buffer_hours * 3600)
    found["site_free"] = f"{limits.site_free_percent / 100:g}"
    found["failures"] = f"{limits.failures_percent / 100:g}"
    found["backup_wanted"] = "1" if limits.backup_hours is not None else "0"
    return found


def _number(seconds: float) -> str:
    return str(max(1, round(seconds)))
