"""What a call sends: JSON that becomes a record, checked as a whole before anything is done with it."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, TypeVar

import msgspec
from flask import Flask, current_app, request
from msgspec import Meta
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from ...statemachine.records import Record

View = TypeVar("View", bound=Callable[..., Any])
BODY = "_headframe_body"
API = "/api/"
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Name = Annotated[str, Meta(min_length=1, max_length=500)]
Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Sequence = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Reasoned(Record, forbid_unknown_fields=True):
    """A change that somebody wants, and why: it stays in the history."""

    reason: Annotated[
        str, Meta(min_length=1, max_length=2000, pattern=r"\S", description="why; it stays in the history")
    ]


def install(app: Flask) -> None:
    """Refuse, before anything else looks at them, calls that hold what nothing here can store."""
    app.before_request(_refuse_unstorable)


def takes(record: Any, example: dict[str, Any] | list[Any], most: int | None = None) -> Callable[[View], View]:
    """Have a view called with its body as `asked`, a record of this kind; at most `most` bytes of it, if not as usual.

    Put it below `gives`, above `needs`. Raises `BadRequest`, `UnsupportedMediaType`, `RequestEntityTooLarge`.
    """
    decoder = msgspec.json.Decoder(record)

    def mark(view: View) -> View:
        @wraps(view)
        def called(**values: Any) -> Any:
            if not request.is_json:
                raise UnsupportedMediaType("send JSON, and say so: Content-Type: application/json")
            try:
                asked = decoder.decode(request.get_data())
            except (msgspec.DecodeError, RecursionError) as error:
                raise BadRequest(f"the body is not as this wants it: {error}") from error
            return view(**values, asked=asked)

        setattr(called, BODY, (record, example, most))
        return called  # type: ignore[return-value]

    return mark


def _refuse_unstorable() -> None:
    if not request.path.startswith(API):
        return
    view = current_app.view_functions.get(request.endpoint or "")
    most = getattr(view, BODY, (None, None, None))[2]
    if most is not None:
        request.max_content_length = most
    if "\0" in request.path or any(
        "\0" in value for values in request.args.lists() for value in (values[0], *values[1])
    ):
        raise BadRequest("the address holds a character that nothing can hold")
    if request.is_json:
        _check_json()


def _check_json() -> None:
    """Refuse bodies that are no JSON, no UTF-8, or hold NUL or half a character, which PostgreSQL cannot store."""
    content = request.get_data()
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"the body is no JSON: {error}") from error
    if NUL.search(content):
        raise BadRequest("the body holds a character that nothing can hold")
