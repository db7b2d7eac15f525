"""The small parts of access: what is remembered, where one is sent on to, passwords, roles of claims, secrets."""

import io
import json
import threading
import time
from typing import Any

import pytest
import urllib3
from werkzeug.exceptions import ServiceUnavailable

from headframe.statemachine.roles import Role, allowed, known, within
from headframe.statemachine.store.errors import RefusedError
from headframe.web.access import memory, passwords
from headframe.web.access.bearer import groups_of, identified
from headframe.web.access.jwts import BadTokenError, issuer_of
from headframe.web.access.limits import network
from headframe.web.access.oidc import meant_for
from headframe.web.access.provider import Provider, ProviderError
from headframe.web.pages.account import onward
from headframe.web.settings import Issuer, Secret

from ...integration.servers import wait_until

ISSUER = Issuer(
    issuer="https://iam.example/",
    audience=("hf",),
    groups={"/exp/ops": Role.OPERATOR, "/exp": Role.VIEWER},
    scopes={"hf.read": Role.VIEWER},
)
CLAIMS = {"sub": "abc", "exp": time.time() + 60, "wlcg.ver": "1.0"}


def test_an_answer_is_remembered_also_that_there_was_none() -> None:
    asked: list[int] = []
    kept: memory.Memory[None] = memory.Memory()
    for _ in range(3):
        kept.get("x", lambda: asked.append(1))
    assert asked == [1]
    kept.forget()
    kept.get("x", lambda: asked.append(1))
    assert asked == [1, 1]


def test_an_old_answer_is_asked_for_again() -> None:
    kept: memory.Memory[int] = memory.Memory(kept_s=0.0)
    answers = iter(range(3))
    assert [kept.get("x", lambda: next(answers)) for _ in range(3)] == [0, 1, 2]


def test_made_up_tokens_do_not_fill_the_memory() -> None:
    kept: memory.Memory[int] = memory.Memory()
    for n in range(memory.MOST + 100):
        kept.get(str(n), lambda: 0)
    assert len(kept._known) == memory.MOST


@pytest.mark.parametrize("to", ["/", "/files?state=placed", "/runs/7#x", "/?q=https://elsewhere.example"])
def test_one_is_sent_on_to_a_page_of_ours(to: str) -> None:
    assert onward(to) == to


@pytest.mark.parametrize(
    "to", ["", "x", "//e.example", "/\\e.example", "http:/e", "\\\\e", "/a\nb", "/\t/e", "/sign-out", "/sign-in?next=/"]
)
def test_one_is_sent_on_to_nothing_else(to: str) -> None:
    assert onward(to) == "/"


def test_who_is_not_there_costs_as_much_as_who_is(monkeypatch: pytest.MonkeyPatch) -> None:
    real, checked = passwords._hasher, []

    class Counting:
        def verify(self, kept: str, password: str) -> bool:
            checked.append(kept.split("$")[3])
            return real.verify(kept, password)

        hash = staticmethod(real.hash)

    kept = passwords.hashed("a long enough password")
    monkeypatch.setattr(passwords, "_hasher", Counting())
    assert passwords.right(kept, "a long enough password")
    assert not passwords.right(None, "a long enough password")
    assert not passwords.right(kept, "another password")
    assert len(checked) == 3
    assert len(set(checked)) == 1


def test_a_hash_says_nothing_of_two_that_are_the_same() -> None:
    assert passwords.hashed("a long enough password") != passwords.hashed("a long enough password")
    assert not passwords.right("not a hash at all", "a long enough password")


@pytest.mark.parametrize("password", ["short", "x" * 1001, "Anna-Maria-Berta"])
def test_what_protects_nothing_is_no_password(password: str) -> None:
    with pytest.raises(RefusedError):
        passwords.hashed(password, "anna-maria-berta")


def test_roles_include_those_below_and_the_committee_stands_apart() -> None:
    assert allowed(Role.VIEWER, [Role.ADMINISTRATOR])
    assert not allowed(Role.ADMINISTRATOR, [Role.OPERATOR])
    assert not allowed(Role.OPERATOR, [Role.COMMITTEE])
    assert not allowed(Role.COMMITTEE, [Role.ADMINISTRATOR])
    assert within(Role, [Role.OPERATOR]) == {Role.VIEWER, Role.OPERATOR, Role.DETECTOR}
    assert known(["viewer", "king"]) == {Role.VIEWER}


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({"wlcg.groups": ["/exp/ops", "/exp"]}, {Role.OPERATOR, Role.VIEWER}),
        ({"wlcg.groups": "/exp"}, {Role.VIEWER}),
        ({"wlcg.groups": ["/exp/ops/", "/EXP", "/exp/other", 7, None]}, set()),
        ({"wlcg.groups": {"/exp/ops": True}}, set()),
        ({"scope": "openid hf.read"}, {Role.VIEWER}),
        ({"scope": "hf.readx"}, set()),
        ({"scope": ["hf.read"]}, set()),
        ({}, set()),
    ],
)
def test_only_whole_groups_and_scopes_give_a_role(claims: dict[str, Any], roles: set[Role]) -> None:
    found = identified({**CLAIMS, **claims}, ISSUER)
    assert (found.name, found.roles) == ("abc@iam.example", roles)


