"""A step that computes for a while: a small ordinary step, as far as the machine can tell."""

import time

from headframe.consumers.steps.api import Job, Result


def burn(job: Job) -> Result:
    """Use so many milliseconds of a core."""
    end = time.process_time() + float(job.options.get("cpu_ms", 0)) / 1000
    while time.process_time() < end:
        pass
    return Result()
