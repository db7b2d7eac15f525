"""What PostgreSQL refuses, alone: a result becomes a failure of its item, and each has its dead letter."""

from typing import NamedTuple

import msgspec
from blake3 import blake3
from sqlalchemy import Connection

from ...consumers.broker import Delivery
from ...consumers.messages import Arrived, Report
from ...statemachine.database import first_line
from ...statemachine.records import ArrivedFile, Location, Outcome, Reporter, RunInfo, Trouble
from ...statemachine.store import letters
from ...statemachine.store.core import execute
from ...statemachine.store.dead import bury, clean, place_of
from ...statemachine.store.fold import Said
from ...statemachine.store.reports import Applied, apply_reports, clean_unaccepted
from .parts import Part
from .sorting import shown

ARRIVALS = "arrivals"


class Letter(NamedTuple):
    """A dead letter, and which queue it is about."""

    trouble: Trouble
    queue: str


def refused_result(part: Part) -> Outcome | None:
    """Give the one outcome that a part of a report consists of."""
    if isinstance(part.message, Report) and len(part.message.outcomes) == 1:
        return part.message.outcomes[0]
    return None


def fail_refused(connection: Connection, part: Part, cause: Exception) -> Applied:
    """Fail the item whose result is refused, for good: said again, it would be refused again, without end.

    Nothing of the result is kept but where its log lies.
    """
    outcome = refused_result(part)
    if outcome is None or not isinstance(part.message, Report):
        return Applied()
    failure = Said(outcome=_failure(outcome, cause), reporter=_cleaned(part.message.reporter))
    applied = apply_reports(connection, [failure])
    if outcome.trigger == "succeed":  # whoever failed has cleared away already, whoever has begun will yet write
        whole = msgspec.structs.replace(failure.outcome, folder=_place(outcome.folder), copies=outcome.copies)
        clean_unaccepted(connection, [Said(outcome=whole, reporter=failure.reporter)])
    return applied


def letter(connection: Connection | None, part: Part, cause: Exception) -> Letter:
    """Give the letter for what was refused; it names the file, the run or the item. Asks for names if it may."""
    line = first_line(cause)
    outcome = refused_result(part)
    if outcome is not None:
        return Letter(_of_result(connection, part, outcome, line), "messages")
    if isinstance(part.message, Arrived) and part.message.files:
        return Letter(_of_file(part.message.files[0], line), ARRIVALS)
    if isinstance(part.message, Arrived) and part.message.runs:
        return Letter(_of_run(part.message.runs[0], line), ARRIVALS)
    said = f"a message on {part.delivery.queue} could not be applied: {line}"
    return Letter(_of_message("message-refused", said, part.delivery), "messages")


def put_away(connection: Connection, part: Part, written: Letter) -> None:
    """Write a letter down: a file's or a run's as it is, a message's with what was refused of it, to be replayed."""
    trouble = written.trouble
    if written.queue == ARRIVALS:
        bury(connection, [trouble], ARRIVALS)
        return
    delivery = part.delivery
    whole = letters.Letter(
        queue=delivery.queue,
        code=trouble.code,
        sentence=trouble.sentence,
        body=part.body,
        headers=delivery.headers,
        same=trouble.subject,
        run=trouble.run,
    )
    letters.keep(connection, [whole])


def _failure(outcome: Outcome, cause: Exception) -> Outcome:
    reason = f"its result could not be stored: {first_line(cause)}"
    if outcome.reason_code or outcome.reason:
        reason += f"; it had said {outcome.reason_code}: {outcome.reason}"
    return Outcome(
        item=outcome.item,
        epoch=outcome.epoch,
        trigger="fail",
        step=clean(outcome.step),
        reason_code="result-refused",
        reason=clean(reason),
        permanent=True,
        log=_place(outcome.log),
        started_at=outcome.started_at,
    )


def _place(place: Location | None) -> Location | None:
    return Location(site=clean(place.site), path=clean(place.path)) if place else None


def _cleaned(reporter: Reporter) -> Reporter:
    return Reporter(owner=clean(reporter.owner), host=clean(reporter.host), job=clean(reporter.job))


def _of_message(code: str, sentence: str, delivery: Delivery) -> Trouble:
    return Trouble(
        code=code,
        sentence=sentence,
        subject=f"{delivery.queue} {blake3(delivery.body).hexdigest(8)}",
        payload=delivery.body[:10_000].decode("utf-8", "backslashreplace"),
    )


def _of_result(connection: Connection | None, part: Part, outcome: Outcome, line: str) -> Trouble:
    names = execute(connection, "item_names", ids=[outcome.item]) if connection is not None else []
    what, run = f"item {outcome.item}", None
    if names:
        run = names[0].number
        what = f"{names[0].file or 'the whole'} of run {run} (item {outcome.item})"
    return Trouble(
        code="message-refused",
        sentence=f"what a worker says of {what} in step {outcome.step}, epoch {outcome.epoch}, is refused: {line}",
        subject=f"item {outcome.item}, epoch {outcome.epoch}",
        run=run,
        payload=msgspec.json.encode(part.message).decode(),
    )


def _of_file(file: ArrivedFile, line: str) -> Trouble:
    """Give a file's letter. Without size and time: it is tried again, for the fault may be ours, and be mended."""
    return Trouble(
        code="message-refused",
        sentence=f"{shown(file.path)} could not be registered: {line}",
        subject=file.path,
        run=file.run,
        payload=place_of(file.site, file.path),
        source=file.inbox,
    )


def _of_run(info: RunInfo, line: str) -> Trouble:
    return Trouble(
        code="message-refused",
        sentence=f"what {info.source} says of run {info.run} could not be written down: {line}",
        subject=f"{info.source}: run {info.run}",
        run=info.run,
        payload=msgspec.json.encode(info).decode(),
        source=info.source,
    )
