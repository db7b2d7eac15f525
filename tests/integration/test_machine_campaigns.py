"""Two campaigns over the same files, whatever happens in whatever order: what belongs to a file is made once."""

from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from headframe.daemon.conductor.applying import Effects, apply, follow
from headframe.statemachine.database import connect
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.records import ArrivedFile, RunInfo
from headframe.statemachine.store import sweep
from headframe.statemachine.store.core import Ready, ready_of
from headframe.statemachine.store.fold import Said
from headframe.statemachine.store.operating import Selection, operate
from headframe.statemachine.store.quiet import quietly
from headframe.statemachine.verify import verify

from .machine_draws import LIMIT_S, LONG
from .machine_model import Model
from .machine_parts import Word
from .two_conductors import (
    OWNERS,
    KilledError,
    LossyBroker,
    MortalEngine,
    apply_at_once,
    batch,
    book,
    empty,
    said,
    send,
)

FILES = (1, 2)
BY = {"actor": "anna", "reason": "because"}
STATES = ("arrived", "salted", "placed", "summarized")
ITEMS = text("""
select i.id as item, i.epoch, i.step, i.lane, i.phase, i.state, i.run_id, i.campaign_id, f.sequence
from item i left join file f on f.id = i.file_id order by i.id
""")
BEGIN_AGAIN = text("""
insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, step, lane, trigger)
select c.id, c.pipeline_id, i.run_id, i.file_id, i.scope, i.kind, 'arrived',
  case when i.scope = 'run' then 'waiting' else 'ready' end, case when i.scope = 'file' then 'salt' end, c.lane,
  'arrive'
from campaign c, item i where c.name = 'again'
returning id as item, epoch, step, lane, phase
""")
MADE_TWICE = text("""
select file_id, step, count(distinct item_id) as n from product where campaign_id is null and superseded_at is null
group by file_id, step having count(distinct item_id) > 1
union all
select file_id, step, count(distinct item_id) from replica where step = 'place' and retired_at is null
group by file_id, step having count(distinct item_id) > 1
""")
STANDING = text("""
select p.step, c.name as campaign, count(*) as n from product p left join campaign c on c.id = p.campaign_id
where p.superseded_at is null group by p.step, c.name
""")


@pytest.fixture
def engine(database_url: str, instance: str) -> Iterator[Engine]:
    made = connect(database_url, instance)
    yield made
    made.dispose()


@pytest.mark.timeout(LIMIT_S)
def test_two_campaigns_share_what_belongs_to_the_file_and_both_end(engine: Engine) -> None:
    @settings(
        max_examples=300 if LONG else 15,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=True))
    def storm(draw: Random) -> None:
        both = TwoCampaigns(engine, draw)
        both.arrive()
        begins = draw.randrange(25)
        for n in range(50):
            if n == begins:
                both.begin_again()
            both.happen()
            both.nothing_is_made_twice()
        both.end()

    storm()


