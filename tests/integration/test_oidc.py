"""A real OpenID provider: sign-in by the code flow, and bearer tokens, good ones and every bad one."""

import logging
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from headframe.statemachine.roles import Role
from headframe.web.access import provider as keys
from headframe.web.settings import Access, Issuer, Oidc, Secret

from ..conftest import started
from .access_help import add_person, app_over, bearer
from .oidc_server import RESOURCE, OidcServer

REDIRECT = "http://localhost/sign-in/callback"
CLIENT_SECRET = "the-clients-own-secret"
Site = tuple[Flask, Engine, OidcServer]


@pytest.fixture(scope="module")
def oidc() -> Iterator[OidcServer]:
    server: Any = started(lambda: OidcServer(REDIRECT))  # type: ignore[arg-type,return-value]
    yield server
    server.remove()


def access(issuer: str, **changes: Any) -> Access:
    return Access(
        sign_ins_a_minute=1000,
        changes_a_minute=1000,
        oidc=Oidc(
            issuer=issuer,
            client_id="headframe",
            client_secret=Secret(CLIENT_SECRET),
            roles={"exp/operators": Role.OPERATOR, "exp/members": Role.VIEWER},
        ),
        issuers=(
            Issuer(
                issuer=issuer,
                audience=(RESOURCE,),
                groups={"/exp/production": Role.OPERATOR},
                scopes={"headframe.read": Role.VIEWER},
                **changes,
            ),
        ),
    )


@pytest.fixture
def site(oidc: OidcServer, database_url: str, instance: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(keys, "AGAIN_S", 0.0)
    with app_over(database_url, instance, access=access(oidc.issuer)) as (app, engine):
        yield app, engine, oidc


def begun(client: FlaskClient, to: str = "/") -> str:
    """Give the address at the provider to which our page sends the browser."""
    answer = client.get("/sign-in/provider", query_string={"next": to})
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def back(client: FlaskClient, address: str) -> Any:
    """Come back from the provider with what it has sent along."""
    parts = urlsplit(address)
    return client.get(f"{parts.path}?{parts.query}")


def changed(address: str, **changes: str) -> str:
    """Give an address with other parameters."""
    parts = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | changes
    return urlunsplit(parts._replace(query=urlencode(query)))


def me(client: FlaskClient) -> Any:
    return client.get("/api/v1/me").get_json()


@pytest.mark.parametrize(("name", "role"), [("anna", "operator"), ("berta", "viewer")])
def test_who_signs_in_at_the_provider_has_the_role_of_their_group(site: Site, name: str, role: str) -> None:
    client = site[0].test_client()
    answer = back(client, site[2].sign_in(begun(client, "/files"), name))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/files"), answer.text
    assert (me(client)["name"], me(client)["roles"], me(client)["how"]) == (name, [role], "session")
    with site[1].connect() as connection:
        assert connection.execute(text("select source from web_session")).scalar_one() == site[2].issuer


def test_who_is_in_no_group_of_ours_is_told_so_and_not_signed_in(site: Site) -> None:
    client = site[0].test_client()
    answer = back(client, site[2].sign_in(begun(client), "carl"))
    assert answer.status_code == 403
    assert "None of your groups" in answer.text
    assert me(client)["name"] == ""


def test_one_who_is_called_like_a_local_user_is_not_taken_for_them(site: Site) -> None:
    add_person(site[1], "anna", Role.ADMINISTRATOR)
    client = site[0].test_client()
    assert back(client, site[2].sign_in(begun(client), "anna")).status_code == 403
    assert me(client)["name"] == ""


def test_the_flow_asks_with_pkce_state_and_nonce_and_never_with_a_secret(site: Site) -> None:
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun(site[0].test_client())).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == REDIRECT
    assert len(asked["state"]) >= 32 and len(asked["nonce"]) >= 32 and asked["state"] != asked["nonce"]
    assert "client_secret" not in asked and "code_verifier" not in asked


