"""What the OpenAPI document says of every call alike: records, problems, how one shows who asks."""

from http import HTTPStatus
from typing import Any

REF = "#/components/schemas/{name}"
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "one line for people: what happened, to what, and what to do"},
        "request": {"type": "string", "description": "the id of this request, as in the log and in X-Request-ID"},
    },
}
"""RFC 9457; further members say more, such as the present state of what somebody else was quicker with."""
ALWAYS = (400, 401, 403, 429, 503)
WITH_BODY = (409, 413, 415)
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "one's own name for this change: sent again with it, it is not made again, and answered the same",
    "schema": {"type": "string", "maxLength": 200},
}
HEADERS = {
    "ETag": {"description": "send it as If-None-Match: 304 while nothing changed", "schema": {"type": "string"}},
    "Link": {"description": "of a list with more: the next page, rel=next", "schema": {"type": "string"}},
}
SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "a token of this instance, or of the site's issuer"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "headframe_<instance>",
        "description": "who signed in on a page; changes also take X-CSRFToken",
    },
}


def completed(spec: dict[str, Any], records: dict[str, Any]) -> dict[str, Any]:
    """Add to a document the records that answers refer to, the problems, and who may ask."""
    components = spec.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update(records, Problem=PROBLEM)
    components["responses"] = {"Problem": _problem()}
    components["securitySchemes"] = {**components.get("securitySchemes", {}), **SECURITY}
    for path, operations in spec.get("paths", {}).items():
        for method, operation in operations.items():
            if method in ("get", "post", "put", "patch", "delete"):
                _operation(operation, path, method, schemas)
    return spec


def _operation(operation: dict[str, Any], path: str, method: str, schemas: dict[str, Any]) -> None:
    responses = operation["responses"]
    codes = {*ALWAYS, *((404,) if "{" in path else ()), *(WITH_BODY if method != "get" else ())}
    told = {code for code, said in responses.items() if int(code) >= 400 and "content" not in said}
    for code in sorted({str(code) for code in codes} - set(responses)) + sorted(told):
        responses[code] = _problem(HTTPStatus(int(code)).phrase)
    operation["security"] = [{"token": []}, {"session": []}, *([{}] if method == "get" else [])]
    if "fields" in _names(operation):
        _allow_parts(responses["200"]["content"]["application/json"], schemas)
    if method == "get":
        responses["304"] = {"description": "it is as the ETag in If-None-Match says"}
        responses["200"]["headers"] = HEADERS
    elif "dry_run" in _names(operation) and KEY["name"] not in _names(operation):
        operation["parameters"].append(KEY)


def _names(operation: dict[str, Any]) -> set[str]:
    return {parameter.get("name", "") for parameter in operation.get("parameters", ())}


def _problem(said: str = "a problem") -> dict[str, Any]:
    return {
        "description": said,
        "content": {"application/problem+json": {"schema": {"$ref": REF.format(name="Problem")}}},
    }


def _allow_parts(content: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Say that where fields are asked for, only these are given."""
    name = content["schema"]["$ref"].rpartition("/")[2]
    rows = schemas[name]["properties"].get("rows")
    row = rows["items"]["$ref"].rpartition("/")[2] if rows else name
    schemas[f"{row}Part"] = {key: value for key, value in schemas[row].items() if key != "required"}
    if rows:
        part = {"type": "array", "items": {"$ref": REF.format(name=f"{row}Part")}}
        properties = {**schemas[name]["properties"], "rows": part}
        schemas[f"{name}Part"] = {**schemas[name], "title": f"{name}Part", "properties": properties}
    content["schema"] = {"anyOf": [{"$ref": REF.format(name=name)}, {"$ref": REF.format(name=f"{name}Part")}]}
