"""Tells people of alerts: by mail, by web hooks, and, by a heartbeat, that somebody is there to tell."""

from .notifier import Notifier, Notifying
from .receivers import Receiver, RefusedNoticeError, UndeliveredError, receivers

__all__ = ["Notifier", "Notifying", "Receiver", "RefusedNoticeError", "UndeliveredError", "receivers"]
