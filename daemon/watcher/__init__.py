"""The watcher: sees raw files arrive in the inboxes and says so, once each, to the conductor.

inotify makes it quick, a periodic scan makes it complete: events get lost, and network file systems send none.
"""

from .inbox import Known
from .watcher import Watcher

__all__ = ["Known", "Watcher"]
