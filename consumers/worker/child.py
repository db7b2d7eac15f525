"""The process in which steps run: reads a job a line, answers a line, keeps the step's output in the attempt's log.

A step may crash, hang or eat memory without taking the worker's heartbeats with it. The process ends as soon as
its worker does: its standard input closes.
"""

import contextlib
import importlib
import importlib.metadata
import io
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from ...statemachine.records import Record, Usage
from ..steps import programs
from ..steps.api import InfrastructureError, Job, PayloadError, Result, Site, SkipItem, Step
from ..steps.files import INFRASTRUCTURE, away, own, own_all, storage_errors
from .storable import LONGEST_CODE, one_line, storable

GROUP = "headframe.steps"


class Request(Record):
    """One attempt: the entry point to call, its job, its log; a `quiet` one keeps a log only where the step prints."""

    use: str
    job: Job
    log: str
    quiet: bool = False


class Answer(Record):
    """How an attempt ended: `kind` is succeed, fail, interrupt or skip."""

    kind: str
    result: Result | None = None
    code: str = ""
    reason: str = ""
    permanent: bool = False
    usage: Usage = Usage()


@cache
def load_step(name: str) -> Step:
    """Find a step by its entry point. Raises `PayloadError` where it is not installed or does not load.

    `command` is the worker's own way to run a program: nobody plugs it in, so nobody can replace it.
    """
    if name == "command":
        from ..steps import command

        return command.run
    found = [point for point in importlib.metadata.entry_points(group=GROUP) if point.name == name]
    if not found:
        raise PayloadError("no-such-step", f"no step {name} is installed here (entry point in {GROUP})", permanent=True)
    try:
        step: Step = found[0].load()
    except ImportError as error:
        sentence = f"step {name} does not load here: {error}; install its packages"
        raise InfrastructureError("step-not-loadable", sentence) from error
    return step


def attempt(request: Request) -> Answer:
    """Run one attempt; everything that a step can raise becomes an answer."""
    job = request.job
    try:
        with memory_limit(job):
            return Answer(kind="succeed", result=storable(job, _done(job, load_step(request.use))))
    except SkipItem as skip:
        return Answer(kind="skip", code=skip.code, reason=skip.sentence)
    except InfrastructureError as error:
        return Answer(kind="interrupt", code=_shortage(job, error.code), reason=error.sentence)
    except PayloadError as error:
        return _blamed(job, Answer(kind="fail", code=error.code, reason=error.sentence, permanent=error.permanent))
    except MemoryError:
        traceback.print_exc()
        return Answer(kind="interrupt", code="memory", reason=f"{job.name}: out of memory")
    except Exception as error:
        traceback.print_exc()
        return _raised(job, error)


def _raised(job: Job, error: Exception) -> Answer:
    """Answer for an error that the step did not name itself: a full disk is no fault of the data all the same."""
    reason = f"{type(error).__name__}: {error}"
    code = INFRASTRUCTURE.get(error.errno or 0) if isinstance(error, OSError) else None
    if code is not None:
        return Answer(kind="interrupt", code=_shortage(job, code), reason=reason)
    return _blamed(job, Answer(kind="fail", code="step-error", reason=reason))


def _shortage(job: Job, code: str) -> str:
    """Tell a step that met its own limit of memory, which is raised once, from a host that has none left."""
    return "memory" if code == "no-memory" and job.resources.memory else code


def _blamed(job: Job, fail: Answer) -> Answer:
    """Blame the place where a site that the job reads from is not there: whatever went wrong, no input was seen."""
    for name in dict.fromkeys(entry.content.location.site for entry in job.inputs):
        if name in job.sites and (why := away(job.sites[name])):
            return Answer(kind="interrupt", code="site-away", reason=f"{why}; the step said: {fail.reason}")
    return fail


def _done(job: Job, step: Step) -> Result:
    """Run the step; what it leaves in its folder gets the site's modes, for others read it later."""
    result = step(job)
    folder = Path(job.folder)
    if job.site in job.sites and folder.is_dir():
        with storage_errors(f"finishing step {job.step} of {job.name}"):
            own_all(job.sites[job.site], folder)
    return result


