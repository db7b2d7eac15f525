"""What the API answers: records as JSON, all of their fields or those asked for, with an ETag."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec
from flask import Response, request, url_for
from werkzeug.exceptions import BadRequest

from ...statemachine.store.errors import NotFoundError
from ...statemachine.views import Listed, View

T = TypeVar("T")
ENCODER = msgspec.json.Encoder()


class Rows(View, Generic[T]):
    """A page of a list; `next` is what `after` has to be for the following one, empty on the last.

    `note` is there where the order or the filter stopped at a bound, and says at which.
    """

    rows: tuple[T, ...]
    next: str = ""
    note: str = ""


def as_json(body: Any, status: int = 200) -> Response:
    """Answer with a body; 304 without it where who asks has it already."""
    response = Response(ENCODER.encode(body), status, mimetype="application/json")
    response.headers["Cache-Control"] = "private, no-cache"
    if status == 200 and request.method in ("GET", "HEAD"):
        response.add_etag()
        response.make_conditional(request)
    return response


def one(record: View, fields: Sequence[str] = ()) -> Response:
    """Answer with one record, or with some of its fields."""
    return as_json(picked(record, fields) if fields else record)


def one_there(found: View | None, missing: str, fields: Sequence[str] = ()) -> Response:
    """Answer with one record, or with some of its fields. Raises `NotFoundError` with `missing` where there is none."""
    if found is None:
        raise NotFoundError(missing)
    return one(found, fields)


def rows(listed: Listed[Any], fields: Sequence[str] = ()) -> Response:
    """Answer with a page of records, or of some of their fields, and a link to the next page."""
    shown = [picked(record, fields) for record in listed.rows] if fields else listed.rows
    response = as_json({"rows": shown, "next": listed.next, **({"note": listed.note} if listed.note else {})})
    if listed.next:
        asked = {**(request.view_args or {}), **request.args.to_dict(), "after": listed.next}
        response.headers["Link"] = f'<{url_for(str(request.endpoint), **asked)}>; rel="next"'
    return response


def picked(record: View, fields: Sequence[str]) -> dict[str, Any]:
    """Keep some fields of a record. Raises `BadRequest` naming those that it does not have."""
    if unknown := [name for name in fields if name not in record.__struct_fields__]:
        there = ", ".join(record.__struct_fields__)
        raise BadRequest(f"there is no field {', '.join(unknown)}; there are {there}")
    return {name: getattr(record, name) for name in fields}
