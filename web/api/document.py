"""The OpenAPI document: inputs from their marshmallow schemas, answers from the records that the views give."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from apiflask import APIBlueprint
from flask import Flask, Response, current_app

from ..access.identity import needs
from .answer import as_json

View = TypeVar("View", bound=Callable[..., Any])
PREFIX = "/api/v1"
REF = "#/components/schemas/{name}"
RECORDS = "_headframe_records"
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "one line for people: what happened, to what, and what to do"},
    },
}
"""RFC 9457; further members say more, such as the present state of what somebody else was quicker with."""
blueprint = APIBlueprint("document", __name__, url_prefix=PREFIX, enable_openapi=False)


def install(app: Flask) -> None:
    """Have the document describe the records, and serve it."""
    app.config.update(OPENAPI_VERSION="3.1.0", AUTO_VALIDATION_ERROR_RESPONSE=False, AUTO_404_RESPONSE=False)
    app.spec_processor(_completed)  # type: ignore[attr-defined]
    app.register_blueprint(blueprint)


@blueprint.get("/openapi.json")
@needs(None)
def openapi() -> Response:
    """Give the OpenAPI document."""
    return as_json(current_app._get_spec())  # type: ignore[attr-defined]


def gives(record: Any, *, status: int = 200, refuses: tuple[int, ...] = (400, 401, 403, 503)) -> Callable[[View], View]:
    """Say which record a view answers with, and which problems; put it above `needs`."""
    content = {"application/json": {"schema": _schema_of(record)}}
    responses: dict[int, Any] = {status: {"description": HTTPStatus(status).phrase, "content": content}}
    for code in refuses:
        problem = {"application/problem+json": {"schema": {"$ref": REF.format(name="Problem")}}}
        responses[code] = {"description": HTTPStatus(code).phrase, "content": problem}

    def mark(view: View) -> View:
        marked: View = blueprint.doc(responses=responses)(view)
        setattr(marked, RECORDS, (record,))
        return marked

    return mark


def _schema_of(record: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([record], ref_template=REF)
    return dict(schema)


def _completed(spec: dict[str, Any]) -> dict[str, Any]:
    """Add the records that answers refer to, and the problem."""
    records = [each for view in current_app.view_functions.values() for each in getattr(view, RECORDS, ())]
    _, components = msgspec.json.schema_components(records, ref_template=REF)
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(components, Problem=PROBLEM)
    return spec
