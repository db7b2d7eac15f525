"""`--inside`: a small job for each name of pilots, under all that holds for its pilots; waits for what they found."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence

from ...config import Config
from ...finding import Finding
from ..contract import Batch, BatchError
from . import exchange
from .patience import one_line
from .trial import PREFIX
from .visit import Visit, worth_keeping

POLL_S = 3.0
LOOK_S = 0.3
GRACE_POLLS = 10
"""After so many polls that show a job as over, its answer is not waited for any longer: NFS shows it late."""


def examine_inside(
    config: Config, names: Sequence[str], batch: Batch, wait_s: float, say: Callable[[str], None]
) -> Generator[Finding]:
    """Submit the jobs, and give each one's findings as it answers; whatever ends this, no job is left behind."""
    visits: dict[str, Visit] = {}
    failed: set[str] = set()
    try:
        for name in names:
            visit = Visit(config, name)
            visits[name] = visit
            try:
                visit.submit(batch)
            except (BatchError, OSError) as error:
                failed.add(name)
                todo = "headframe slurm doctor without --inside says more"
                yield Finding("fail", f"pilot {name}: job", f"cannot be submitted: {one_line(error)}", todo)
        waiting = {name: visit for name, visit in visits.items() if name not in failed}
        for name, findings in _answers(config, waiting, batch, wait_s, say):
            if worth_keeping(findings):
                failed.add(name)
            yield from findings
    finally:
        for name, visit in visits.items():
            visit.close(batch, keep_log=name in failed)


def _answers(
    config: Config, waiting: dict[str, Visit], batch: Batch, wait_s: float, say: Callable[[str], None]
) -> Iterator[tuple[str, list[Finding]]]:
    until, next_poll = time.monotonic() + wait_s, 0.0
    while waiting:
        if time.monotonic() >= next_poll:
            _poll(config, waiting, batch, say)
            next_poll = time.monotonic() + POLL_S
        for name, visit in list(waiting.items()):
            visit.answer_marks()
            found = _found(visit, late=time.monotonic() > until, wait_s=wait_s)
            if found is not None:
                del waiting[name]
                yield name, found
        time.sleep(LOOK_S)


def _found(visit: Visit, *, late: bool, wait_s: float) -> list[Finding] | None:
    """Give what is known at the end of a visit; none while it goes on."""
    answer = visit.answer()
    if answer is not None:
        return [_placed(visit.name, answer, finding) for finding in answer.findings]
    if visit.ended_for >= GRACE_POLLS:
        return [visit.silent()]
    return [visit.late(wait_s)] if late else None


def _placed(name: str, answer: exchange.Answer, finding: Finding) -> Finding:
    return finding._replace(what=f"pilot {name} on {answer.host}: {finding.what}")


def _poll(config: Config, waiting: dict[str, Visit], batch: Batch, say: Callable[[str], None]) -> None:
    """Ask how the jobs are; while nobody answers, what was known holds."""
    try:
        jobs = {job.token: job for job in batch.poll(f"{PREFIX}-{config.instance}-")}
    except BatchError as error:
        say(f"the batch system does not answer: {one_line(error)}")
        return
    for visit in waiting.values():
        before = visit.standing()
        visit.seen = jobs.get(visit.token, visit.seen)
        visit.ended_for += visit.over
        if visit.standing() != before:
            say(visit.standing())