def measured(request: Request) -> Answer:
    """Run one attempt with its output in its log, and measure what it used."""
    _reset_peak()
    programs.forget_peak()
    before, began = _cpu(), time.monotonic()
    with _Output(request.log, request.job.sites.get(request.job.site)):
        _say(request, f"begins; trace {request.job.trace}" if request.job.trace else "begins")
        answer = _sayable(attempt(request))
        usage = Usage(wall_s=time.monotonic() - began, cpu_s=_cpu() - before, memory_peak=max(_peak(), programs.peak()))
        _say(request, f"ends: {answer.kind} {answer.code} {answer.reason}".rstrip() + f"; {_amount(usage)}")
    return msgspec.structs.replace(answer, usage=usage)


def _sayable(answer: Answer) -> Answer:
    """Give an answer whose words fit on the line of a report, whatever a step has put into them."""
    return msgspec.structs.replace(answer, code=one_line(answer.code, LONGEST_CODE), reason=one_line(answer.reason))


def _say(request: Request, what: str) -> None:
    """Write a line of the attempt's log that is the worker's own."""
    if not request.quiet:
        job, now = request.job, datetime.now(UTC).isoformat(timespec="milliseconds")
        print(f"{now} {job.step} of {job.name}, epoch {job.epoch}, {what}")


def _amount(usage: Usage) -> str:
    return f"{usage.wall_s:.2f} s, {usage.cpu_s:.2f} s of CPU, peak {usage.memory_peak / 2**20:.0f} MiB"


def stand_back(pid: int, nice: int) -> None:
    """Make a process nicer than this one, and with it all that it starts; it may have died at once.

    Where Linux groups tasks by session (autogroup), only the niceness of the group counts; the child has its own.
    """
    if nice:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + nice)
            Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")


def preload(modules: Sequence[str]) -> None:
    """Import modules ahead of the first step; one that does not import is the step's to complain of."""
    for module in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(module)


@contextlib.contextmanager
def memory_limit(job: Job) -> Iterator[None]:
    """Let this process map no more than the job may, while it runs; a job that may have 0 has no limit.

    Raises `InfrastructureError` where this process may not have so much itself: with less, the step would fail for it.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = job.resources.memory or hard
    if hard != resource.RLIM_INFINITY and limit > hard:
        sentence = (
            f"step {job.step} may use {limit} bytes of memory, but this worker is limited to {hard} bytes "
            "(ulimit -Hv); start it with a higher limit"
        )
        raise InfrastructureError("too-little-memory", sentence)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


class _Output:
    """Sends file descriptors 1 and 2 to the attempt's log; an empty log is removed again."""

    def __init__(self, path: str, site: Site | None) -> None:
        self.path, self.site = path, site
        self.log = -1

    def __enter__(self) -> None:
        self.log = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if self.site is not None:
            own(self.log, self.site, self.site.file_mode)
        os.dup2(self.log, 1)
        os.dup2(self.log, 2)

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        empty = os.fstat(self.log).st_size == 0
        os.close(self.log)
        _to_null()
        if empty:
            Path(self.path).unlink(missing_ok=True)


def main() -> None:
    """Serve requests from standard input until it closes."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    _to_null()
    sys.stdout = _printer(1)
    sys.stderr = _printer(2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    requests: list[bytes] = []
    bell = threading.Semaphore(0)
    threading.Thread(target=_listen, args=(requests, bell), daemon=True).start()
    preload(sys.argv[1:])
    while bell.acquire():
        _answer(requests.pop(0), answers)


def _printer(descriptor: int) -> io.TextIOWrapper:
    """Print what a step prints; what is no UTF-8, such as names of files, is no reason to fail."""
    return io.TextIOWrapper(
        io.FileIO(descriptor, "w", closefd=False), encoding="utf-8", errors="backslashreplace", write_through=True
    )


def _answer(line: bytes, answers: BinaryIO) -> None:
    request = msgspec.json.decode(line, type=Request)
    answers.write(msgspec.json.encode(_safely(request)) + b"\n")


def _safely(request: Request) -> Answer:
    try:
        return measured(request)
    except OSError as error:
        # A full disk is not the node's fault: as `io-error` it would count against it.
        code = INFRASTRUCTURE.get(error.errno or 0, "io-error")
        return Answer(kind="interrupt", code=code, reason=f"the attempt's log: {error}")


def _listen(requests: list[bytes], bell: threading.Semaphore) -> None:
    with os.fdopen(0, "rb") as source:
        for line in source:
            requests.append(line)
            bell.release()
    os.killpg(0, signal.SIGKILL)


def _to_null() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.close(null)


def _cpu() -> float:
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _peak() -> int:
    status: dict[str, Any] = {}
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        status[name] = value
    return int(status.get("VmHWM", "0 kB").split()[0]) * 1024


if __name__ == "__main__":
    main()
