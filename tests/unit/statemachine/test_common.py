"""What failures have in common is what successes have not."""

from headframe.statemachine.views.common import Trait, common

ELSEWHERE = [Trait(host=f"nid{n:04d}", site="USDC") for n in range(98)]


def test_a_host_where_few_successes_ran_is_named_with_its_share() -> None:
    failed = [*[Trait(host="nid0042", site="USDC")] * 12, Trait(host="nid0007", site="USDC")]
    (found,) = common(failed, [*ELSEWHERE, *[Trait(host="nid0042", site="USDC")]])
    assert found.sentence == "12 of 13 on host nid0042, where 2 % of successes ran"


def test_what_successes_have_as_well_says_nothing() -> None:
    assert common([Trait(site="USDC")] * 9, [Trait(site="USDC")] * 50) == ()


def test_two_failures_have_nothing_in_common_yet() -> None:
    assert common([Trait(host="nid0042")] * 2, ELSEWHERE) == ()


def test_without_successes_nobody_knows_what_is_odd() -> None:
    assert common([Trait(host="nid0042")] * 5, []) == ()


def test_the_most_telling_comes_first() -> None:
    failed = [Trait(host="nid0099", software="0.2")] * 7 + [Trait(host="nid0001", software="0.2")] * 3
    found = common(failed, [*[Trait(host="nid0099", software="0.1")] * 5, *[Trait(host="x", software="0.1")] * 95])
    assert [each.what for each in found] == ["software", "host"]
