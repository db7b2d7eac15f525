"""The sweeper's crash points around a notice: before a receiver is told, and between that and its mark."""

from typing import Any

from .orders import passing


def wrap() -> None:
    """Put the crash points around the sending of mails and web hooks."""
    from headframe.daemon.alerting.hook import Hook
    from headframe.daemon.alerting.mail import Mail

    for kind in (Hook, Mail):
        _around(kind)


def _around(kind: type[Any]) -> None:
    send = kind.send

    def sent(self: Any, number: int, body: dict[str, Any]) -> None:
        passing("sweeper before telling")
        send(self, number, body)
        passing("sweeper between telling and its mark")

    kind.send = sent
