"""The demonstration has somebody who may act, and no password that anybody knows beforehand."""

from pathlib import Path

from headframe.daemon.demo.folder import OPERATOR, operator
from headframe.statemachine.roles import Role
from headframe.statemachine.store.access import people
from headframe.web.access import passwords

from .access_help import app_over, signed_in


def test_its_operator_signs_in_with_what_the_file_says(database_url: str, instance: str, tmp_path: Path) -> None:
    with app_over(database_url, instance) as (app, engine):
        file = operator(engine, tmp_path)
        assert file.stat().st_mode & 0o777 == 0o600
        password = file.read_text().strip()
        assert signed_in(app, OPERATOR, password).get("/api/v1/me").get_json()["roles"] == ["operator"]
        assert operator(engine, tmp_path).read_text().strip() == password
        with engine.connect() as connection:
            assert [(each.name, each.roles) for each in people.people(connection)] == [(OPERATOR, {Role.OPERATOR})]


def test_each_demonstration_has_another_password() -> None:
    assert passwords.generated() != passwords.generated()
