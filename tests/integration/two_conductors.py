"""The real store beside its model: workers' words, arrivals and run information as messages; a broker that loses."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from blake3 import blake3
from sqlalchemy import Connection, Engine, text
from zlib_ng import zlib_ng

from headframe.consumers.broker import Names, Outgoing
from headframe.consumers.messages import Work, WorkItem, decode
from headframe.daemon.conductor.applying import Effects, apply
from headframe.daemon.conductor.outbox import Outbox
from headframe.daemon.conductor.sorting import Sorted
from headframe.statemachine import pipeline
from headframe.statemachine.naming import attempt_folder
from headframe.statemachine.pipeline import Pipeline, RunType, build
from headframe.statemachine.records import Checksums, Copy, Location, Outcome, Product, Reporter
from headframe.statemachine.schema import metadata
from headframe.statemachine.store.campaigns import Book
from headframe.statemachine.store.core import Ready
from headframe.statemachine.store.fold import Said

from .machine_parts import Step, Way, Word

OWNERS = {"anna": "node-1", "bert": "node-2", "carl": "node-3"}

LONG_WAY = Way(
    (
        Step("salt", "salted", bypassed_by=("calibration",)),
        Step("place", "placed", makes="copy"),
        Step("reconstruct", "reconstructed"),
        Step("summary", "summarized", scope="run"),
        Step("publish", "published", scope="run", makes="nothing"),
    ),
    doubles=("calibration",),
)
SHORT_WAY = Way((Step("count", "counted"), Step("plot", "plotted", scope="run", accepts_failed=True)))
PLAIN_WAY = Way((Step("look", "seen", makes="nothing"),))
WAYS = {"science": LONG_WAY, "calibration": LONG_WAY, "led": SHORT_WAY, "noise": PLAIN_WAY}


def real(name: str, way: Way) -> Pipeline:
    """Build the pipeline that a way of the model stands for."""
    shared = ("salt", "place")
    steps = [
        pipeline.Step(
            name=step.name,
            to=step.to,
            scope=step.scope,  # type: ignore[arg-type]
            makes=step.makes,  # type: ignore[arg-type]
            owned_by="file" if step.name in shared else "campaign",
            retries=step.retries,
            interrupts=step.nodes,
            accepts_failed=step.accepts_failed,
            backoff_s=0,
            lease_s=3600,
            site="work",
        )
        for step in way.steps
    ]
    kinds = {
        kind: RunType(
            bypass=tuple(step.name for step in way.steps if kind in step.bypassed_by),
            duplicates="allow" if kind in way.doubles else "hold",
        )
        for kind, its in WAYS.items()
        if its is way
    }
    return build(name, steps, kinds)


def book() -> Book:
    """Give the configuration that the model's ways stand for."""
    pipelines = {id(way): real(name, way) for name, way in (("l", LONG_WAY), ("s", SHORT_WAY), ("p", PLAIN_WAY))}
    return Book(
        pipelines={kind: pipelines[id(way)] for kind, way in WAYS.items()},
        default=pipelines[id(LONG_WAY)],
        period="month",
    )


def empty(engine: Engine) -> None:
    """Forget everything but the pipelines. Quicker than a truncation or a new schema."""
    with engine.begin() as conn:
        conn.exec_driver_sql("set local session_replication_role = replica")
        for table in reversed(metadata.sorted_tables):
            if table.name not in ("pipeline", "step_rule"):
                conn.execute(table.delete())


class LossyBroker:
    """Takes what is published; what becomes of it is for the test to say, before and after."""

    def __init__(self) -> None:
        self.confirms = True
        self.taken: list[Outgoing] = []

    def publish(self, messages: Sequence[Outgoing]) -> list[bool]:
        self.taken += messages
        return [self.confirms] * len(messages)


class KilledError(Exception):
    """The process has been killed."""


