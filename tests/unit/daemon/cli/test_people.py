"""`headframe user | token`: local users and tokens, with no secret on a command line or in a list."""

import re
from pathlib import Path

import pytest

from headframe.statemachine.store.access import people, tokens
from headframe.web.access import passwords

from ....integration.small_machine import SmallMachine
from .conftest import Headframe, process

PASSWORD = "a long enough password"


@pytest.fixture
def file(tmp_path: Path) -> str:
    made = tmp_path / "password"
    made.write_text(PASSWORD + "\n")
    return str(made)


def add(headframe: Headframe, file: str, name: str = "berta", *roles: str) -> None:
    words = [word for role in roles or ("operator",) for word in ("--role", role)]
    found = headframe("user", "add", name, *words, "--password-file", file)
    assert found.code == 0, found.err


def test_a_user_is_added_listed_and_changed(machine: SmallMachine, headframe: Headframe, file: str) -> None:
    add(headframe, file)
    (shown,) = headframe("user", "list", "-o", "json").json
    assert (shown["name"], shown["roles"], shown["created_by"]) == ("berta", ["operator"], "anna")
    assert "password" not in shown
    assert headframe("user", "role", "berta", "--role", "viewer").code == 0
    assert headframe("user", "list", "-o", "json").json[0]["roles"] == ["viewer"]
    with machine.engine.connect() as connection:
        assert passwords.right(people.password_of(connection, "berta"), PASSWORD)


def test_a_name_is_taken_once_and_written_in_small_letters(headframe: Headframe, file: str) -> None:
    add(headframe, file)
    assert "there is a user berta already" in headframe("user", "add", "berta", "--password-file", file).err
    assert "is no name" in headframe("user", "add", "Berta Müller", "--password-file", file).err


def test_a_password_that_protects_nothing_is_refused(headframe: Headframe, tmp_path: Path) -> None:
    (tmp_path / "short").write_text("short")
    found = headframe("user", "add", "berta", "--password-file", str(tmp_path / "short"))
    assert (found.code, found.err) == (1, "headframe: a password has from 10 to 1000 characters\n")


def test_no_option_takes_a_password(headframe: Headframe) -> None:
    assert headframe("user", "add", "berta", "--password", PASSWORD).code == 2


def test_without_a_terminal_it_does_not_wait_for_a_password(config_file: Path) -> None:
    found = process(config_file, "user", "add", "berta")
    assert (found.returncode, "--password-file" in found.stderr) == (2, True)


def test_another_password_and_an_end(machine: SmallMachine, headframe: Headframe, file: str) -> None:
    add(headframe, file)
    Path(file).write_text("another long password")
    assert headframe("user", "password", "berta", "--password-file", file).code == 0
    assert headframe("user", "disable", "berta").code == 0
    with machine.engine.connect() as connection:
        assert people.password_of(connection, "berta") is None
    assert headframe("user", "disable", "berta", "--enable").code == 0
    assert headframe("user", "disable", "nobody").code == 4


def test_a_token_is_written_once_and_ends_when_revoked(machine: SmallMachine, headframe: Headframe) -> None:
    made = headframe("token", "make", "daq", "--role", "operator", "--only", "arrivals", "--label", "run control")
    assert re.fullmatch(r"hf_[\w-]{43}\n", made.out)
    (listed,) = headframe("token", "list", "-o", "json").json
    assert (listed["source"], listed["roles"], listed["resources"]) == ("service", ["operator"], ["arrivals"])
    assert made.out.strip() not in headframe("token", "list", "-o", "yaml").out
    with machine.engine.connect() as connection:
        assert tokens.sent(connection, made.out.strip()) is not None
    assert headframe("token", "revoke", str(listed["id"])).code == 0
    assert headframe("token", "revoke", str(listed["id"])).code == 4
    with machine.engine.connect() as connection:
        assert tokens.sent(connection, made.out.strip()) is None


def test_a_token_without_a_role_may_only_look(headframe: Headframe) -> None:
    headframe("token", "make", "notebook")
    assert headframe("token", "list", "-o", "json").json[0]["roles"] == ["viewer"]


@pytest.mark.parametrize("days", ["0", "367", "100000"])
def test_no_token_lives_longer_than_a_year(headframe: Headframe, days: str) -> None:
    assert "from 1 to 366 days" in headframe("token", "make", "daq", "--days", days).err


def test_a_persons_token_never_has_a_role_that_they_have_not(headframe: Headframe, file: str) -> None:
    add(headframe, file, "carl", "viewer")
    assert "does not have the role operator" in headframe("token", "make", "carl", "--role", "operator").err
