"""A week at a file a second: hot tables stay small, lists and moves quick as ever; an old month goes in one act."""

import secrets
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, text

from headframe.statemachine import views
from headframe.statemachine.database import connect
from headframe.statemachine.store.prune import plan, prune
from headframe.statemachine.verify import checks

from ..conftest import on_server
from ..integration.servers import PostgresServer
from . import looks, week
from .cpu import Cpu, is_shared
from .transitions import Conductor

LIMIT_MS = 50
ROUNDS, FILES_A_ROUND = 9, 28
A_THOUSAND = 1000 / (9 * FILES_A_ROUND)
"""A round is 28 files through 4 steps, nine changes each; this makes 1,000 changes of it."""
HOT = ("count_delta", "count_total", "count_whole", "settle", "process", "watermark", "late")
BlockedMs = list[float]


@pytest.fixture
def two(postgres: PostgresServer, database_template: str, instance: str) -> Iterator[Callable[[], Engine]]:
    """Give a maker of databases."""
    names: list[str] = []
    engines: list[Engine] = []

    def make() -> Engine:
        names.append(f"week_{secrets.token_hex(6)}")
        on_server(postgres, f"CREATE DATABASE {names[-1]} TEMPLATE {database_template}")
        engines.append(connect(postgres.url_of(names[-1]), instance))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()
    for name in names:
        on_server(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.long
def test_5000_files_of_two_months(two: Callable[[], Engine]) -> None:
    full = two()
    show(full, week.fill(full, 5_000, a_run=250), two(), strict=False)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_600000_files_of_two_months(two: Callable[[], Engine]) -> None:
    full = two()
    with timed("filled"):
        made = week.fill(full, 600_000)
    show(full, made, two(), strict=True)


def show(full: Engine, made: week.Week, empty: Engine, *, strict: bool) -> None:
    """Show all that history must not spoil. Where many tests share a machine, times are only told."""
    print()
    sizes(full, made)
    quick(full, made, strict=strict)
    as_quick_as_empty(full, empty, strict=strict)
    whole(full)
    drop(full, made, strict=strict)
    whole(full)
    sizes(full, made)


def sizes(engine: Engine, made: week.Week) -> None:
    """Say what each table takes; what the machine itself looks at is short, however much has been."""
    with engine.connect() as conn:
        rows = {row.name: row for row in views.sizes(conn)}
        indexes = {row.name: row.size for row in conn.execute(text(PARTIAL))}
    for row in rows.values():
        if row.size + row.indexes > 1_000_000 or row.name in HOT:
            print(f"{row.name:20} {row.rows:10,} rows {row.size / 1e6:9.1f} MB, indexes {row.indexes / 1e6:8.1f} MB")
    for name, size in indexes.items():
        print(f"index {name:20} {size / 1e6:9.1f} MB")
    assert rows["count_delta"].rows < 20_000
    assert rows["count_total"].rows <= 20 * made.runs + 1_000
    assert rows["count_whole"].rows <= 100
    assert sum(rows[name].size + rows[name].indexes for name in HOT) < 50_000_000
    assert sum(indexes.values()) < 100_000_000


def quick(engine: Engine, made: week.Week, *, strict: bool) -> None:
    """Look at every list as people and scripts do."""
    run = made.runs - 5
    with engine.connect() as conn:
        file, name = conn.execute(text(ONE), {"run": run}).one()
    for took in [*looks.pages(engine, run, file), *looks.commands(engine, run, name)]:
        print(took)
        assert took.fair < (LIMIT_MS if strict else 2 * LIMIT_MS), took


def as_quick_as_empty(full: Engine, empty: Engine, *, strict: bool) -> None:
    """Take files through both databases by turns, so that both have the same weather."""
    databases = {"empty": empty, "full": full}
    first = 100_000 + secrets.randbelow(10**9)
    conductors = {name: Conductor(engine, first) for name, engine in databases.items()}
    by_clock: dict[str, list[float]] = {name: [] for name in databases}
    computing: dict[str, list[float]] = {name: [] for name in databases}
    for turn in range(ROUNDS + 1):
        for name, conductor in conductors.items():
            cpu = Cpu(databases[name])
            before = cpu.all()
            seconds = conductor.take(FILES_A_ROUND)
            if turn:
                computing[name].append((cpu.all() - before) * A_THOUSAND)
                by_clock[name].append(seconds * 1000 * A_THOUSAND)
    ratios = []
    for what, times in (("by the clock", by_clock), ("computing", computing)):
        middle = {name: statistics.median(of) for name, of in times.items()}
        ratios.append(middle["full"] / middle["empty"])
        told = f"{middle['empty']:.0f} ms on an empty database, {middle['full']:.0f} ms on the full one"
        print(f"1,000 transitions, {what}: {told}: {ratios[-1]:.2f} times as long")
    assert ratios[is_shared()] < (1.25 if strict else 2)


def whole(engine: Engine) -> None:
    """Verify, and say how long it takes."""
    with timed("verify"), engine.connect() as conn:
        for check in checks():
            assert list(check.run(conn))[:10] == [], check.title


def drop(engine: Engine, made: week.Week, *, strict: bool) -> None:
    """Drop the older month while a conductor goes on."""
    with timed("dry run"), engine.connect() as conn:
        planned = plan(conn, made.turn)
    print(f"to drop: {planned.lines:,} lines of {planned.items:,} items, {planned.size / 1e6:.0f} MB")
    assert planned.lines > made.files * 4
    with writing(engine) as alone:
        time.sleep(3 if strict else 0.5)
    with writing(engine) as beside, timed("dropped, with checkpoints"):
        did = prune(engine, made.turn, actor="anna", reason="a benchmark")
    told = f"median {statistics.median(beside):.0f} ms, worst {max(beside):.0f} ms"
    print(f"18 changes beside it: {told}; without it: median {statistics.median(alone):.0f}, worst {max(alone):.0f} ms")
    assert did.left == ()
    assert max(beside) < (1000 if strict else 5000) + max(alone)
    with engine.connect() as conn:
        stored = conn.execute(text("select count(*) from history_checkpoint")).scalar_one()
    assert stored == planned.items


@contextmanager
def writing(engine: Engine) -> Iterator[BlockedMs]:
    """Let a conductor take two files at a time meanwhile; give how long each pair took."""
    times: BlockedMs = []
    stop = threading.Event()
    conductor = Conductor(engine, first=200_000 + secrets.randbelow(10**9))

    def work() -> None:
        while not stop.is_set() or not times:
            times.append(conductor.take(2) * 1000)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield times
    finally:
        stop.set()
        thread.join()


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.1f} s")


PARTIAL = """
select cast(indexrelid::regclass as text) as name, pg_relation_size(indexrelid) as size from pg_index
where indrelid = 'item'::regclass and indpred is not null order by 1
"""
ONE = """
select f.id, f.name from file f join run r on r.id = f.run_id where r.number = :run and f.sequence = 200
"""
