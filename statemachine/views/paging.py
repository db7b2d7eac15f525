"""Pages by key: a cursor holds the key of the last row, so that a deep page costs what the first one does."""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Meta
from sqlalchemy import ARRAY, BigInteger, Row, cast

from ..records import Record

T = TypeVar("T")
LARGEST = 10_000


class BadCursorError(ValueError):
    """A cursor that this list did not give."""


class Page(Record):
    """Which part of a list: at most `limit` rows after the row that the cursor `after` stands for."""

    limit: int = 50
    after: str = ""


class Listed(NamedTuple, Generic[T]):
    """Rows of a page, and the cursor of the next page (empty on the last one); a line where a list stopped short."""

    rows: tuple[T, ...]
    next: str
    note: str = ""


def named(row: Row[Any]) -> dict[str, Any]:
    """Give a row's values by name. The row's own way by name is too slow for a thousand rows of thirty values."""
    return dict(zip(row._fields, row, strict=True))


def among(ids: Iterable[int]) -> Any:
    """Give these numbers as an array, as wide as the columns they are compared with: PostgreSQL hashes no other."""
    return cast(list(ids), ARRAY(BigInteger))


def size(page: Page) -> int:
    """Give how many rows to ask for: one more than wanted says whether there is a next page."""
    return max(1, min(page.limit, LARGEST)) + 1


def key(page: Page, *kinds: type) -> tuple[Any, ...] | None:
    """Give the key in a page's cursor, none for the first page. Raises `BadCursorError`."""
    if not page.after:
        return None
    try:
        packed = base64.urlsafe_b64decode(page.after + "=" * (-len(page.after) % 4))
        found = msgspec.json.decode(packed, type=tuple[tuple(map(_storable, kinds))])  # type: ignore[misc]
        return tuple(each.astimezone(UTC) if isinstance(each, datetime) else each for each in found)
    except (ValueError, OverflowError, binascii.Error, msgspec.MsgspecError) as error:
        raise BadCursorError("this cursor is not one of this list's; start again from the first page") from error


def cursor(last: Sequence[Any]) -> str:
    """Write the key of a page's last row as a cursor."""
    return base64.urlsafe_b64encode(msgspec.json.encode(last)).rstrip(b"=").decode()


def _storable(kind: type) -> Any:
    """Leave out what a stranger may write and no column can hold."""
    bounds = {int: Meta(ge=-(2**63), le=2**63 - 1), str: Meta(pattern="^[^\\x00]*$", max_length=3000)}
    return Annotated[kind, bounds[kind]] if kind in bounds else kind


def listed(rows: Sequence[Row[Any]], page: Page, make: Callable[[Row[Any]], T], *names: str) -> Listed[T]:
    """Make a page of records; the columns `names` of the last row become the cursor."""
    wanted = size(page) - 1
    shown = rows[:wanted]
    following = ""
    if len(rows) > wanted:
        following = cursor([getattr(shown[-1], name) for name in names])
    return Listed(tuple(make(row) for row in shown), following)