@pytest.mark.parametrize("wrong", ["", "somebody-elses"])
def test_an_answer_with_another_state_is_refused(site: Site, wrong: str) -> None:
    client = site[0].test_client()
    answer = back(client, changed(site[2].sign_in(begun(client), "anna"), state=wrong))
    assert (answer.status_code, me(client)["name"]) == (403, "")


def test_an_answer_in_a_browser_that_did_not_ask_is_refused(site: Site) -> None:
    address = site[2].sign_in(begun(site[0].test_client()), "anna")
    other = site[0].test_client()
    assert (back(other, address).status_code, me(other)["name"]) == (403, "")


def test_an_answer_counts_once(site: Site) -> None:
    client = site[0].test_client()
    address = site[2].sign_in(begun(client), "anna")
    assert [back(client, address).status_code for _ in range(2)] == [303, 403]


def test_a_token_for_another_nonce_is_refused(site: Site) -> None:
    client = site[0].test_client()
    address = site[2].sign_in(changed(begun(client), nonce="of-another-sign-in"), "anna")
    answer = back(client, address)
    assert (answer.status_code, me(client)["name"]) == (403, "")
    assert "not for this sign-in" in answer.text


def test_a_code_that_somebody_else_asked_for_is_refused_by_pkce(site: Site) -> None:
    client = site[0].test_client()
    address = site[2].sign_in(changed(begun(client), code_challenge="x" * 43), "anna")
    answer = back(client, address)
    assert (answer.status_code, me(client)["name"]) == (403, "")
    assert "refused the code" in answer.text


def test_an_answer_of_another_issuer_is_refused(site: Site) -> None:
    client = site[0].test_client()
    address = changed(site[2].sign_in(begun(client), "anna"), iss="https://evil.example")
    assert (back(client, address).status_code, me(client)["name"]) == (403, "")


def test_who_declines_at_the_provider_comes_back_to_the_form(site: Site) -> None:
    client = site[0].test_client()
    (state,) = parse_qs(urlsplit(begun(client)).query)["state"]
    answer = client.get("/sign-in/callback", query_string={"error": "access_denied", "state": state})
    assert (answer.status_code, me(client)["name"]) == (403, "")


def test_sign_in_goes_on_after_the_provider_has_changed_its_keys(site: Site) -> None:
    for _ in range(2):
        client = site[0].test_client()
        assert back(client, site[2].sign_in(begun(client), "anna")).status_code == 303
        site[2].rotate()


def test_a_provider_that_calls_itself_otherwise_is_not_believed(
    oidc: OidcServer, database_url: str, instance: str
) -> None:
    with app_over(database_url, instance, access=access(f"http://localhost:{oidc.port}")) as (app, _):
        answer = app.test_client().get("/sign-in/provider")
        assert answer.status_code == 503
        assert "calls itself" in answer.text


def test_a_provider_that_is_away_is_said_so(database_url: str, instance: str) -> None:
    with app_over(database_url, instance, access=access("http://127.0.0.1:9")) as (app, _):
        assert app.test_client().get("/sign-in/provider").status_code == 503
        assert app.test_client().get("/sign-in").status_code == 200


