"""Every call that the OpenAPI document describes, with valid and invalid input, as nobody and as an administrator.

No answer is a 5xx, and each is as the document says: status, content type, schema, headers. A few examples a call here;
`make fuzz` draws many. The seed is printed by pytest; HYPOTHESIS_SEED repeats one.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from sqlalchemy import Engine, text

from headframe.statemachine.database import connect
from headframe.statemachine.roles import Role
from headframe.statemachine.store.access import tokens
from headframe.statemachine.store.campaigns import Book
from headframe.web.app import create_app
from headframe.web.settings import Access, Settings

from .servers import PostgresServer
from .web_filled import cloned, fill, pipeline

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3"))
SEED = int(os.environ.get("HYPOTHESIS_SEED", "0"))
DOCUMENT = "/api/v1/openapi.json"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "unsupported_method",
)
THERE = {
    "item": "select min(item_id) from attempt",
    "epoch": "select max(epoch) from attempt where item_id = (select min(item_id) from attempt)",
    "/runs/": "select min(number) from run",
    "/files/": "select min(id) from file",
    "/products/": "select min(id) from product",
    "/dead-letters/": "select max(id) from dead_letter",
    "/operations/": "select max(id) from operation",
    "/pilots/": "select max(id) from pilot",
}
"""What addresses need to lead to something: by the name of the part, or by what stands before it."""


@pytest.fixture(scope="module")
def engine(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Engine]:
    with cloned(postgres, database_template) as url:
        engine = connect(url, instance)
        fill(engine, runs=8, files=20)
        with engine.begin() as connection:
            connection.execute(text("insert into site (name, path) values ('SURF', '/nowhere')"))
            connection.execute(text("insert into pilot (token, launcher, name) values ('t-1', 'here', 'reco')"))
        yield engine
        engine.dispose()


@pytest.fixture(scope="module")
def app(engine: Engine, instance: str) -> Flask:
    of = pipeline()
    book = Book(pipelines=dict.fromkeys(of.run_types, of), default=of)
    often = Access(changes_a_minute=1_000_000, sign_ins_a_minute=1_000_000)
    return create_app(engine, Settings(instance=instance, book=book, access=often))


@pytest.fixture(scope="module")
def administrator(engine: Engine) -> dict[str, str]:
    with engine.begin() as connection:
        _, secret = tokens.make(connection, "root", [Role.ADMINISTRATOR], 1, actor="test")
    return {"Authorization": f"Bearer {secret}"}


def operations(app: Flask) -> Iterator[Any]:
    refused = {"expected-statuses": [400, 401, 403, 404, 405, 409, 413, 415, 429]}
    config = SchemathesisConfig.from_dict({"checks": {"negative_data_rejection": refused}})
    for found in schemathesis.openapi.from_wsgi(DOCUMENT, app, config=config).get_all_operations():
        yield found.ok()


def there(engine: Engine, operation: Any) -> dict[str, Any]:
    """Give parts of an address with which it leads to something."""
    found = {}
    with engine.connect() as connection:
        for part in operation.path_parameters:
            question = THERE.get(part.name) or next((q for k, q in THERE.items() if k in operation.path), None)
            if question is not None and part.name in ("number", "item", "epoch"):
                found[part.name] = connection.execute(text(question)).scalar() or 1
    return found


def tried(operation: Any, headers: dict[str, str], mode: GenerationMode, parts: dict[str, Any]) -> list[str]:
    """Make calls of one operation; give what was wrong with the answers."""
    wrong: dict[str, str] = {}
    checks = [schemathesis.checks.CHECKS.get_one(name) for name in CHECKS]
    drawn = operation.as_strategy(generation_mode=mode, **({"path_parameters": parts} if parts else {}))

    @seed(SEED)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=drawn)
    def call(case: Any) -> None:
        response = case.call(headers=headers)
        try:
            case.validate_response(response, checks=checks, headers=headers)
        except FailureGroup as error:
            kinds = "".join(type(each).__name__ for each in error.exceptions)
            wrong.setdefault(f"{kinds} {response.status_code}", str(error)[:2000])

    with contextlib.suppress(Unsatisfiable):  # nothing can be wrong with what takes nothing
        call()
    return list(wrong.values())


def test_every_record_is_whole_where_no_part_of_it_is_asked_for(app: Flask, engine: Engine) -> None:
    document = app.test_client().get(DOCUMENT).get_json()
    seen = 0
    for operation in operations(app):
        parts = there(engine, operation)
        if operation.method != "get" or len(parts) < len(list(operation.path_parameters)):
            continue
        answer = app.test_client().get(operation.path.format(**parts))
        said = document["paths"][operation.path]["get"]["responses"]["200"]["content"].get("application/json")
        if answer.status_code == 200 and said is not None:
            whole = said["schema"].get("anyOf", [said["schema"]])[0]
            jsonschema_rs.validate({**whole, "components": document["components"]}, answer.get_json())
            seen += 1
    assert seen > 20


@pytest.mark.parametrize("who", ["nobody", "administrator"])
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_call_answers_as_the_document_says(
    app: Flask, engine: Engine, administrator: dict[str, str], mode: GenerationMode, who: str
) -> None:
    load_all_checks()
    headers = administrator if who == "administrator" else {}
    wrong = []
    for operation in operations(app):
        for parts in ({}, found) if (found := there(engine, operation)) else ({},):
            wrong += tried(operation, headers, mode, parts)
    assert not wrong, "\n\n".join(wrong)
