"""What may need somebody, declared once: Prometheus' rules, the built-in alerts and the handbook come from it."""

from .alert import Alert, Severity
from .catalogue import ALERTS, BY_CODE
from .limits import Limits

__all__ = ["ALERTS", "BY_CODE", "Alert", "Limits", "Severity"]
