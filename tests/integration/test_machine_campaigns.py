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
from headframe.statemachine.store import campaign_make, campaign_operate, sweep
from headframe.statemachine.store.campaign_operate import Wanted
from headframe.statemachine.store.campaign_query import RunChoice
from headframe.statemachine.store.core import Ready
from headframe.statemachine.store.errors import RefusedError
from headframe.statemachine.store.fold import Said
from headframe.statemachine.store.operating import Selection, operate
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
STARTS = ("arrived", "salted", "placed")
STATES = ("arrived", "salted", "placed", "summarized")
ITEMS = text("""
select i.id as item, i.epoch, i.step, i.lane, i.phase, i.state, i.run_id, i.campaign_id, i.scope, c.name as campaign,
  f.sequence
from item i join campaign c on c.id = i.campaign_id left join file f on f.id = i.file_id order by i.id
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
def test_two_campaigns_share_what_belongs_to_the_file_and_both_end(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_make, "PAGE", 1)

    @settings(
        max_examples=300 if LONG else 8,
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
        self.start, self.status = draw.choice(STARTS), ""
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
        """Begin the second campaign, once there is a file that can start where it does."""
        wanted = Wanted(name="again", pipeline="l", query=RunChoice(kind=("science",)), start_state=self.start)
        if not self.status:
            with suppress(RefusedError), self.engine.begin() as conn:
                campaign_operate.create(conn, wanted, self.book, **BY)
                self.status = "open"

    def steer(self) -> None:
        """Let the second campaign grow, rest, go on, seldom end; or make a page, and die before its runs follow."""
        draws = (
            "grow",
            "pause",
            "resume",
            "resume",
            "make",
            "make",
            "make",
            "close" if self.draw.random() < 0.1 else "make",
        )
        what = self.draw.choice(draws)
        note(what)
        if what == "make":
            with suppress(KilledError):
                campaign_make.turn(MortalEngine(self.engine, self.draw.choice((1, 2, 3, 3))))  # type: ignore[arg-type]
        elif self.status:
            with suppress(RefusedError), self.engine.begin() as conn:
                getattr(campaign_operate, what)(conn, "again", **BY)
                self.status = {"pause": "paused", "close": "closed", "resume": "open"}.get(what, self.status)

    def take_in(self) -> None:
        """Let the second campaign take in what it can, as its operator would in the end."""
        self.begin_again()
        if self.status in ("open", "paused"):
            with self.engine.begin() as conn:
                if self.status == "paused":
                    campaign_operate.resume(conn, "again", **BY)
                campaign_operate.grow(conn, "again", **BY)
                self.status = "open"
        while campaign_make.turn(self.engine):
            pass

    def happen(self) -> None:
        what = self.draw.choice(
            (
                self.work,
                self.work,
                self.work,
                self.deliver,
                self.deliver_at_once,
                self.deliver_at_once,
                self.command,
                self.steer,
            )
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
            self.take_in()
            self.recheck()
            if self.is_over():
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
        assert self.is_over(), self.items()
        self.nothing_is_made_twice()
        with self.engine.connect() as conn:
            standing = {(row.step, row.campaign): row.n for row in conn.execute(STANDING)}
            assert list(verify(conn)) == []
        assert standing["salt", None] == len(FILES)
        taken = len(self.of_again("file"))
        assert taken == len(FILES) or self.status == "closed"
        made = {step: sorted(n for (of, _), n in standing.items() if of == step) for step in ("reconstruct", "summary")}
        assert made["reconstruct"] == sorted(filter(None, (len(FILES), taken)))
        assert made["summary"] == [1] * (2 if taken == len(FILES) else 1)

    def is_over(self) -> bool:
        """Say whether all is done; a run of which a closed campaign has not all files waits for ever."""
        whole = len(self.of_again("file")) == len(FILES)
        waits = {row.item for row in self.of_again("run")} if self.status == "closed" and not whole else set()
        all_in = whole or self.status == "closed"
        return all_in and all(row.phase == "done" or row.item in waits for row in self.items())

    def of_again(self, scope: str) -> list[Any]:
        return [row for row in self.items() if row.campaign == "again" and row.scope == scope]

    def recheck(self) -> None:
        with self.engine.begin() as conn:
            pairs = sweep.unfinished_runs(conn, 0, 100)
        follow(self.engine, Effects(touched=frozenset(pairs)))
