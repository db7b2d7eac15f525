"""Who is told of alerts: one contract, a file a kind."""

from collections.abc import Iterator
from typing import Any, Protocol

from ..config import Config
from ..config.alerting import Severities


class UndeliveredError(Exception):
    """A receiver did not take a notice; later it may. The text says why, without any secret."""


class RefusedNoticeError(UndeliveredError):
    """A receiver will never take this notice: it says that there is something wrong with it."""


class Receiver(Protocol):
    """Somebody, or something, that is told of alerts."""

    name: str
    severities: Severities

    def send(self, number: int, body: dict[str, Any]) -> None:
        """Tell; the same number again is the same notice. Raises `UndeliveredError`."""

    def described(self) -> str:
        """Say where it is, without any secret."""


def receivers(config: Config) -> tuple[Receiver, ...]:
    """Give all receivers that are configured."""
    return tuple(_receivers(config))


def _receivers(config: Config) -> Iterator[Receiver]:
    from .hook import Hook
    from .mail import Mail

    if config.alerts.mail.host:
        yield Mail(config.alerts.mail, config.instance)
    for name, hook in config.alerts.hooks.items():
        yield Hook(name, hook, config.instance)