@pytest.mark.parametrize("changes", [{"sub": ""}, {"sub": 7}, {"sub": "a\nb"}, {"wlcg.ver": "0.9"}, {"wlcg.ver": None}])
def test_claims_that_name_nobody_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadTokenError):
        identified({**CLAIMS, **changes}, ISSUER)


def test_groups_stand_in_any_claim_that_is_named() -> None:
    assert groups_of({"groups": ["a"], "wlcg.groups": ["b"]}, ("groups", "wlcg.groups")) == {"a", "b"}


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "ü.ü.ü", "eyJhbGciOiJub25lIn0.bnVsbA.", "." * 2000])
def test_what_is_no_token_names_no_issuer(token: str) -> None:
    with pytest.raises(BadTokenError):
        issuer_of(token)


def test_a_secret_is_shown_nowhere_by_accident() -> None:
    secret = Secret("very secret")
    assert "very secret" not in f"{secret!r} {secret}" + repr([secret])
    assert secret.reveal() == "very secret"


def test_an_answer_that_was_on_its_way_when_something_was_taken_away_is_not_kept() -> None:
    kept: memory.Memory[str] = memory.Memory()

    def ask() -> str:
        kept.forget()
        return "as it was before"

    assert kept.get("x", ask) == "as it was before"
    assert kept.get("x", lambda: "as it is now") == "as it is now"


def test_passwords_that_wait_to_be_checked_leave_threads_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    class Slow:
        def verify(self, kept: str, password: str) -> bool:
            return go_on.wait(60)

    monkeypatch.setattr(passwords, "_hasher", Slow())
    busy = [threading.Thread(target=passwords.right, args=("kept", "x")) for _ in range(passwords.PLACES)]
    for each in busy:
        each.start()
    wait_until(lambda: passwords._places._value == 0, 60, "all places are taken")
    with pytest.raises(ServiceUnavailable):
        passwords.right("kept", "x")
    go_on.set()
    for each in busy:
        each.join()
    assert passwords.right("kept", "x")


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_who_has_a_whole_network_of_addresses_counts_as_one(address: str, counted: str) -> None:
    assert network(address) == counted


@pytest.mark.parametrize("end", [1e30, 10**400, float("inf")])
def test_an_end_beyond_all_calendars_is_no_claim_that_counts(end: float) -> None:
    with pytest.raises(BadTokenError):
        identified({**CLAIMS, "exp": end}, ISSUER)


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({"aud": "hf"}, True),
        ({"aud": ["hf"]}, True),
        ({"aud": ["hf", "other"], "azp": "hf"}, True),
        ({"aud": ["hf", "other"]}, False),
        ({"aud": ["hf", "other"], "azp": "other"}, False),
        ({"aud": "hf", "azp": "other"}, False),
        ({"aud": "hf", "azp": None}, False),
    ],
)
def test_an_id_token_for_several_applications_says_that_we_asked_for_it(claims: dict[str, Any], good: bool) -> None:
    assert meant_for(claims, "hf") is good


class Answers:
    """An issuer that answers what it is told to, and counts how often it is asked."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self.documents, self.asked = documents, 0

    def request(self, method: str, url: str, **options: Any) -> Any:
        self.asked += 1
        if url not in self.documents:
            raise urllib3.exceptions.ConnectTimeoutError
        said = json.dumps(self.documents[url]).encode()
        return urllib3.HTTPResponse(io.BytesIO(said), status=200, preload_content=False)


def issuer(**said: Any) -> tuple[Provider, Answers]:
    found = Provider("https://iam.example")
    answers = Answers(
        {"https://iam.example/.well-known/openid-configuration": {"issuer": "https://iam.example", **said}}
    )
    found._http = answers  # type: ignore[assignment]
    return found, answers


def test_an_issuer_that_is_away_is_not_asked_for_each_token() -> None:
    found, answers = issuer(jwks_uri="https://iam.example/keys")
    for _ in range(10):
        with pytest.raises(ProviderError):
            found.keys(anew=True)
    assert answers.asked == 2


@pytest.mark.parametrize("address", ["http://iam.example/keys", "ftp://iam.example/keys", "file:///etc/passwd", 7])
def test_keys_are_read_by_https_where_the_issuer_is(address: object) -> None:
    found, answers = issuer(jwks_uri=address)
    with pytest.raises(ProviderError):
        found.keys()
    assert answers.asked == 1
