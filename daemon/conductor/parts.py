"""Messages and their parts: what can be applied, refused and put aside by itself."""

from collections.abc import Iterator

import msgspec

from ...consumers.broker import Delivery
from ...consumers.messages import Arrived, Marker, Message, MessageError, Report, decode, encode
from ...statemachine.records import Record


class Part(Record):
    """A message as it came, or a piece of one; where it is none, `reason` says why.

    `whole`: it says who reports. Only one of a report's pieces does, so that a reporter that cannot be written
    down takes no outcome with it. `piece`: there is more in the message, which was dealt with by itself.
    """

    delivery: Delivery
    message: Message | None = None
    reason: str = ""
    whole: bool = True
    piece: bool = False

    @property
    def body(self) -> bytes:
        """Give the message as it came, or as one that says no more than this piece."""
        return encode(self.message) if self.piece and self.message is not None else self.delivery.body


def read(delivery: Delivery) -> Part:
    """Read a delivery."""
    try:
        message = decode(delivery.body, Report, Arrived, Marker)
    except MessageError as error:
        return Part(delivery=delivery, reason=str(error))
    return Part(delivery=delivery, message=message)


def split(part: Part) -> list[Part]:
    """Give the pieces that a message consists of, in order; nothing where it is one already."""
    if isinstance(part.message, Report):
        pieces = list(_of_report(part, part.message))
    elif isinstance(part.message, Arrived):
        pieces = [msgspec.structs.replace(part, message=each) for each in _of_arrived(part.message)]
    else:
        return []
    return [msgspec.structs.replace(piece, piece=True) for piece in pieces] if len(pieces) > 1 else []


def _of_report(part: Part, report: Report) -> Iterator[Part]:
    nothing = msgspec.structs.replace(report, outcomes=(), settled=(), beats=())
    for outcome in report.outcomes:
        yield _piece(part, msgspec.structs.replace(nothing, outcomes=(outcome,)))
    for settled in report.settled:
        yield _piece(part, msgspec.structs.replace(nothing, settled=(settled,)))
    if part.whole:
        yield msgspec.structs.replace(part, message=msgspec.structs.replace(nothing, beats=report.beats))


def _piece(part: Part, report: Report) -> Part:
    return msgspec.structs.replace(part, message=report, whole=False)


def _of_arrived(arrived: Arrived) -> Iterator[Arrived]:
    for info in arrived.runs:
        yield Arrived(runs=(info,))
    for trouble in arrived.troubles:
        yield Arrived(troubles=(trouble,))
    for file in arrived.files:
        yield Arrived(files=(file,))
