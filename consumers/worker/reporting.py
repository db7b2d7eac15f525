"""A report as bodies that the conductor takes: split where it would be too large, for such a message is put aside."""

from collections.abc import Iterator

import msgspec

from ...statemachine.records import Outcome
from ..messages import LARGEST, Report, encode


def bodies(report: Report) -> Iterator[bytes]:
    """Give the report's body, or those of its halves. One outcome that is too large by itself becomes a `fail`."""
    body = encode(report)
    if len(body) <= LARGEST:
        yield body
    elif len(report.outcomes) > 1:
        half = len(report.outcomes) // 2
        yield from bodies(msgspec.structs.replace(report, outcomes=report.outcomes[:half]))
        rest = {"outcomes": report.outcomes[half:], "beats": (), "settled": ()}
        yield from bodies(msgspec.structs.replace(report, **rest))
    else:
        refused = tuple(_refused(outcome, len(body)) for outcome in report.outcomes)
        yield encode(msgspec.structs.replace(report, outcomes=refused))


def _refused(outcome: Outcome, size: int) -> Outcome:
    reason = (
        f"step {outcome.step} returned {size} bytes of results, more than the {LARGEST} that a message may have; "
        "let it write them to a product"
    )
    return Outcome(
        item=outcome.item,
        epoch=outcome.epoch,
        trigger="fail",
        step=outcome.step,
        reason_code="result-too-large",
        reason=reason,
        permanent=True,
        usage=outcome.usage,
        log=outcome.log,
        folder=outcome.folder,
        started_at=outcome.started_at,
    )