class MortalEngine:
    """The engine of a process that is killed once it has begun so many transactions, and asks for another."""

    def __init__(self, engine: Engine, lives: int) -> None:
        self.engine, self.lives, self.begun = engine, lives, 0

    def begin(self) -> AbstractContextManager[Connection]:
        if self.begun == self.lives:
            raise KilledError
        self.begun += 1
        return self.engine.begin()

    def connect(self) -> Connection:
        return self.engine.connect()


Hint = tuple[WorkItem, str, str]
"""What a work message says of one item: its work, the step's name, what the step makes."""


def send(engine: Engine, ready: Sequence[Ready], broker: LossyBroker) -> list[Hint]:
    """Send work as a conductor does; give what is in the messages."""
    broker.taken = []
    outbox = Outbox(engine, broker, Names("headframe"), "conductor")  # type: ignore[arg-type]
    with engine.begin() as conn:
        outbox.send(conn, ready)
    messages = [decode(message.body, Work) for message in broker.taken]
    works = [message for message in messages if isinstance(message, Work)]
    return [(item, work.step, work.makes) for work in works for item in work.parcel]


def batch(**parts: Any) -> Sorted:
    """Give a conductor's batch that has these parts."""
    made = Sorted([])
    for name, value in parts.items():
        setattr(made, name, value)
    return made


def apply_at_once(engine: Engine, batches: Sequence[Sorted], configured: Book) -> list[Effects]:
    """Apply batches in transactions that are open at the same time, one thread each. Raises what one raises."""
    barrier = threading.Barrier(len(batches))

    def one(each: Sorted) -> Callable[[], Effects]:
        def work() -> Effects:
            with engine.begin() as conn:
                conn.execute(text("select 1"))
                barrier.wait(60)
                return apply(conn, each, configured)

        return work

    return at_once([one(each) for each in batches])


def at_once(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run jobs in threads; give what they gave, or raise what the first that failed raised."""
    results: list[Any] = [None] * len(jobs)
    errors: list[BaseException] = []

    def run(n: int) -> None:
        try:
            results[n] = jobs[n]()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]
    return results


def sums(words: str) -> Checksums:
    content = words.encode()
    return Checksums(adler32=f"{zlib_ng.adler32(content):08x}", blake3=blake3(content).hexdigest())


def said(hint: Hint, word: Word, *, skipped: bool = False) -> Said:
    """Give the report of a worker on an item that a message gave it, with all that it made."""
    item, step, makes = hint
    folder = attempt_folder(item.folder, item.epoch, word.owner)
    made: dict[str, Any] = {}
    if word.trigger == "succeed" and not skipped:
        made = _made(item, step, makes, word, folder)
    outcome = Outcome(
        item=item.item,
        epoch=item.epoch,
        trigger=word.trigger,  # type: ignore[arg-type]
        step=step,
        reason_code=word.code,
        reason=f"because of {word.code}" if word.code else "",
        permanent=word.permanent,
        skipped=skipped,
        folder=folder,
        **made,
    )
    return Said(outcome=outcome, reporter=Reporter(owner=word.owner, host=word.host))


def _made(item: WorkItem, step: str, makes: str, word: Word, folder: Location) -> dict[str, Any]:
    made: dict[str, Any] = {"raw": sums(word.content)} if word.content is not None else {}
    place = Location(site=folder.site, path=f"{folder.path}/out.root")
    if makes == "product":
        content = sums(f"{item.item} {item.epoch} {word.owner}")
        made["products"] = (Product(name="out.root", type=step, location=place, size=3, checksums=content),)
    elif makes == "copy":
        read = item.inputs[0]
        made["copies"] = (Copy(of=read.role, location=place, size=3, checksums=sums("x"), product=read.product),)
    else:
        made["catalog"] = {"entries": 3}
    return made


ITEMS = text("""
select run.number, f.sequence, i.id, i.state, i.phase, i.epoch, i.owner, i.step, i.lane, i.version
from item i join run on run.id = i.run_id left join file f on f.id = i.file_id
""")


def items(conn: Connection) -> dict[tuple[int, int | None], Any]:
    """Give all items' rows by (run, sequence)."""
    return {(row.number, row.sequence): row for row in conn.execute(ITEMS)}
