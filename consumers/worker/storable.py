"""What a report can carry and PostgreSQL can store: a step's result, or a permanent fail that names the field.

A report that either refuses is put aside as a dead letter, and its item is worked on again for ever with the same
end. So what a step says is read here as the conductor will read it, before it leaves the process of the step.
"""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ...statemachine.records import Checksums, Content, Events
from ..steps.api import Copy, Job, PayloadError, Product, Result

BIGGEST = 2**63 - 1
LONGEST_NAME = 255
LONGEST_PATH = 2000
LONGEST_REASON = 2000
LONGEST_CODE = 100
DEEPEST = 100
"""Names and paths in bytes: a readable link's name, a row of an index. Reasons in characters."""

UNSENDABLE = (TypeError, ValueError, OverflowError, RecursionError)
UNSPEAKABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def one_line(text: str, longest: int = LONGEST_REASON) -> str:
    """Give a text without line ends and control characters, with escapes for what is no UTF-8, cut to `longest`."""
    line = UNSPEAKABLE.sub(" ", text.encode(errors="backslashreplace").decode()).strip()
    return line if len(line) <= longest else line[: longest - 1] + "…"


def storable(job: Job, result: Result) -> Result:
    """Give a step's result as the conductor will read it. Raises a permanent `PayloadError` that names a field."""
    try:
        read = msgspec.json.decode(msgspec.json.encode(result), type=Result)
    except UNSENDABLE as error:  # one of decoding names the field itself
        where = "" if isinstance(error, msgspec.DecodeError) else f"{_unsendable_part(result)}: "
        raise _refused(job, f"{where}{error}") from error
    for mistake in _mistakes(job, read):
        raise _refused(job, mistake)
    return read


def _refused(job: Job, mistake: str) -> PayloadError:
    sentence = f"what step {job.step} of {job.name} returned cannot be stored: {mistake}"
    return PayloadError("bad-result", sentence, permanent=True)


def _unsendable_part(value: object) -> str:
    """Name the part of a result that does not become JSON, as deep down as it can be told."""
    where = "result"
    for _ in range(DEEPEST):
        bad = next(((name, part) for name, part in _parts(value) if not _is_sendable(part)), None)
        if bad is None:
            break
        where, value = f"{where}{bad[0]}", bad[1]
    return where.removeprefix("result.")


def _parts(value: object) -> list[tuple[str, object]]:
    if isinstance(value, msgspec.Struct):
        return [(f".{name}", getattr(value, name)) for name in value.__struct_fields__]
    if isinstance(value, dict):
        return [(f".{name}", part) for name, part in value.items()]
    if isinstance(value, list | tuple):
        return [(f"[{place}]", part) for place, part in enumerate(value)]
    return []


def _is_sendable(value: object) -> bool:
    try:
        msgspec.json.encode(value)
    except UNSENDABLE:
        return False
    return True


def _mistakes(job: Job, result: Result) -> Iterator[str]:
    yield from _texts("", msgspec.to_builtins(result))
    for place, product in enumerate(result.products):
        yield from _product(f"products[{place}]", product)
    for place, copy in enumerate(result.copies):
        yield from _copy(f"copies[{place}]", copy, [entry.content for entry in job.inputs])
    yield from _events("events", result.events)
    yield from _sums("raw", result.raw)
    yield from _twice("name", [product.name for product in result.products])
    places = [product.location for product in result.products] + [copy.location for copy in result.copies]
    yield from _twice("place", [f"{place.site}:{place.path}" for place in places])
    if result.salt is not None:
        yield from _base64("salt.sealed", result.salt.sealed)


def _texts(where: str, value: Any, depth: int = 0) -> Iterator[str]:
    """Look for what JSON has and PostgreSQL's does not."""
    if depth > DEEPEST:
        yield f"{where[:LONGEST_NAME]}… is nested more than {DEEPEST} levels deep"
    elif isinstance(value, str) and "\0" in value:
        yield f"{where} has a NUL character"
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(f"a key of {where}", name)
            yield from _texts(f"{where}.{name}" if where else name, inner, depth + 1)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _texts(f"{where}[{place}]", inner, depth + 1)


def _product(where: str, product: Product) -> Iterator[str]:
    yield from _longer(f"{where}.name", product.name, LONGEST_NAME)
    yield from _longer(f"{where}.type", product.type, LONGEST_NAME)
    yield from _longer(f"{where}.location.path", product.location.path, LONGEST_PATH)
    yield from _number(f"{where}.size", product.size, least=0)
    yield from _sums(f"{where}.checksums", product.checksums)
    yield from _events(f"{where}.events", product.events)


def _copy(where: str, copy: Copy, inputs: Sequence[Content]) -> Iterator[str]:
    yield from _longer(f"{where}.location.path", copy.location.path, LONGEST_PATH)
    yield from _number(f"{where}.size", copy.size, least=0)
    yield from _sums(f"{where}.checksums", copy.checksums)
    if copy.product is not None and copy.product not in {content.product for content in inputs}:
        yield f"{where}.product is {copy.product}, which is none of its inputs"


def _events(where: str, events: Events | None) -> Iterator[str]:
    if events is not None:
        yield from _number(f"{where}.first", events.first)
        yield from _number(f"{where}.last", events.last)
        yield from _number(f"{where}.count", events.count, least=0)


def _number(where: str, number: int, least: int = -BIGGEST - 1) -> Iterator[str]:
    if not least <= number <= BIGGEST:
        yield f"{where} is {number}; possible is {least} to {BIGGEST}"


def _longer(where: str, text: str, longest: int) -> Iterator[str]:
    size = len(text.encode())
    if size > longest:
        yield f"{where} has {size} bytes; possible are {longest}"


def _sums(where: str, sums: Checksums | None) -> Iterator[str]:
    if sums is not None:
        for name, digits in (("adler32", 8), ("blake3", 64)):
            if not re.fullmatch(f"[0-9a-f]{{{digits}}}", getattr(sums, name)):
                yield f"{where}.{name} is not {digits} lower-case hexadecimal digits"


def _twice(what: str, values: Sequence[str]) -> Iterator[str]:
    for value, times in Counter(values).items():
        if times > 1:
            yield f"{times} products or copies have the {what} {value}"


def _base64(where: str, text: str) -> Iterator[str]:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        yield f"{where} is not base64"
