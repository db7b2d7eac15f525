"""The sweeper's look at nodes: those on which attempts keep dying are set aside, and nobody has to watch for them."""

import structlog
from sqlalchemy import Engine

from ...statemachine.store.breaker import Breaker, break_circuits

log = structlog.get_logger("headframe.sweeper")


class Nodes:
    """What one sweeper has said of nodes: of one that may not be set aside it says so once, not every round."""

    def __init__(self, engine: Engine, breaker: Breaker) -> None:
        self.engine, self.breaker = engine, breaker
        self._said: frozenset[str] = frozenset()

    def look(self) -> None:
        """Set aside what has to be."""
        with self.engine.begin() as connection:
            found = break_circuits(connection, self.breaker)
        for node in found:
            if node.set_aside:
                log.warning("node set aside", node=node.host, cause=node.reason)
            elif node.host not in self._said:
                log.error("node not set aside, for too many are already", node=node.host, cause=node.reason)
        self._said = frozenset(node.host for node in found if not node.set_aside)
