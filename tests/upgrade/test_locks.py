"""A migration beside a machine that works: whoever is in its way, nobody else waits behind it."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from headframe.statemachine import compatibility, database

from ..integration.servers import wait_until

BEFORE = "0011_pilots"
ON_ITEM = """
from alembic import op

revision = '{revision}'
down_revision = '{before}'


def upgrade() -> None:
    op.execute("alter table item add column looked boolean not null default false")
"""
BESIDE = """
from headframe.migrations.beside import create_index, drop_index

revision = '{revision}'
down_revision = '{before}'


def upgrade() -> None:
    create_index('item_reason_code', 'item', ['reason_code'])
"""


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    made = database.connect(empty_database_url, "mine", pool=10)
    database.upgrade(made, "mine")
    yield made
    made.dispose()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Give a way to add a migration after the last one."""
    import shutil

    folder = tmp_path / "migrations"
    shutil.copytree(database.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))

    def add(body: str) -> None:
        file = folder / "versions/0099_later.py"
        file.write_text(body.format(revision="0099_later", before=compatibility.known()[-1]))
        monkeypatch.setattr(database, "MIGRATIONS", folder)
        monkeypatch.setattr(compatibility, "MIGRATIONS", folder)
        _forget()

    yield add
    _forget()


def _forget() -> None:
    for each in (compatibility._files, compatibility.known, compatibility.oldest):
        each.cache_clear()


class Upgrading(threading.Thread):
    """An upgrade under way; `told` are its lines."""

    def __init__(self, engine: Engine, **settings: Any) -> None:
        super().__init__(daemon=True)
        self.engine, self.settings = engine, settings
        self.told: list[str] = []
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            database.upgrade(self.engine, "mine", tell=self.told.append, **self.settings)
        except BaseException as error:
            self.error = error


def longest_wait(engine: Engine, table: str, during: Callable[[], bool]) -> float:
    """Write to a table again and again while something is so; give the longest that it took."""
    longest = 0.0
    while during():
        began = time.monotonic()
        with engine.begin() as connection:
            connection.execute(text(f"update {table} set lane = lane where id = -1"))
        longest = max(longest, time.monotonic() - began)
    return longest


def test_nobody_queues_behind_a_migration_that_waits_for_a_long_transaction(
    engine: Engine, later: Callable[[str], None]
) -> None:
    later(ON_ITEM)
    with engine.connect() as long:
        long.execute(text("select count(*) from item"))
        upgrading = Upgrading(engine)
        wait_until(lambda: bool(upgrading.told), 30, "the migration says what is in its way")
        end = time.monotonic() + 3 * database.LOCK_S
        assert longest_wait(engine, "item", lambda: time.monotonic() < end) < 4 * database.LOCK_S
        assert upgrading.is_alive()
        assert "a transaction of mine (process " in upgrading.told[0]
        long.rollback()
    upgrading.join(30)
    assert upgrading.error is None
    assert database.revisions(engine)[0] == "0099_later"


def test_an_upgrade_that_others_never_let_through_ends_and_leaves_all_as_it_was(
    engine: Engine, later: Callable[[str], None]
) -> None:
    before = database.revisions(engine)[0]
    later(ON_ITEM)
    with engine.connect() as long:
        long.execute(text("select count(*) from item"))
        with pytest.raises(OperationalError, match="lock timeout"):
            database.upgrade(engine, "mine", patience_s=0)
    assert database.revisions(engine)[0] == before
    database.upgrade(engine, "mine")


def test_an_index_is_made_while_others_write_and_half_made_ones_are_made_anew(
    engine: Engine, later: Callable[[str], None]
) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("create index item_reason_code on item (reason_code)"))
        half = "update pg_index set indisvalid = false where indexrelid = cast('item_reason_code' as regclass)"
        connection.execute(text(half))
    later(BESIDE)
    with engine.connect() as long:
        long.execute(text("select count(*) from item"))
        upgrading = Upgrading(engine)
        end = time.monotonic() + 4 * database.LOCK_S
        assert longest_wait(engine, "item", lambda: time.monotonic() < end) < 2 * database.LOCK_S
        assert upgrading.is_alive()
        assert upgrading.told == []
        long.rollback()
    upgrading.join(30)
    assert upgrading.error is None
    with engine.connect() as connection:
        valid = "select indisvalid from pg_index where indexrelid = cast('item_reason_code' as regclass)"
        assert connection.execute(text(valid)).scalar_one()


def test_two_upgrades_at_once_do_it_once(empty_database_url: str) -> None:
    engine = database.connect(empty_database_url, "mine", pool=10)
    both = [Upgrading(engine) for _ in range(2)]
    for each in both:
        each.join(60)
    assert [each.error for each in both] == [None, None]
    present, wanted = database.revisions(engine)
    assert present == wanted
    engine.dispose()