class TwoCampaigns:
    """One run of a few files in two campaigns, and what workers have said of them."""

    def __init__(self, engine: Engine, draw: Random) -> None:
        self.engine, self.draw, self.book = engine, draw, book()
        self.waiting: list[Said] = []
        empty(engine)

    def arrive(self) -> None:
        files = [
            ArrivedFile(
                site="source", path=f"in/{n}", name=f"{n}.h5", run=1, sequence=n, size=10, mtime_ns=1, kind="science"
            )
            for n in FILES
        ]
        info = RunInfo(run=1, source="rundb", kind="science", expected=len(FILES), closed=True)
        self.follow(apply_at_once(self.engine, [batch(files=files, runs=[info])], self.book))

    def begin_again(self) -> None:
        """Begin the second campaign, as its maker will one day."""
        with self.engine.begin() as conn:
            conn.execute(
                text(
                    "insert into campaign (name, pipeline_id, kind, lane) "
                    "select 'again', pipeline_id, 'bulk', 'bulk' from campaign"
                )
            )
            quietly(conn, ready_of(conn.execute(BEGIN_AGAIN).all()))

    def happen(self) -> None:
        what = self.draw.choice(
            (self.work, self.work, self.work, self.deliver, self.deliver_at_once, self.deliver_at_once, self.command)
        )
        note(what.__name__)
        what()

    def items(self) -> list[Any]:
        with self.engine.connect() as conn:
            return list(conn.execute(ITEMS))

    def work(self) -> None:
        """Send up to four items, and let a worker say what became of each."""
        ready = [row for row in self.items() if row.phase in ("ready", "submitted")]
        self.waiting += self.words(self.draw.sample(ready, min(len(ready), 4)), "succeed", "succeed", "fail")
        self.waiting = self.waiting[-12:]

    def words(self, rows: list[Any], *triggers: str) -> list[Said]:
        entries = [Ready(item=row.item, epoch=row.epoch, step=row.step, lane=row.lane) for row in rows]
        sequences = {row.item: row.sequence for row in rows}
        words = []
        for hint in send(self.engine, entries, LossyBroker()):
            item, owner = hint[0], self.draw.choice(sorted(OWNERS))
            raw = f"{sequences[item.item]}" if any(read.role == "raw" for read in item.inputs) else None
            trigger = self.draw.choice(triggers)
            word = Word(1, sequences[item.item], item.epoch, owner, OWNERS[owner], trigger, "", content=raw)
            words.append(said(hint, word))
        return words

    def deliver(self) -> None:
        chosen = self.draw.choices(self.waiting, k=4) if self.waiting else []
        self.follow(apply_at_once(self.engine, [batch(said=chosen)], self.book))

    def deliver_at_once(self) -> None:
        parts = [self.draw.choices(self.waiting, k=3) if self.waiting else [] for _ in range(2)]
        self.follow(apply_at_once(self.engine, [batch(said=part) for part in parts], self.book))

    def follow(self, effects: list[Effects]) -> None:
        """Let the run follow, but for conductors that die first."""
        for each in effects:
            if self.draw.random() < 0.9:
                follow(self.engine, each)

    def command(self) -> None:
        trigger = self.draw.choice((*sorted(Model.MOVES), "reset", "reset"))
        wanted = Selection(
            runs=(1,),
            files=self.draw.choice(((), ("1.h5",))),
            campaign=self.draw.choice((None, "again")),
            phase=self.draw.choice((None, "failed", "held", "ready", "done")),
        )
        state = self.draw.choice(STATES) if trigger == "reset" else None
        with suppress(KilledError):
            operate(MortalEngine(self.engine, self.draw.choice((2, 99))), Trigger(trigger), wanted, state=state, **BY)

    def nothing_is_made_twice(self) -> None:
        with self.engine.connect() as conn:
            assert conn.execute(MADE_TWICE).all() == []

    def end(self) -> None:
        """Let operators and workers take all to its end: each campaign has its own, and one of what is the files'."""
        for _ in range(60):
            self.recheck()
            if all(row.phase == "done" for row in self.items()):
                break
            for trigger in ("release", "recover"):
                operate(self.engine, Trigger(trigger), Selection(runs=(1,)), **BY)
            failed = Selection(runs=(1,), phase="failed")
            operate(self.engine, Trigger.RESET, failed, state="arrived", **BY)
            operate(self.engine, Trigger.RESOLVE, failed, **BY)
            ready = [row for row in self.items() if row.phase in ("ready", "submitted")]
            with self.engine.begin() as conn:
                apply(conn, batch(said=self.words(ready, "succeed")), self.book)
            with self.engine.begin() as conn:
                sweep.restart_local(conn)
        assert {row.phase for row in self.items()} == {"done"}, self.items()
        self.nothing_is_made_twice()
        with self.engine.connect() as conn:
            standing = {(row.step, row.campaign): row.n for row in conn.execute(STANDING)}
            assert list(verify(conn)) == []
        assert standing["salt", None] == len(FILES)
        made = {step: [n for (of, _), n in standing.items() if of == step] for step in ("reconstruct", "summary")}
        assert made == {"reconstruct": [len(FILES)] * 2, "summary": [1] * 2}

    def recheck(self) -> None:
        with self.engine.begin() as conn:
            pairs = sweep.unfinished_runs(conn, 0, 100)
        follow(self.engine, Effects(touched=frozenset(pairs)))
