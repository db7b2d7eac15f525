"""A storm of events with months that pass and are dropped in between: what is left of history replays, always."""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from headframe.statemachine.database import connect
from headframe.statemachine.store.prune import prune

from .months import faults, month, months_pass, present, replayed
from .test_machine_property import KINDS, MANY, SETTINGS, TwoConductors

BY = {"actor": "anna", "reason": "the disk is full"}


@pytest.fixture
def engine(database_url: str, instance: str) -> Iterator[Engine]:
    made = connect(database_url, instance)
    yield made
    made.dispose()


class Storm(TwoConductors):
    """The machine and its model; now and then a month passes, and what is old enough is dropped."""

    def __init__(self, engine: Engine, random: Random) -> None:
        super().__init__(engine)
        self.random = random
        self.dropped = 0

    def pass_time(self) -> None:
        if self.random.random() < 0.12:
            months_pass(self.engine, back=10)
        if self.random.random() < 0.08:
            self.forget(self.random.randint(0, 3))

    def forget(self, ago: int = 0) -> None:
        months_pass(self.engine, back=10)
        was = present(self.engine)
        assert replayed(self.engine) == was
        with self.engine.connect() as conn:
            assert faults(conn) == []
        did = prune(self.engine, month(ago), **BY)
        self.dropped += sum(gone.lines for gone in did.months)
        assert replayed(self.engine) == present(self.engine) == was
        with self.engine.connect() as conn:
            assert faults(conn) == []


def test_whatever_happens_what_is_left_replays(engine: Engine) -> None:
    @settings(SETTINGS, max_examples=max(3, SETTINGS.max_examples // 12))
    @given(st.randoms(use_true_random=True))
    def storm(random: Random) -> None:
        machine = Storm(engine, random)
        machine.two_runs_begin((random.choice(KINDS[:3]), random.choice((*KINDS, None))))
        for _ in range(60):
            machine.happen(random)
            machine.every_item_is_where_the_model_says()
            machine.pass_time()
        machine.forget()
        assert machine.dropped
        machine.teardown()

    storm()


def test_a_double_that_was_let_through_is_not_held_again_when_those_lines_are_gone(engine: Engine) -> None:
    storm = Storm(engine, Random(1))
    storm.two_runs_begin(("science", "science"))
    storm.files_arrive(1, [3], "", None)
    for key in ((1, 1), (1, 3)):
        storm.go_on(key, "anna", 1)
    assert storm.model.items[1, 3].phase == "held"
    storm.forget()
    third = sorted(storm.model.items, key=str).index((1, 3))
    storm.operator_acts("release", "file", third, "", new_content=False, lives=MANY)
    storm.forget()
    storm.operator_acts("reset", "file", third, "arrived", new_content=False, lives=MANY)
    storm.go_on((1, 3), "anna", 1)
    storm.every_item_is_where_the_model_says()
    assert storm.shown()[1, 3][:2] == ("salted", "ready")
    storm.teardown()
