"""How much slower this machine is at present than the one on which promises were measured, in CPU seconds.

CPU seconds grow where others use the same cores and caches: by half, or threefold. So does the yardstick, which does
what a start of Python does most: it makes code and small objects.
"""

import resource
import subprocess
import sys

WORK = "import argparse, inspect; text = inspect.getsource(argparse); [compile(text, 'x', 'exec') for _ in range(15)]"
IDLE_S = 0.55
"""What the work takes on the two-core machine on which the promise was measured."""


class Yardstick:
    """Works beside what is measured, from now on."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", WORK])

    def slowness(self) -> float:
        """Wait for the work's end; give how many times as long as on an idle machine it took, never less than 1."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert self._process.wait(300) == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return max(1.0, took / IDLE_S)
