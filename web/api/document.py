"""The OpenAPI document: inputs from their marshmallow schemas, answers from the records that the views give."""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from apiflask import APIBlueprint
from flask import Flask, Response, current_app, request
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.routing import IntegerConverter, ValidationError

from ..access.identity import needs
from .answer import as_json
from .body import BODY
from .completed import REF, completed

View = TypeVar("View", bound=Callable[..., Any])
PREFIX = "/api/v1"
RECORDS = "_headframe_records"
blueprint = APIBlueprint("document", __name__, url_prefix=PREFIX, enable_openapi=False)


class Number(IntegerConverter):
    """A number in an address: one that a column can hold; nothing is found at any other."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"max": 2**63 - 1, **options})

    def to_python(self, value: str) -> int:
        """Read the number. Raises `NotFound` naming one that is too large."""
        try:
            return int(super().to_python(value))
        except ValidationError as error:
            raise NotFound(f"There is no number {value} here.") from error


def install(app: Flask) -> None:
    """Have the document describe the records, and serve it."""
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        AUTO_OPERATION_ID=True,
        # Not as the first who asks writes our name: whoever tries a call would send it there, token and all.
        SERVERS=[{"url": "/"}],
        DESCRIPTION="What programs ask and do: the records, the filters and the changes that the pages have as well.",
    )
    app.spec_processor(_completed)  # type: ignore[attr-defined]
    app.register_blueprint(blueprint)
    app.before_request(_refuse_unknown)


@blueprint.get("/openapi.json")
@needs(None)
def openapi() -> Response:
    """Give the OpenAPI document."""
    return as_json(current_app._get_spec())  # type: ignore[attr-defined]


def gives(record: Any, *, status: int = 200, refuses: tuple[int, ...] = ()) -> Callable[[View], View]:
    """Say which record a view answers with; put it above `needs`.

    The problems that every call can meet are added to the document by themselves; `refuses` are further ones.
    """
    return _says(status, {"application/json": {"schema": {}}}, refuses, record)  # described when somebody asks


def gives_bytes(mimetype: str, said: str, refuses: tuple[int, ...] = ()) -> Callable[[View], View]:
    """Say that a view answers with something that is no record."""
    return _says(200, {mimetype: {"schema": {"description": said}}}, refuses)


def or_later(view: View) -> View:
    """Say that the answer may also be that a daemon does it (202); put it above `gives`."""
    responses = view._spec["responses"]  # type: ignore[attr-defined]
    responses[202] = {**responses[200], "description": "accepted: a daemon does it; Location says how far it is"}
    return view


def _refuse_unknown() -> None:
    """Refuse what a view does not know to be asked: a misspelt filter must not give all there is."""
    view = current_app.view_functions.get(request.endpoint or "")
    if not request.args or not request.path.startswith(f"{PREFIX}/") or view is None:
        return
    asked = [schema for schema, location in getattr(view, "_spec", {}).get("args") or () if location == "query"]
    known = {field.data_key or name for schema in asked for name, field in schema.fields.items()}
    if unknown := sorted(set(request.args) - known):
        there = f"; there are {', '.join(sorted(known))}" if known else ""
        raise BadRequest(f"nothing can be asked of this by {', '.join(unknown)[:200]}{there}")
    if twice := sorted(name for name, values in request.args.lists() if len(values) > 1):
        raise BadRequest(f"{', '.join(twice)}: say this once")


def _says(status: int, content: Any, refuses: tuple[int, ...], *records: Any) -> Callable[[View], View]:
    responses: dict[int, Any] = {status: {"description": HTTPStatus(status).phrase, "content": content}}
    responses |= {code: {"description": HTTPStatus(code).phrase} for code in refuses}

    def mark(view: View) -> View:
        marked: View = blueprint.doc(responses=responses)(view)
        setattr(marked, RECORDS, records)
        return marked

    return mark


def _schema_of(record: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([record], ref_template=REF)
    return dict(schema)


def _completed(spec: dict[str, Any]) -> dict[str, Any]:
    views = current_app.view_functions
    bodies = {_operation_id(endpoint): getattr(view, BODY) for endpoint, view in views.items() if hasattr(view, BODY)}
    answers = {_operation_id(endpoint): getattr(view, RECORDS, ()) for endpoint, view in views.items()}
    records = [each for given in answers.values() for each in given]
    _, components = msgspec.json.schema_components([*records, *(body[0] for body in bodies.values())], ref_template=REF)
    _add_answers(spec, answers)
    _add_bodies(spec, bodies)
    return completed(spec, components)


def _operation_id(endpoint: str) -> str:
    """Give what APIFlask calls an operation, without its method."""
    return endpoint.replace(".", "_")


def _add_answers(spec: dict[str, Any], answers: dict[str, Any]) -> None:
    for operation, (record,) in _operations(spec, answers):
        for code, response in operation["responses"].items():
            if int(code) < 400:
                response["content"] = {"application/json": {"schema": _schema_of(record)}}


def _add_bodies(spec: dict[str, Any], bodies: dict[str, Any]) -> None:
    for operation, (record, example, _) in _operations(spec, bodies):
        content = {"application/json": {"schema": _schema_of(record), "example": example}}
        operation["requestBody"] = {"required": True, "content": content}


def _operations(spec: dict[str, Any], said: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Give each operation of which something is said, with that."""
    for operations in spec.get("paths", {}).values():
        for operation in operations.values():
            name = operation.get("operationId", "") if isinstance(operation, dict) else ""
            if found := said.get(name.partition("_")[2]):
                yield operation, found
