"""Each step: what waits for it, what it does, how long it takes, how it fails."""

from ..promql import now, rate, total
from .panels import Panel, Query, Row

STEP = 'step=~"$step"'
WAITING = Row(
    "Waiting",
    (
        Panel(
            "Ready",
            (Query(total("step, lane", now("headframe_items", STEP, 'phase="ready"')), "{{step}} {{lane}}"),),
            says="What waits to be sent out.",
        ),
        Panel(
            "The oldest that is ready",
            (Query(now("headframe_oldest_ready_seconds", STEP), "{{step}} {{lane}}"),),
            "s",
        ),
        Panel(
            "With a worker",
            (Query(total("step, lane", now("headframe_items", STEP, 'phase="executing"')), "{{step}} {{lane}}"),),
            stacked=True,
        ),
        Panel(
            "Leases",
            (Query(now("headframe_leases", STEP), "{{step}} {{lease}}"),),
            says="expired: a worker fell silent, and the sweeper has not taken its work back yet.",
        ),
    ),
)
DOING = Row(
    "Doing",
    (
        Panel(
            "Attempts that ended",
            (Query(total("step, outcome", rate("headframe_attempts_total", STEP)), "{{step}} {{outcome}}"),),
            "ops",
        ),
        Panel(
            "Time of a step",
            (
                Query(
                    now("headframe_step_seconds", STEP, 'what="working"', 'quantile="0.5"'), "{{step}}, half"
                ),
                Query(
                    now("headframe_step_seconds", STEP, 'what="working"', 'quantile="0.95"'),
                    "{{step}}, 95 of 100",
                ),
            ),
            "s",
            says="Of the last day, without the time in which it waited.",
        ),
        Panel(
            "Time before a step",
            (
                Query(
                    now("headframe_step_seconds", STEP, 'what="waiting"', 'quantile="0.95"'),
                    "{{step}}, 95 of 100",
                ),
            ),
            "s",
        ),
        Panel(
            "Tried again",
            (Query(total("step, class", rate("headframe_retries_total", STEP)), "{{step}} {{class}}"),),
            "ops",
            says="payload: the file or the step. All else: the place.",
        ),
    ),
)  # fmt: skip
FAILED = Row(
    "Failed",
    (
        Panel(
            "Failed, held, abandoned",
            (
                Query(
                    total("step, phase", now("headframe_items", STEP, 'phase=~"failed|held|abandoned"')),
                    "{{step}} {{phase}}",
                ),
            ),
            says="headframe failures says what they have in common.",
        ),
        Panel(
            "Dead letters",
            (Query(now("headframe_dead_letters"), "{{code}}"),),
            says="headframe dead list",
        ),
    ),
)
ROWS = (WAITING, DOING, FAILED)
