"""`[access]`: what it becomes, and which mistakes in it are named."""

from pathlib import Path
from typing import Any

import pytest

from headframe.daemon import access
from headframe.daemon.config import ConfigError
from headframe.statemachine.roles import Role

from .test_load import made, mistakes

OIDC = {"issuer": "https://iam.example", "client_id": "hf", "roles": {"ops": "operator"}}
ISSUER = {"issuer": "https://iam.example", "audience": ["hf"], "groups": {"/exp": "viewer"}}


def test_without_a_word_of_it_everybody_may_look_and_local_users_may_act(tmp_path: Path) -> None:
    config = made(tmp_path)
    assert config.access.reading == "open"
    settings = access.settings(config)
    assert (settings.oidc, settings.issuers, settings.proxies) == (None, (), 0)


def test_groups_become_roles_and_the_secret_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("very secret\n")
    config = made(tmp_path, access={"oidc": {**OIDC, "client_secret_file": "secret"}, "issuer": [ISSUER]})
    settings = access.settings(config)
    assert settings.oidc is not None and settings.oidc.client_secret is not None
    assert settings.oidc.roles == {"ops": Role.OPERATOR}
    assert settings.oidc.client_secret.reveal() == "very secret"
    assert settings.issuers[0].groups == {"/exp": Role.VIEWER}
    assert "very secret" not in repr(settings)


def test_a_secret_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    config = made(tmp_path, access={"oidc": {**OIDC, "client_secret_file": "secret"}})
    with pytest.raises(ConfigError, match="client_secret_file"):
        access.settings(config)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ({"oidc": {**OIDC, "issuer": "http://iam.example"}}, "access.oidc.issuer"),
        ({"oidc": {**OIDC, "issuer": "https://me:secret@iam.example"}}, "access.oidc.issuer"),
        ({"oidc": {**OIDC, "client_id": ""}}, "access.oidc.client_id"),
        ({"oidc": {**OIDC, "roles": {}}}, "access.oidc.roles"),
        ({"oidc": {**OIDC, "roles": {"ops": "king"}}}, "access.oidc.roles"),
        ({"oidc": {"client_id": "hf"}}, "access.oidc.issuer"),
        ({"oidc": {**OIDC, "scopes": ["profile"]}}, "access.oidc.scopes"),
        ({"issuer": [{**ISSUER, "audience": []}]}, "access.issuer[0].audience"),
        ({"issuer": [{**ISSUER, "groups": {}}]}, "access.issuer[0].groups"),
        ({"issuer": [ISSUER, ISSUER]}, "access.issuer"),
        ({"reading": "shut"}, "access.reading"),
        ({"sign_ins_a_minute": 0}, "access.sign_ins_a_minute"),
    ],
)
def test_what_could_let_the_wrong_ones_in_is_a_mistake(tmp_path: Path, written: dict[str, Any], key: str) -> None:
    found = mistakes(tmp_path, access=written)
    assert list(found) == [key]
    assert "secret" not in found[key]


def test_a_provider_on_the_same_machine_needs_no_https(tmp_path: Path) -> None:
    assert made(tmp_path, access={"oidc": {**OIDC, "issuer": "http://127.0.0.1:8000"}}).access.oidc.client_id == "hf"
