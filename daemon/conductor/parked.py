"""Reads a parked message: where it came from, who gave it up and why, and which items wait for it."""

from ...consumers.broker import Delivery, Names
from ...consumers.broker.base import QUEUE_HEADER, REASON_HEADER
from ...consumers.messages import MessageError, Settle, Work, decode
from ...statemachine.records import Record
from ...statemachine.store.letters import Letter
from ...statemachine.store.undelivered import Undelivered

DEATH_QUEUE, DEATH_REASON = "x-first-death-queue", "x-first-death-reason"
DEATHS = {
    "delivery_limit": (
        "delivery-limit",
        "came back so often that RabbitMQ gave it up: workers died or returned it",
    ),
    "expired": ("expired", "was not taken in time (a message TTL that somebody has set)"),
    "maxlen": ("queue-full", "did not fit (a length limit that somebody has set)"),
    "rejected": ("rejected", "was rejected by somebody who is no part of headframe"),
}
UNDELIVERED = "undelivered"


class Parked(Record):
    """A dead letter, the items of lost work in it, and the message that says whose they are."""

    letter: Letter
    items: tuple[Undelivered, ...] = ()
    work: Work | None = None


def read(delivery: Delivery, names: Names) -> Parked:
    """Read a parked message. Never fails: whoever may publish here may write anything."""
    headers = delivery.headers
    queue = _origin(headers.get(QUEUE_HEADER) or headers.get(DEATH_QUEUE) or "", names)
    code, why = _cause(headers, queue)
    sentence = f"a message on {queue or names.dead} {why}"
    work = _work(delivery.body, queue, names)
    by_broker = REASON_HEADER not in headers  # what a worker refuses, somebody has to look at
    if isinstance(work, Work):
        reason_code = code if code == "delivery-limit" else UNDELIVERED
        items = tuple(
            Undelivered(
                item=each.item,
                epoch=each.epoch,
                code=reason_code,
                reason=f"its work message {why}",
                refused=not by_broker,
            )
            for each in work.parcel
        )
        same = f"{work.step} of items {', '.join(str(each.item) for each in items)}"
        letter = _letter(delivery, queue, code, sentence, same=same, dealt_with=by_broker)
        return Parked(letter=letter, items=items, work=work)
    return Parked(letter=_letter(delivery, queue, code, sentence, dealt_with=by_broker and isinstance(work, Settle)))


def unreadable(delivery: Delivery, reason: str) -> Letter:
    """Make the dead letter of a message that says nothing."""
    return _letter(
        delivery, delivery.queue, "message-unreadable", f"a message on {delivery.queue} was put aside: {reason}"
    )


def _letter(
    delivery: Delivery, queue: str, code: str, sentence: str, *, same: str = "", dealt_with: bool = False
) -> Letter:
    return Letter(
        queue=queue,
        code=code,
        sentence=sentence,
        body=delivery.body,
        headers=delivery.headers,
        same=same,
        dealt_with=dealt_with,
    )


def _origin(claimed: str, names: Names) -> str:
    """Give the queue that a message came from if it is one of ours: a replay must not reach anybody else's."""
    ours = claimed.startswith(f"{names.prefix}.") and claimed != names.dead and claimed.isprintable()
    return claimed if ours and len(claimed.encode()) <= 255 else ""


def _cause(headers: dict[str, str], queue: str) -> tuple[str, str]:
    if not queue:
        return "stray", "came there by itself: neither RabbitMQ nor a worker has sent it"
    if REASON_HEADER in headers:
        return "message-unreadable", f"was put aside by a worker: {headers[REASON_HEADER]}"
    return DEATHS.get(headers.get(DEATH_REASON, ""), ("rejected", "was given up by RabbitMQ for an unknown reason"))


def _work(body: bytes, queue: str, names: Names) -> Work | Settle | None:
    """Decode work if the message is what its queue holds."""
    if not queue.startswith(f"{names.prefix}.work."):
        return None
    try:
        message = decode(body, Work, Settle)
    except MessageError:
        return None
    if isinstance(message, Work):
        return message if queue == names.work(message.step, message.lane, large=message.large) else None
    return message if isinstance(message, Settle) else None
