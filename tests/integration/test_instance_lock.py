"""One process tree an instance: the lock in the database is held for as long as the tree is up."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from headframe.daemon import wiring
from headframe.daemon.config import ConfigError
from headframe.daemon.up import Up

from .tree import Tree


def holders(one: Tree) -> list[int]:
    with one.engine.connect() as conn:
        key = conn.execute(text("select hashtext(current_schema() || '.up')")).scalar_one()
        found = text(
            "select pid from pg_locks where locktype = 'advisory' and objsubid = 1 and granted "
            "and (classid::bigint << 32 | objid::bigint) = cast(:key as bigint)"
        )
        return list(conn.execute(found, {"key": key}).scalars())


def end(one: Tree, pid: int) -> None:
    with one.engine.begin() as conn:
        conn.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})


def test_a_lock_that_went_with_its_connection_is_taken_again(tree: Callable[..., Tree]) -> None:
    one = tree()
    with one.up():
        (first,) = holders(one)
        end(one, first)
        one.until(lambda: len(holders(one)) == 1 and holders(one) != [first], "the lock is held again")
        one.still_works()
    one.until(lambda: holders(one) == [], "the server has ended the session")


def test_a_tree_whose_lock_another_took_meanwhile_ends(tree: Callable[..., Tree], monkeypatch: Any) -> None:
    monkeypatch.setattr("headframe.daemon.up.RELEASE_S", 1.0)
    one = tree(workers=0)
    take = text("select pg_advisory_lock(hashtext(current_schema() || '.up'))")
    with pytest.raises(ConfigError, match="is up already, on another host"), one.up(), one.engine.connect() as other:
        (first,) = holders(one)
        waiting = other.execution_options(isolation_level="AUTOCOMMIT")
        taken = threading.Thread(target=waiting.execute, args=(take,))
        taken.start()
        one.until(lambda: bool(_waiters(one)), "another tree waits for the lock")
        end(one, first)
        taken.join(60)
        assert one.stop.wait(60)


def _waiters(one: Tree) -> list[int]:
    statement = text("select pid from pg_locks where locktype = 'advisory' and not granted")
    with one.engine.connect() as conn:
        return list(conn.execute(statement).scalars())


def test_a_session_that_only_the_tree_has_lost_does_not_keep_the_lock(tree: Callable[..., Tree]) -> None:
    one = tree()
    up = Up(one.config, threading.Event())
    up._engine = wiring.engine(one.config, "up")
    up._hold()
    (first,) = holders(one)
    lost = up.guard
    assert lost is not None
    up._hold_again()
    assert len(holders(one)) == 1 and holders(one) != [first]
    lost.invalidate()
    up.finish()