def test_the_log_of_a_whole_sign_in_holds_no_secret(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = site[0].test_client()
    ours = begun(client)
    with client.session_transaction() as cookie:
        hidden = [cookie["oidc"]["verifier"], cookie["oidc"]["nonce"], cookie["oidc"]["state"]]
    address = site[2].sign_in(ours, "anna")
    caplog.clear()  # what the test's own browser logged
    assert back(client, address).status_code == 303
    token = site[2].sign()
    caplog.clear()
    assert client.get("/api/v1/me", headers=bearer(token)).status_code == 200
    client.get("/api/v1/me", headers=bearer(token[:-5]))
    with client.session_transaction() as cookie:
        hidden += [cookie["session"], token, CLIENT_SECRET, parse_qs(urlsplit(address).query)["code"][0]]
    assert not [each for each in hidden if each in caplog.text]


def asked(site: Site, token: str) -> Any:
    return site[0].test_client().get("/api/v1/me", headers=bearer(token))


def test_a_token_that_the_provider_made_is_good_for_its_groups_and_scopes(site: Site) -> None:
    told = asked(site, site[2].access_token()).get_json()
    assert (told["name"], told["how"]) == ("headframe@127.0.0.1", "issuer")
    assert told["roles"] == ["operator", "viewer"]


def test_a_token_of_no_group_and_scope_of_ours_may_do_nothing(site: Site) -> None:
    token = site[2].sign(**{"wlcg.groups": ["/exp"], "scope": "openid"})
    assert asked(site, token).get_json()["roles"] == []


NOW = int(time.time())
BAD: dict[str, dict[str, Any]] = {
    "expired": {"exp": NOW - 120},
    "without an end": {"exp": None},
    "not valid yet": {"nbf": NOW + 3600},
    "for another audience": {"aud": "https://elsewhere.example"},
    "for nobody": {"aud": None},
    "of another issuer": {"iss": "https://evil.example"},
    "of no issuer": {"iss": None},
    "of an issuer whose name begins alike": {"iss": "http://127.0.0.1"},
    "of nobody": {"sub": None},
    "of another profile": {"wlcg.ver": "2.0"},
    "of no profile": {"wlcg.ver": None},
    "signed by nobody": {"how": "none"},
    "signed with the public key as a secret": {"how": "public"},
    "signed by a stranger under a known name": {"how": "stranger"},
    "signed by a stranger with a key of their own": {"how": "stranger", "header": {"kid": "mine"}},
    "that asks for what we do not know": {"header": {"crit": ["x"], "x": 1}},
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_token_is_refused(site: Site, kind: str) -> None:
    token = site[2].sign(**BAD[kind])
    answer = asked(site, token)
    assert answer.status_code == 401, answer.text
    assert "error=invalid_token" in answer.headers["WWW-Authenticate"]
    assert token not in answer.text


@pytest.mark.parametrize("how", ["none", "public", "stranger"])
def test_a_token_made_by_hand_is_refused_while_a_good_one_counts(site: Site, how: str) -> None:
    assert asked(site, site[2].sign()).status_code == 200
    assert asked(site, site[2].sign(how)).status_code == 401


def test_a_real_token_for_another_audience_is_refused(site: Site) -> None:
    assert asked(site, site[2].access_token("https://elsewhere.example/api")).status_code == 401


def test_a_bad_token_is_not_saved_by_a_good_cookie(site: Site) -> None:
    client = site[0].test_client()
    back(client, site[2].sign_in(begun(client), "anna"))
    assert client.get("/api/v1/me", headers=bearer(site[2].sign(exp=NOW - 120))).status_code == 401
    assert client.get("/api/v1/me", headers={"Authorization": "Basic YTpi"}).status_code == 401
    assert me(client)["name"] == "anna"


def test_a_new_key_is_fetched_and_the_old_one_counts_no_more(site: Site) -> None:
    before = site[2].sign()
    assert asked(site, before).status_code == 200
    site[2].rotate()
    assert asked(site, site[2].sign()).status_code == 200
    assert asked(site, before).status_code == 401


def test_made_up_keys_do_not_make_us_ask_the_provider_again_and_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(site, site[2].sign()).status_code == 200
    monkeypatch.setattr(keys, "AGAIN_S", 60.0)
    fetched: list[object] = []
    real = keys.Provider._fetched
    monkeypatch.setattr(keys.Provider, "_fetched", lambda self: fetched.append(1) or real(self))
    for n in range(20):
        assert asked(site, site[2].sign("stranger", header={"kid": f"made-up-{n}"})).status_code == 401
    assert fetched == []
