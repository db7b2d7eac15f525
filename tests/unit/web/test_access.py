"""The small parts of access: what is remembered, where one is sent on to, passwords, roles of claims, secrets."""

import time
from typing import Any

import pytest

from headframe.statemachine.roles import Role, allowed, known, within
from headframe.statemachine.store.errors import RefusedError
from headframe.web.access import memory, passwords
from headframe.web.access.bearer import groups_of, identified
from headframe.web.access.jwts import BadTokenError, issuer_of
from headframe.web.pages.account import onward
from headframe.web.settings import Issuer, Secret

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
    assert within(Role, [Role.OPERATOR]) == {Role.VIEWER, Role.OPERATOR}
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
