"""Failure families: what differs from one message to the next falls away, what was before is named in pages."""

import re

import pytest
from sqlalchemy import text

from headframe.daemon.sweeper.measuring import Measuring
from headframe.statemachine.interrupts import POLITE
from headframe.statemachine.queries import query
from headframe.statemachine.store import measure

from .recount import kept, recounted
from .small_machine import SmallMachine

ALIKE = [
    (
        "cannot read /data/run000007/a_0001.h5: 3 of 1,024 channels are empty",
        "cannot read /scratch/x/run000009/b_0417.h5: 17 of 4,096 channels are empty",
        "cannot read <path>: # of # channels are empty",
    ),
    ("worker w-1f on node-7 died", "worker w-1f on node-7 died", "worker w-#f on <host> died"),
    ("lost tank.example.org:8080", "lost mill.example.org:443", "lost <host>:#"),
    ("no key 'hits' in \"run 7\"", "no key 'peaks' in \"run 8\"", "no key <name> in <name>"),
    ("it isn't there, don't ask", "it isn't there, don't ask", "it isn't there, don't ask"),
    (
        "job 123e4567-e89b-12d3-a456-426614174000 ended 137",
        "job 00000000-aaaa-bbbb-cccc-426614174000 ended 9",
        "job <id> ended #",
    ),
    ("at 0xdeadbeef, sum 5f0c9a1b2d3e", "at 0x1, sum 0123456789abcdef", "at <hex>, sum <hex>"),
    ("see https://a.b/c?d=1 for it", "see http://x.y/z for it", "see <url> for it"),
    ("missing 3, 4, 17", "missing 12, 13, 99, 101", "missing #"),
    ("took 1.5e3 s of 12.25 s", "took 2 s of 3 s", "took # s of # s"),
    ("read/write error", "read/write error", "read/write error"),
    ("first\n  second line", "first second\tline", "first second line"),
    ("", "", "(no reason given)"),
]


@pytest.mark.parametrize(("one", "other", "template"), ALIKE)
def test_messages_that_say_the_same_have_one_template(
    machine: SmallMachine, one: str, other: str, template: str
) -> None:
    with machine.engine.connect() as conn:
        asked = text("select failure_template(:said, 'node-7')")
        assert [conn.execute(asked, {"said": said}).scalar_one() for said in (one, other)] == [template, template]


def test_a_failed_attempt_has_its_family_at_once_and_one_that_was_given_back_has_none(machine: SmallMachine) -> None:
    machine.arrive(5, 1, 2, 3)
    machine.say(5, 1, "fail", reason_code="exit-3", reason="no peaks in 3 channels")
    machine.say(5, 2, "start")
    machine.say(5, 2, "fail", reason_code="exit-3", reason="no peaks in 17 channels")
    machine.say(5, 3, "interrupt", reason_code="drain", reason="told to leave")
    with machine.engine.connect() as conn:
        families = conn.execute(text("select family from attempt order by item_id")).scalars().all()
    assert families[0] == families[1] != None  # noqa: E711
    assert families[2] is None


def test_what_costs_nothing_belongs_to_no_family_and_is_no_failure_of_before(machine: SmallMachine) -> None:
    machine.arrive(5, *range(1, len(POLITE) + 1))
    for sequence, code in enumerate(POLITE, start=1):
        machine.say(5, sequence, "start")
        machine.say(5, sequence, "interrupt", reason_code=code, reason="ended from outside")
    measuring = Measuring(machine.engine, page=100)
    assert measuring.pages(measure.name_failures) == 0
    measuring.measure()
    with machine.engine.connect() as conn:
        assert conn.execute(text("select count(*), count(family) from attempt")).one() == (len(POLITE), 0)
        assert conn.execute(text("select count(*) from failure_family")).scalar_one() == 0


def test_every_place_that_leaves_out_what_costs_nothing_says_the_same(machine: SmallMachine) -> None:
    with machine.engine.connect() as conn:
        triggers = text("select pg_get_triggerdef(oid) from pg_trigger where tgname like 'attempt_family_%'")
        index = text(
            "select indexdef from pg_indexes where indexname = 'attempt_unnamed' and schemaname = current_schema()"
        )
        definitions = [*conn.execute(triggers).scalars(), conn.execute(index).scalar_one()]
    places = [str(query("name_failures")), *definitions]
    said = [re.search(r"reason_code (?:not in|<> ALL) (.*?)\)", place) for place in places]
    assert [re.findall(r"'([a-z-]+)'", found[1]) for found in said if found] == [[*POLITE]] * 4


def test_failures_of_before_are_named_in_pages_and_counted_once(machine: SmallMachine) -> None:
    machine.arrive(5, *range(1, 8))
    for sequence in range(1, 8):
        machine.say(5, sequence, "fail", reason_code="exit-3", reason=f"no peaks in {sequence} channels")
    machine.sql("alter table attempt disable trigger user")
    machine.sql("update attempt set family = null")
    machine.sql("delete from measure_due")
    machine.sql("alter table attempt enable trigger user")
    measuring = Measuring(machine.engine, page=2)
    assert measuring.pages(measure.name_failures) == 7
    assert measuring.pages(measure.name_failures) == 0
    with machine.engine.connect() as conn:
        assert kept(conn)[2] == recounted(conn)[2]
        (family,) = conn.execute(text("select * from failure_family")).all()
    assert (family.n, family.template, family.step) == (7, "no peaks in # channels", "salt")


NASTY = [
    "a" * 5000,
    "a/" * 2500,
    "1, " * 1700,
    '"' * 5000,
    "it's " * 1000,
    "1,111" * 1000,
    "a.b" * 1600,
    "/" * 5000,
    "-" * 5000,
]


@pytest.mark.parametrize("said", [*NASTY, "\\1 %s :name \u2028 ünï 🙂", "<path> # <host>"])
def test_no_message_is_too_nasty(machine: SmallMachine, said: str) -> None:
    with machine.engine.begin() as conn:
        conn.execute(text("set local statement_timeout = '2s'"))
        once = conn.execute(text("select failure_template(:said, '')"), {"said": said}).scalar_one()
        assert conn.execute(text("select failure_template(:said, '')"), {"said": once}).scalar_one() == once
    assert len(once) <= 300
