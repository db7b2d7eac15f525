"""What of a configuration the rules are made with."""

from ...statemachine.alerting import Limits
from ..config import Config


def limits(config: Config) -> Limits:
    """Give the limits of `[alerts]`."""
    alerts = getattr(config, "alerts", None)
    return alerts.limits if alerts is not None else Limits()
