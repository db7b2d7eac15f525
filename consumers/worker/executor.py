"""Runs attempts in a child process, one at a time: the worker stays free for heartbeats, and can kill."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import BinaryIO, cast

import msgspec

from ...statemachine.meeting import met
from ...statemachine.records import Usage
from ..steps.api import InfrastructureError
from . import child as child_module
from . import gauge, oom
from .child import Answer, Request
from .forked import ForkedChild

KILLED = (f"exit-{-signal.SIGKILL}", f"exit-{128 + signal.SIGKILL}")
"""What a command step says of a program that was killed; the second is how a shell says it."""


class Executor:
    """A child process for steps, started when first needed and anew after it died or was killed.

    `nice` is by how much it stands back behind whoever else wants the processor. `memory`: the bytes that it may use
    before it is killed for that, 0 where nobody has set a limit. `nursery`: where it is forked, if there is one.
    """

    def __init__(self, preload: Sequence[str] = (), nice: int = 0, memory: int = 0, nursery: str = "") -> None:
        self._preload, self._nice, self._memory, self._nursery = tuple(preload), nice, memory, nursery
        self._kills, self._began, self._cpu = 0, 0.0, 0.0
        self._child: subprocess.Popen[bytes] | ForkedChild | None = None
        self._answers: SimpleQueue[Answer] = SimpleQueue()

    def warm(self) -> None:
        """Start the child now, so that it has imported its modules when the first attempt comes."""
        with contextlib.suppress(InfrastructureError):  # the first attempt tries again, and says so
            self._alive()

    def begin(self, request: Request) -> None:
        """Start an attempt. Exactly one `Answer` follows, unless it is killed.

        Raises `InfrastructureError` where this host has no room for another process.
        """
        child = self._alive()
        requests = cast("BinaryIO", child.stdin)
        self._kills, self._began = oom.kills(), time.monotonic()
        # Who is not forked yet has used nothing; asking for its id would wait until the nursery has imported all.
        self._cpu = gauge.cpu_s(child.pid) if isinstance(child, subprocess.Popen) or child.is_forked else 0.0
        try:
            requests.write(msgspec.json.encode(request) + b"\n")
            requests.flush()
        except BrokenPipeError:
            return  # the reader of its output says how it died

    def wait(self, seconds: float) -> Answer | None:
        """Wait for the answer; none if it takes longer."""
        try:
            return self._answers.get(timeout=max(0.0, seconds))
        except Empty:
            return None

    def kill(self) -> Usage:
        """End the child and all that it started, at once. No answer of its attempt comes after; give what it used."""
        child, self._child = self._child, None
        if child is None:
            return Usage()
        self._answers = SimpleQueue()
        cpu_s, peak = gauge.of_session(child.pid) if child.pid and self._began else (0.0, 0)
        _kill_group(child.pid)
        child.wait()
        return self._spent(cpu_s, peak)

    def _spent(self, cpu_s: float, peak: int) -> Usage:
        """Say what an attempt used, from what its process has used ever."""
        if not peak:
            return Usage()
        return Usage(wall_s=time.monotonic() - self._began, cpu_s=max(0.0, cpu_s - self._cpu), memory_peak=peak)

    def _alive(self) -> subprocess.Popen[bytes] | ForkedChild:
        if self._child is None or self._child.poll() is not None:
            self._child = self._forked() or _start(self._preload, self._nice)
            self._answers = SimpleQueue()
            threading.Thread(target=_read, args=(self._child, self._answers, self._judged), daemon=True).start()
        return self._child

    def _forked(self) -> ForkedChild | None:
        """Have a child forked; none where the nursery has died: the next one is started as without it."""
        with contextlib.suppress(OSError):
            return ForkedChild(self._nursery, self._nice) if self._nursery else None
        return None

    def _judged(self, answer: Answer, killed: bool) -> Answer:
        """Tell what was killed for want of memory from what failed: it is tried once more where there is more of it.
        Of a process that died, say what this attempt used of all that it did.

        The kernel counts such kills. Where that cannot be read: whoever kills where there is a limit kills for it.
        """
        if not answer.usage.wall_s:
            used = self._spent(answer.usage.cpu_s, answer.usage.memory_peak)
            answer = msgspec.structs.replace(answer, usage=used)
        if not killed or not (self._memory or oom.kills() > self._kills):
            return answer
        limit = f" ({self._memory / 2**20:.0f} MiB for each worker)" if self._memory else ""
        reason = f"killed for using too much memory{limit}: {answer.reason}"
        return msgspec.structs.replace(answer, kind="interrupt", code="memory", reason=reason)


def _start(preload: Sequence[str], nice: int) -> subprocess.Popen[bytes]:
    try:
        made = subprocess.Popen(
            [sys.executable, "-m", child_module.__name__, *preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise InfrastructureError("no-process", f"the worker cannot start a process for its step: {error}") from error
    child_module.stand_back(made.pid, nice)
    return made


def _read(
    child: subprocess.Popen[bytes] | ForkedChild,
    answers: "SimpleQueue[Answer]",
    judged: Callable[[Answer, bool], Answer],
) -> None:
    ours = False
    for line in cast("BinaryIO", child.stdout):
        try:
            answer = msgspec.json.decode(line, type=met(Answer))
            answers.put(judged(answer, answer.code in KILLED))
        except (msgspec.DecodeError, UnicodeDecodeError):
            if line.endswith(b"\n"):  # else it died in mid-answer
                _kill_group(child.pid)
                ours = True
            break
    code = child.wait()
    if not child.pid:
        reason = "the nursery of this node could not fork a process for the step"
        answers.put(Answer(kind="interrupt", code="no-process", reason=reason))
        return
    _kill_group(child.pid)  # a program that it started goes on without it, in a folder that is being removed
    died = Answer(kind="fail", code="step-died", reason=f"the step's process died: {_cause(code)}")
    if isinstance(child, ForkedChild):
        died = msgspec.structs.replace(died, usage=child.used)
    answers.put(judged(died, code == -signal.SIGKILL and not ours))


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
    return f"signal {name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")


def _kill_group(pid: int) -> None:
    if not pid:  # never forked; and 0 would be our own group
        return
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
