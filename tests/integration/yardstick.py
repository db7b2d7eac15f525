"""How much slower this machine is than the one on which limits were set, in CPU seconds of work that never changes.

It sees a slower processor. It does not see that imports take longer while others use the same caches.
"""

import resource
import subprocess
import sys

WORK = "import argparse, inspect; text = inspect.getsource(argparse); [compile(text, 'x', 'exec') for _ in range(15)]"
USUAL_S = 0.55
"""What the work took, six times from 0.54 to 0.58, on two cores that were busy with other things."""


class Yardstick:
    """Works beside what is measured, from now on."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", WORK])

    def slowness(self) -> float:
        """Wait for the work's end; give how many times `USUAL_S` it took, never less than 1."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert self._process.wait(300) == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return max(1.0, took / USUAL_S)
