"""The conductor's crash points: between each two of commit, publish, submit and ack."""

import os
from collections.abc import Callable
from typing import Any

from .orders import passing

ANSWER_S = "HEADFRAME_FAULTS_ANSWER_S"
"""Within half of this, PostgreSQL ends the transaction of a conductor that stands still."""


def wrap() -> None:
    """Put the crash points into the conductor's methods."""
    from headframe.consumers.broker.rabbit_subscription import RabbitSubscription
    from headframe.daemon import wiring
    from headframe.daemon.conductor import batch, conductor, outbox
    from headframe.statemachine.store import dispatch

    if ANSWER_S in os.environ:
        wiring.ANSWER_S = float(os.environ[ANSWER_S])

    commit, apply, ack, follow, submit = (
        batch.Batch.commit,
        batch.apply,
        RabbitSubscription.ack,
        conductor.follow,
        dispatch.submit,
    )

    def applied(*values: Any) -> Any:
        effects = apply(*values)
        if effects.ready:
            passing("conductor before commit")
        return effects

    def committed(*values: Any) -> Any:
        effects = commit(*values)
        if effects.ready:
            passing("conductor between commit and publish")
        return effects

    def submitting(connection: Any, sent: Any, actor: str) -> Any:
        if sent:
            passing("conductor between publish and submit")
        return submit(connection, sent, actor)

    def acked(self: Any, deliveries: Any) -> None:
        theirs = any(".reports." in each.queue or each.queue.endswith(".arrivals") for each in deliveries)
        if theirs:
            passing("conductor between commit and ack")
        ack(self, deliveries)

    batch.apply = applied
    batch.Batch.commit = committed  # type: ignore[method-assign]
    outbox.dispatch.submit = submitting  # type: ignore[assignment]
    RabbitSubscription.ack = acked  # type: ignore[method-assign]
    conductor.follow = _before(follow, "conductor between ack and the run's move")


def _before(call: Callable[..., Any], point: str) -> Callable[..., Any]:
    def wrapped(engine: Any, effects: Any) -> Any:
        if effects.touched:
            passing(point)
        return call(engine, effects)

    return wrapped
