"""From the configuration to how alerts are looked at and told."""

from ..config import Config, read_secret
from ..sweeper.alerting import Looking
from .notifier import Notifying


def looking(config: Config) -> Looking:
    """Say how the sweeper looks at alerts."""
    alerts, detector = config.alerts, config.detector
    return Looking(
        every_s=alerts.look_s,
        calm_s=alerts.calm_s,
        limits=alerts.limits,
        longest_run_s=detector.longest_run_hours * 3600 if detector.runs else None,
    )


def notifying(config: Config) -> Notifying:
    """Say how alerts are told. Raises `ConfigError` where the file with the heartbeat's URL cannot be read."""
    alerts, file = config.alerts, config.alerts.heartbeat_url_file
    return Notifying(
        instance=config.instance,
        url=config.web.url.rstrip("/"),
        handbook=alerts.handbook,
        repeat_s=alerts.repeat_hours * 3600,
        heartbeat_url=read_secret(file, "alerts.heartbeat_url_file").strip() if file else alerts.heartbeat_url,
        heartbeat_s=alerts.heartbeat_s,
    )
