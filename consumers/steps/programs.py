"""Runs programs of steps, and keeps how much memory the largest of an attempt's took.

Of all that has ended the kernel keeps only the most ever; each program is therefore asked for as it ends.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence

_peaks: list[int] = []


def run(argv: Sequence[str], folder: str, environment: Mapping[str, str]) -> int:
    """Run a program to its end; give its exit code, or less than zero for the signal. Raises `OSError`."""
    program = subprocess.Popen(argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL)
    _, status, used = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)  # so that nobody waits for it again
    _peaks.append(used.ru_maxrss * 1024)
    return program.returncode


def forget_peak() -> None:
    """Begin anew: what comes is another attempt's."""
    _peaks.clear()


def peak() -> int:
    """Give the most memory, in bytes, that one process of those that ended since then held; 0: none ran."""
    return max(_peaks, default=0)
