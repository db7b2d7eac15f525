"""The store and its model side by side: each thing is done to both, and both have to agree."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations, product
from typing import Any

from sqlalchemy import Engine, text

from headframe.daemon.conductor.applying import Effects, apply
from headframe.statemachine.naming import attempt_folder
from headframe.statemachine.records import ArrivedFile
from headframe.statemachine.store.core import Ready
from headframe.statemachine.store.fold import Said
from headframe.statemachine.verify import verify

from .machine_model import Model
from .machine_parts import Arrival, Word
from .two_conductors import LONG_WAY, OWNERS, WAYS, Hint, LossyBroker, batch, book, empty, items, said, send, sums

TWINS = ((1, 1), (1, 3), (2, 2))  # files that hold the same content, until they are rewritten

ORIGINALS = text(
    "select o.blake3, run.number, f.sequence from original o join file f on f.id = o.file_id "
    "join run on run.id = f.run_id"
)

Key = tuple[int, int | None]
Report = tuple[Said, Word]


class StoreBesideModel:
    """The store of an emptied database, its model, a broker that keeps no message, and what is on its way."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.book, self.broker = engine, book(), LossyBroker()
        self.model = Model(WAYS, LONG_WAY)
        self.hints: list[tuple[Key, Hint]] = []
        self.reports: list[Report] = []
        self.touched: set[tuple[int, int]] = set()
        self.troubles: set[tuple[str, str]] = set()
        self.kept: set[str] = set()
        self.cleaned: set[str] = set()
        self.folders: dict[tuple[int, int, str], str] = {}
        empty(engine)

    def rows(self) -> dict[Key, Any]:
        with self.engine.connect() as conn:
            return items(conn)

    def key_of(self, pick: int) -> Key:
        keys = sorted(self.model.items, key=str)
        return keys[pick % len(keys)]

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Whoever executed before and does not afterwards was taken away: its folder has to go."""
        before = {key: (item.epoch, item.owner) for key, item in self.model.items.items() if item.owner is not None}
        ids = {key: row.id for key, row in self.rows().items()}
        yield
        for key, (epoch, owner) in before.items():
            item = self.model.items[key]
            if (item.epoch, item.owner) != (epoch, owner) and owner is not None:
                self.cleaned.add(self.folders[ids[key], epoch, owner])

    def arrive(self, arrivals: list[Arrival]) -> None:
        files = [
            ArrivedFile(
                site="source",
                path=a.place,
                name=a.name,
                run=a.run,
                sequence=a.sequence,
                size=a.size,
                mtime_ns=1,
                kind=a.kind,
            )
            for a in arrivals
        ]
        effects = self.apply(files=files)
        for a in arrivals:
            self.model.run(a.run)
        touched = self.model.arrive(arrivals)
        assert {run for run, _ in effects.touched} == self.ids(touched)
        self.troubles |= {(code, a.place) for a, code in self.model.refused}

    def dispatch(self, keys: list[Key], *, confirms: bool = True) -> None:
        rows = self.rows()
        ready = [
            Ready(item=rows[key].id, epoch=rows[key].epoch, step=rows[key].step, lane=rows[key].lane)
            for key in keys
            if self.model.items[key].phase in ("ready", "submitted")
        ]
        self.broker.confirms = confirms
        by_id = {row.id: key for key, row in rows.items()}
        went = {by_id[hint[0].item]: hint for hint in send(self.engine, ready, self.broker)}
        self.hints += list(went.items())
        for entry in ready:
            key = by_id[entry.item]
            item = self.model.items[key]
            if key in went:
                self.model.submit(item, entry.epoch if confirms else -1)
            else:
                assert key[1] is None, "a file's input is never gone"
                word = Word(*key, entry.epoch, "conductor", "conductor", "fail", "input-gone", permanent=True)
                self.model.report([word])

    def hint(self, pick: int) -> tuple[Key, Hint]:
        """Take a message from the queue, more often than not one that still counts."""
        current = [(key, hint) for key, hint in self.hints if self.model.items[key].epoch == hint[0].epoch]
        queue = current if current and pick % 4 else self.hints
        return queue[-1 - (pick // 4) % min(len(queue), 8)]

    def word(
        self,
        key: Key,
        hint: Hint,
        owner: str,
        trigger: str,
        code: str = "",
        *,
        permanent: bool = False,
        skipped: bool = False,
    ) -> Report:
        item, step, _ = hint
        skips = skipped and trigger == "succeed" and step in ("reconstruct", "count", "summary")
        content = None
        if (
            trigger == "succeed"
            and not skips
            and key[1] is not None
            and any(read.role == "raw" for read in item.inputs)
        ):
            size = self.model.file(*key).size
            content = "twin" if key in TWINS and size == 10 else f"{key} {size}"
        code = code if trigger in ("fail", "interrupt") else ""
        word = Word(*key, item.epoch, owner, OWNERS[owner], trigger, code, permanent and trigger == "fail", content)
        self.folders[item.item, item.epoch, owner] = attempt_folder(item.folder, item.epoch, owner).path
        return said(hint, word, skipped=skips), word

    def go_on(self, key: Key, owner: str, steps: int) -> None:
        for _ in range(steps):
            if self.model.items[key].phase not in ("ready", "submitted"):
                return
            before = len(self.hints)
            self.dispatch([key])
            if len(self.hints) == before:
                return
            hint = self.hints[-1][1]
            self.reports += [self.word(key, hint, owner, trigger) for trigger in ("start", "succeed")]
            self.deliver(self.reports[-2:])

    def begin(self, key: Key, owner: str) -> None:
        """Leave an item executing, if it is ready for that."""
        before = len(self.hints)
        self.dispatch([key])
        if len(self.hints) > before:
            self.reports.append(self.word(*self.hints[-1], owner, "start"))
            self.deliver(self.reports[-1:])

    def chosen(self, numbers: list[int]) -> list[Report]:
        latest = self.reports[-12:]
        return [latest[-1 - n % len(latest)] for n in numbers]

    def deliver(self, reports: list[Report]) -> None:
        effects = self.apply(said=[report for report, _ in reports])
        changed = self.hear([reports])
        assert {run for run, _ in effects.touched} == self.ids(changed)

    def hear(self, parts: list[list[Report]]) -> set[int]:
        """Let the model hear what the store has applied, in the order in which it ends where the store is.

        Batches that were applied at once may have come in any order, and so may twins that were read in one batch.
        """
        chances = [(order, first) for order in permutations(parts) for first in product(*map(twins, order))]
        for order, firsts in chances:
            model = copy.deepcopy(self.model) if len(chances) > 1 else self.model
            changed: set[int] = set()
            model.counted = []
            for part, first in zip(order, firsts, strict=True):
                changed |= model.report([word for _, word in part], first)
            if len(chances) == 1 or self.agrees(model):
                self.model = model
                self.counted([report for part in order for report in part])
                return changed
        raise AssertionError(f"no order of {parts} gives {self.shown()}")

    def counted(self, reports: list[Report]) -> None:
        """Folders of accepted results stay for ever; those of results that came too late go."""
        counts = self.model.counted
        for (report, word), good in zip(reports, counts, strict=True):
            path = report.outcome.folder.path if report.outcome.folder else ""
            if good and word.trigger == "succeed":
                self.kept.add(path)
            elif not good and word.trigger != "start" and path not in self.kept:
                self.cleaned.add(path)

    def apply(self, **parts: Any) -> Effects:
        with self.engine.begin() as conn:
            effects = apply(conn, batch(**parts), self.book)
        self.touched |= effects.touched
        return effects

    def sql(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as conn:
            conn.execute(text(statement), values)

    def watermark(self, ago: str) -> None:
        self.sql(
            "insert into watermark (lane, applied_at) select 'live', now() - cast(:ago as interval) "
            "on conflict (lane) do update set applied_at = excluded.applied_at",
            ago=ago,
        )

    def ids(self, numbers: set[int]) -> set[int]:
        with self.engine.connect() as conn:
            found = conn.execute(text("select id from run where number = any(:n)"), {"n": sorted(numbers)})
            return set(found.scalars())

    def numbers(self, pairs: set[tuple[int, int]]) -> list[int]:
        """Give the runs that these pairs still are about: their own item is in that campaign."""
        with self.engine.connect() as conn:
            found = conn.execute(
                text(
                    "select run.number, i.run_id, i.campaign_id from item i join run on run.id = i.run_id "
                    "where i.scope = 'run' order by run.number"
                )
            ).all()
        return [row.number for row in found if (row.run_id, row.campaign_id) in pairs]

    def shown(self) -> dict[Key, tuple[str, str, int, str | None]]:
        return {key: (row.state, row.phase, row.epoch, row.owner) for key, row in self.rows().items()}

    def agrees(self, model: Model) -> bool:
        """Say whether the store is where a model is, and gives each content to the same file."""
        items_agree = self.shown() == {key: item.shown for key, item in model.items.items()}
        return items_agree and self.originals() == {sums(words).blake3: key for words, key in model.originals.items()}

    def originals(self) -> dict[str, Key]:
        """Give the file that each content was first read from."""
        with self.engine.connect() as conn:
            return {row.blake3: (row.number, row.sequence) for row in conn.execute(ORIGINALS)}

    def every_item_is_where_the_model_says(self) -> None:
        assert self.shown() == {key: item.shown for key, item in self.model.items.items()}

    def no_epoch_is_accepted_twice(self) -> None:
        assert len(self.model.accepted) == len(set(self.model.accepted))

    def ends_well(self) -> None:
        """At the end everything is whole: history, counts, dead letters, folders."""
        self.every_item_is_where_the_model_says()
        assert self.agrees(self.model), "a content is another file's"
        with self.engine.connect() as conn:
            assert list(verify(conn, (("source", "in"),))) == []
            dead = {(row.code, row.subject) for row in conn.execute(text("select code, subject from dead_letter"))}
            ordered = set(conn.execute(text("select path from settle where action = 'clean'")).scalars())
        assert dead == self.troubles
        assert not ordered & self.kept, "an accepted folder is to be removed"
        assert self.cleaned <= ordered, "a folder that nobody accepted stays"


def twins(reports: list[Report]) -> list[Key | None]:
    """Give the files with the same content that a batch says were read; none where it is one at most."""
    found = {(word.run, word.sequence) for _, word in reports if word.content == "twin"}
    return [*sorted(found)] if len(found) > 1 else [None]
