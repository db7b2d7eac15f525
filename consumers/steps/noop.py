"""A step that does nothing: for tests of the machine itself, and as the smallest example of a step."""

from .api import Job, Result


def run(job: Job) -> Result:
    """Succeed at once. Reads nothing, writes nothing."""
    del job
    return Result()
