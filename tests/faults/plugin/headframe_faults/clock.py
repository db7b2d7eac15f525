"""A wrong clock: what Python code sees is shifted, monotonic clocks are not."""

import datetime
import os
import time
from typing import Any


def shift() -> None:
    """Let this process believe that it is so much later as the suite says."""
    seconds = float(os.environ.get("HEADFRAME_FAULTS_CLOCK_S", "0"))
    if not seconds:
        return
    real_time, real_ns, real = time.time, time.time_ns, datetime.datetime
    time.time = lambda: real_time() + seconds
    time.time_ns = lambda: real_ns() + int(seconds * 1e9)

    class Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real)

    class Shifted(real, metaclass=Meta):
        """Gives ordinary datetimes of the wrong time: msgspec and psycopg2 know no others."""

        def __new__(cls, *values: Any, **named: Any) -> Any:
            return real(*values, **named)

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return real.now(tz) + datetime.timedelta(seconds=seconds)

    import headframe.consumers.worker.attempt as attempt
    import headframe.consumers.worker.child as child

    for module in (attempt, child):
        module.datetime = Shifted  # type: ignore[attr-defined]
