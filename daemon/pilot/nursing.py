"""Starts the nursery of a node: the process from which all steps' processes are forked."""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from ...consumers.worker import nursery
from .signals import deaf

log = structlog.get_logger("headframe.pilot")
END_S = 5.0


@contextmanager
def nursery_of(modules: Sequence[str]) -> Iterator[str]:
    """Start a nursery that imports these modules; give the path of its socket, nothing where it cannot be.

    The socket is bound here, so that workers can ask before the nursery has started; in a folder that only we may
    enter, for who asks gets a process of ours.
    """
    with tempfile.TemporaryDirectory(prefix="headframe-", ignore_cleanup_errors=True) as folder:
        path = str(Path(folder) / "nursery")
        try:
            started = _start(path, modules)
        except OSError as error:
            log.warning("steps' processes are started one by one", cause=str(error), socket=path)
            yield ""
            return
        try:
            yield path
        finally:
            _end(started)


def _start(path: str, modules: Sequence[str]) -> subprocess.Popen[bytes]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(1024)  # all workers of a node may ask at once, while modules are still being imported
        number = listener.fileno()
        argv = [sys.executable, "-m", nursery.__name__, str(number), *modules]
        with deaf():
            return subprocess.Popen(argv, stdin=subprocess.PIPE, pass_fds=[number])


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
        return
    process.kill()
    process.wait()
