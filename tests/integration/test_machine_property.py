"""The machine and the store against a model, whatever happens in whatever order, with two conductors interleaved.

`HYPOTHESIS_PROFILE=long` asks for many times as many examples: half an hour with two cores.
"""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine

from headframe.daemon.conductor.applying import Effects, follow
from headframe.statemachine.database import connect
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import ExpectedFile, RunInfo
from headframe.statemachine.store import runs, sweep
from headframe.statemachine.store.core import Ready, database_time
from headframe.statemachine.store.errors import RefusedError
from headframe.statemachine.store.operating import Selection, count, operate

from .machine_draws import HAPPENINGS, LIMIT_S, LONG, OFTEN, announced, happens, one_of, pick_one, picks, some
from .machine_model import Model
from .machine_parts import Arrival, Item
from .store_beside_model import Key, StoreBesideModel
from .two_conductors import OWNERS, WAYS, KilledError, MortalEngine, apply_at_once, batch

SETTINGS = settings(
    max_examples=600 if LONG else 40,
    stateful_step_count=20 if LONG else 10,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
RUNS = (1, 2)
SEQUENCES = (1, 2, 3)
KINDS = ("science", "calibration", "led", "noise", "mystery")
STATES = sorted({state for way in WAYS.values() for state in way.states} | {"nowhere"})
MANY = 99
OPERATORS = sorted(Model.MOVES)
CODES = ("lost-lease", "worker-died", "walltime", "memory", "drain", "odd")


@pytest.fixture
def engine(database_url: str, instance: str) -> Iterator[Engine]:
    made = connect(database_url, instance)
    yield made
    made.dispose()


@pytest.mark.timeout(LIMIT_S)
def test_whatever_happens_in_whatever_order_the_store_does_as_the_design_says(engine: Engine) -> None:
    run_state_machine_as_test(lambda: TwoConductors(engine), settings=SETTINGS)


@pytest.mark.timeout(LIMIT_S)
def test_a_long_storm_of_events_ends_where_the_model_does(engine: Engine) -> None:
    """True randomness and always the full length, which shrinks badly and gets far."""

    @settings(SETTINGS, max_examples=1500 if LONG else 15)
    @given(st.randoms(use_true_random=True))
    def storm(random: Random) -> None:
        machine = TwoConductors(engine)
        machine.two_runs_begin((random.choice(KINDS[:3]), random.choice((*KINDS, None))))
        for _ in range(80):
            machine.happen(random)
            machine.every_item_is_where_the_model_says()
            machine.no_epoch_is_accepted_twice()
        machine.teardown()

    storm()


class TwoConductors(RuleBasedStateMachine, StoreBesideModel):
    """Every happening does one thing to the store and to the model."""

    def __init__(self, engine: Engine) -> None:
        RuleBasedStateMachine.__init__(self)
        StoreBesideModel.__init__(self, engine)

    @initialize(kinds=st.tuples(st.sampled_from(KINDS[:3]), st.sampled_from((*KINDS, None))))
    def two_runs_begin(self, kinds: tuple[str, str | None]) -> None:
        for run, kind in zip(RUNS, kinds, strict=True):
            self.arrive([Arrival(run, n, f"r{run}_{n}.h5", f"in/r{run}_{n}.h5", 10, kind) for n in SEQUENCES[:2]])

    @happens(
        2,
        run=one_of(*RUNS),
        sequences=some(SEQUENCES, 1),
        odd=one_of("", "", "", "place", "name", "size", "kind"),
        kind=one_of(None, None, *KINDS),
    )
    def files_arrive(self, run: int, sequences: list[int], odd: str, kind: str | None) -> None:
        name = "again" if odd == "name" else "r"
        place = "other" if odd == "place" else "in"
        known = self.model.run(run).kind
        said_kind = kind if odd == "kind" or known is None else known
        self.arrive(
            [
                Arrival(
                    run, n, f"{name}{run}_{n}.h5", f"{place}/{name}{run}_{n}.h5", 11 if odd == "size" else 10, said_kind
                )
                for n in sequences
            ]
        )

    @happens(
        2,
        run=one_of(*RUNS),
        kind=one_of(None, None, *KINDS),
        expected=one_of(None, 2, 3),
        closed=one_of(True, False),
        identity=one_of(None, "first", "first", "second"),
        files=announced,
    )
    def run_database_speaks(
        self,
        run: int,
        kind: str | None,
        expected: int | None,
        closed: bool,
        identity: str | None,
        files: list[tuple[int, bool, int | None]],
    ) -> None:
        kind = self.model.run(run).kind if kind is None else kind
        listed = [(f"r{run}_{n}.h5", n if numbered else None, size) for n, numbered, size in files]
        info = RunInfo(
            run=run,
            source="rundb",
            kind=kind,
            expected=expected,
            closed=closed,
            identity=identity,
            files=tuple(ExpectedFile(name=name, sequence=n, size=size) for name, n, size in listed),
        )
        effects = self.apply(runs=[info])
        assert {number for number, _ in effects.touched} == self.ids({run})
        with self.taking():
            trouble = self.model.inform(
                run, kind=kind, expected=expected, closed=closed, identity=identity, files=listed
            )
        self.troubles |= {(trouble, f"rundb: run {run}")} if trouble else set()

    @happens(
        3,
        run=one_of(*RUNS),
        what=one_of("close", "close", "expect", "waive", "reopen", "reclassify"),
        number=one_of(1, 2, 3, None),
        kind=one_of(*KINDS),
    )
    def operator_acts_on_a_run(self, run: int, what: str, number: int | None, kind: str) -> None:
        by = {"actor": "anna", "reason": "because"}
        with self.taking():
            taken = {
                "close": lambda: self.model.close(run, number),
                "expect": lambda: self.model.expect(run, number or 0),
                "waive": lambda: self.model.waive(run, number or 4),
                "reopen": lambda: self.model.reopen(run),
                "reclassify": lambda: self.model.reclassify(run, kind),
            }[what]()
        acts = {
            "close": lambda conn: runs.close(conn, run, expected=number, **by),
            "expect": lambda conn: runs.expect(conn, run, number or 0, **by),
            "waive": lambda conn: runs.waive(conn, run, [number or 4], **by),
            "reopen": lambda conn: runs.reopen(conn, run, **by),
            "reclassify": lambda conn: runs.reclassify(conn, run, kind, self.book.pipelines.get, period="month", **by),
        }
        try:
            with self.engine.begin() as conn:
                acts[what](conn)
        except RefusedError:
            assert not taken
        else:
            assert taken

    @happens(3, pick=pick_one, more=pick_one, confirms=one_of(True, True, False))
    def work_goes_out(self, pick: int, more: int, confirms: bool) -> None:
        self.dispatch(sorted({self.key_of(pick), self.key_of(more)}, key=str), confirms=confirms)

    @happens(
        7,
        when="hints",
        pick=pick_one,
        owner=one_of(*OWNERS),
        trigger=one_of("start", "start", "succeed", "succeed", "fail", "interrupt"),
        code=one_of(*CODES),
        permanent=one_of(False, False, True),
        skipped=one_of(False, False, True),
    )
    def worker_says(self, pick: int, owner: str, trigger: str, code: str, permanent: bool, skipped: bool) -> None:
        key, hint = self.hint(pick)
        self.reports.append(self.word(key, hint, owner, trigger, code, permanent=permanent, skipped=skipped))

    @happens(
        5,
        when="hints",
        pick=pick_one,
        owners=some(tuple(OWNERS), 2),
        starts=one_of(True, True, False),
        triggers=lambda random: random.choices(("start", "succeed", "succeed", "fail", "interrupt"), k=3),
        code=one_of(*CODES),
        numbers=picks(6),
    )
    def one_message_comes_to_several_workers(
        self, pick: int, owners: list[str], starts: bool, triggers: list[str], code: str, numbers: list[int]
    ) -> None:
        key, hint = self.hint(pick)
        begins = [self.word(key, hint, owners[0], "start")] if starts else []
        words = [self.word(key, hint, owner, trigger, code) for owner, trigger in zip(owners, triggers, strict=False)]
        self.reports += begins + words
        if begins:
            self.deliver(begins)
        self.deliver([words[n % len(words)] for n in numbers])

    @happens(9, pick=pick_one, owner=one_of(*OWNERS), steps=one_of(1, 2, 3, 4))
    def item_goes_on(self, pick: int, owner: str, steps: int) -> None:
        self.go_on(self.key_of(pick), owner, steps)
        self.let_runs_follow()

    @happens(2, run=one_of(*RUNS), owner=one_of(*OWNERS), steps=one_of(1, 2, 3, 4))
    def run_is_whole_and_goes_on(self, run: int, owner: str, steps: int) -> None:
        it = self.model.run(run)
        if not it.known:
            return
        if not it.closed:
            self.operator_acts_on_a_run(run, "close", None, "")
        self.operator_acts_on_a_run(run, "expect", it.registered + it.waived, "")
        for key in [key for key in sorted(self.model.items, key=str) if key[0] == run and key[1] is not None]:
            self.go_on(key, owner, steps)
        self.let_runs_follow()
        self.go_on((run, None), owner, steps - 2)
        self.begin((run, None), owner)

    @happens(5, when="reports", numbers=picks(6))
    def reports_come_in(self, numbers: list[int]) -> None:
        self.deliver(self.chosen(numbers))

    @happens(4, when="reports", first=picks(5), second=picks(5))
    def two_conductors_apply_at_once(self, first: list[int], second: list[int]) -> None:
        both = self.chosen([*first, *second])
        parts = [both[: len(both) // 2], both[len(both) // 2 :]]
        batches = [batch(said=[report for report, _ in part]) for part in parts]
        for effects in apply_at_once(self.engine, batches, self.book):
            self.touched |= effects.touched
        self.hear(parts)

    @happens(1, when="hints", numbers=picks(4), owner=one_of(*OWNERS))
    def hearts_beat(self, numbers: list[int], owner: str) -> None:
        chosen = [self.hints[-1 - n % len(self.hints)] for n in numbers]
        beats = {(hint[0].item, hint[0].epoch, owner): key for key, hint in chosen}
        effects = self.apply(beats=list(beats))
        stale = set()
        for (number, epoch, who), key in beats.items():
            item = self.model.items[key]
            alive = item.epoch == epoch and item.phase in ("ready", "submitted", "executing")
            if not alive or item.owner not in (None, who):
                stale.add((number, epoch, who))
        assert {(entry.item, entry.epoch, entry.owner) for entry in effects.stale} == stale

    @happens(3)
    def let_runs_follow(self) -> None:
        touched, self.touched = self.touched, set()
        follow(self.engine, Effects(touched=frozenset(touched)))
        with self.taking():
            for number in self.numbers(touched):
                self.model.gather(number)

    @happens(
        4,
        trigger=one_of(*OPERATORS, "reset", "reset"),
        by=one_of("run", "file", "file", "file", "phase", "scope"),
        pick=pick_one,
        state=one_of(*STATES),
        new_content=one_of(False, True),
        lives=one_of(*[MANY] * 6, 1, 2),
    )
    def operator_acts(self, trigger: str, by: str, pick: int, state: str, new_content: bool, lives: int) -> None:
        key = self.key_of(pick)
        item = self.model.items[key]
        selection, wanted = self.selected(by, key, item)
        to = state if trigger == "reset" else None
        new_content = new_content and to in (None, "arrived")
        with self.engine.connect() as conn:
            legal = count(conn, Trigger(trigger), selection, state=to)
        engine = MortalEngine(self.engine, lives)
        try:
            done = operate(
                engine,  # type: ignore[arg-type]
                Trigger(trigger),
                selection,
                actor="anna",
                reason="because",
                state=to,
                new_content=new_content,
            )
        except KilledError:
            done = None
        with self.taking():
            new_content = new_content and trigger == "reset"
            changed = self.model.operate(trigger, wanted if engine.begun > 1 else [], to, new_content=new_content)
            for number in sorted({each.run for each in changed}) if done else ():
                self.model.gather(number)
        if done:
            assert (legal, done.changed) == (len(changed), len(changed))

    def selected(self, by: str, key: Key, item: Item) -> tuple[Selection, list[Item]]:
        everything = list(self.model.items.values())
        if by == "file" and key[1] is not None:
            return Selection(files=(self.model.file(*key).name,)), [item]
        if by == "phase":
            return Selection(phase=item.phase), [each for each in everything if each.phase == item.phase]
        mine = [each for each in everything if each.run == item.run]
        if by == "scope":
            return Selection(runs=(item.run,), scope=item.scope), [each for each in mine if each.scope == item.scope]
        return Selection(runs=(item.run,)), mine

    @happens(2, pick=pick_one, applied=one_of(True, False))
    def leases_run_out(self, pick: int, applied: bool) -> None:
        running = [key for key in sorted(self.model.items, key=str) if self.model.items[key].phase == "executing"]
        chosen = [key for n, key in enumerate(running) if (pick >> n) & 1]
        rows = self.rows()
        self.sql(
            "update item set lease_until = now() - interval '1 hour' where id = any(:ids)",
            ids=[rows[key].id for key in chosen],
        )
        self.watermark("10 seconds" if applied else "2 hours")
        after: int | None = 0
        while after is not None:
            with self.engine.begin() as conn:
                after = sweep.expire(conn, after, 2).after
        with self.taking():
            self.model.expire(self.model.items[key] for key in chosen if applied)
        self.sql("update item set lease_until = now() + interval '1 hour' where phase = 'executing'")

    @happens(1)
    def hints_are_lost(self) -> None:
        self.sql("update item set submitted_at = now() - interval '1 hour' where phase = 'submitted'")
        lost: list[Ready] = []
        with self.engine.begin() as conn:
            for place in sweep.sent_places(conn):
                lost += sweep.lost_hints(conn, place, database_time(conn), 60, 100)
            assert sweep.resent(conn, lost) == len(lost)
        submitted = {row.id for key, row in self.rows().items() if self.model.items[key].phase == "submitted"}
        assert {entry.item for entry in lost} == submitted

    @happens(1)
    def conductor_dies(self) -> None:
        """Whatever runs were to follow the files that it changed, nobody knows of any more."""
        self.touched.clear()

    @happens(1)
    def runs_are_rechecked(self) -> None:
        """Whatever has been missed: afterwards every closed run is where its files are."""
        with self.engine.begin() as conn:
            pairs = sweep.unfinished_runs(conn, 0, 100)
        follow(self.engine, Effects(touched=frozenset(pairs)))
        with self.taking():
            for number in self.model.runs:
                self.model.gather(number)

    @happens(1, page=one_of(1, 7, 50))
    def counts_are_folded(self, page: int) -> None:
        with self.engine.begin() as conn:
            sweep.fold(conn, page)

    @happens(1)
    def everything_starts_again(self) -> None:
        with self.engine.begin() as conn:
            sweep.restart_local(conn)
        with self.taking():
            self.model.restart()

    @rule(much=st.integers(1, 10), random=st.randoms(use_true_random=False))
    def things_happen(self, much: int, random: Random) -> None:
        for _ in range(much):
            self.happen(random)
            self.every_item_is_where_the_model_says()

    def happen(self, random: Random) -> None:
        name = random.choice(OFTEN)
        needs, draws = HAPPENINGS[name]
        if needs and not getattr(self, needs):
            name, draws = "item_goes_on", HAPPENINGS["item_goes_on"][1]
        chosen = {each: draw(random) for each, draw in draws.items()}
        note(f"{name} {chosen}")
        getattr(self, name)(**chosen)

    @invariant()
    def store_and_model_agree(self) -> None:
        self.every_item_is_where_the_model_says()
        self.no_epoch_is_accepted_twice()

    def teardown(self) -> None:
        if self.agrees(self.model):
            self.let_runs_follow()
            self.runs_are_rechecked()
            self.ends_well()
