"""What changed, as those who watch are told it: everything once, also what commits late, and nothing for ever."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from headframe.consumers.broker import Names
from headframe.daemon.sweeper import sweeper as sweeper_module
from headframe.daemon.sweeper.sweeper import Sweeper, SweeperSettings
from headframe.statemachine.database import connect
from headframe.statemachine.store import notes
from headframe.statemachine.store.runs import judge
from headframe.statemachine.views import news, position
from headframe.statemachine.views.news import EVERYTHING, Position

from .two_conductors import LossyBroker
from .web_filled import fill

NOW = "clock_timestamp()"
CHANGE = "update item set version = version + 1, changed_at = clock_timestamp() where run_id = {run}"
HEARTBEAT = "update item set lease_until = now() where run_id = {run}"


@pytest.fixture
def engine(database_url: str, instance: str) -> Iterator[Engine]:
    made = connect(database_url, instance)
    fill(made, runs=3, files=20)
    yield made
    made.dispose()


class Watcher:
    """Somebody who asks what changed, again and again."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.at = engine, self._now(engine)

    @staticmethod
    def _now(engine: Engine) -> Position:
        with engine.connect() as connection:
            return news(connection, None).upto

    def look(self) -> set[str]:
        with self.engine.connect() as connection:
            found = news(connection, self.at)
        self.at = found.upto
        return set(found.topics)


def do(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_each_change_is_told_once_by_the_number_of_its_run(engine: Engine) -> None:
    watcher = Watcher(engine)
    assert watcher.look() == set()
    do(engine, CHANGE.format(run=1), CHANGE.format(run=1), CHANGE.format(run=3))
    assert watcher.look() == {"runs", "run:1201", "run:1203"}
    assert watcher.look() == set()


def test_a_transaction_writes_one_row_for_a_run_however_many_items_it_changes(engine: Engine) -> None:
    with engine.connect() as connection:
        before = rows(connection)
        for _ in range(3):
            connection.execute(text(CHANGE.format(run=1)))
        connection.execute(text("update replica set status = status where run_id = 1"))
        assert rows(connection) - before == 1


@pytest.mark.parametrize(
    "say",
    [
        lambda connection: notes.write(connection, 1202, "channel 17 is hot", "ann"),
        lambda connection: judge(connection, 1202, "questionable", "ann", "channel 17"),
    ],
    ids=["note", "quality"],
)
def test_what_people_say_of_a_run_is_a_change_of_it(engine: Engine, say: Callable[[Connection], object]) -> None:
    watcher = Watcher(engine)
    with engine.begin() as connection:
        say(connection)
    assert watcher.look() == {"runs", "run:1202"}


def test_a_heartbeat_is_no_change(engine: Engine) -> None:
    watcher = Watcher(engine)
    do(engine, HEARTBEAT.format(run=1))
    assert watcher.look() == set()


def test_what_commits_late_is_told_when_it_commits(engine: Engine) -> None:
    watcher = Watcher(engine)
    with engine.connect() as slow, engine.connect() as slower:
        slow.execute(text(CHANGE.format(run=1)))
        assert watcher.look() == set()
        slower.execute(text(CHANGE.format(run=2)))
        do(engine, CHANGE.format(run=3))
        assert watcher.look() == {"runs", "run:1203"}
        assert watcher.look() == set(), "a transaction that stays open holds nothing back, and repeats nothing"
        slow.commit()
        assert watcher.look() == {"runs", "run:1201"}
        slower.rollback()
        assert watcher.look() == set()


def test_what_a_savepoint_undid_does_not_hide_what_came_after(engine: Engine) -> None:
    watcher = Watcher(engine)
    with engine.begin() as connection:
        with connection.begin_nested() as savepoint:
            connection.execute(text(CHANGE.format(run=1)))
            savepoint.rollback()
        connection.execute(text(CHANGE.format(run=1)))
    assert watcher.look() == {"runs", "run:1201"}


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("update run set quality = 'bad' where id = 2", {"runs", "run:1202"}),
        ("update file set waived_at = now() where run_id = 2", {"runs", "run:1202"}),
        ("insert into run_operation (run_id, actor, operation) values (2, 'a', 'close')", {"runs", "run:1202"}),
        ("update replica set status = 'verified' where run_id = 2", {"runs", "run:1202"}),
        ("insert into operation (actor, action, reason) values ('a', 'hold', 'b')", {"operations", "operation:1"}),
        ("insert into pause (what, name, actor, reason) values ('step', 'salt', 'a', 'b')", {"pauses"}),
        ("delete from process", {"processes"}),
        ("update dead_letter set replayed_at = now() where run_number = 1202", {"dead-letters", "runs", "run:1202"}),
        ("update campaign set status = 'closed'", {"campaigns"}),
        ("update process set role = 'none' where role = 'nobody'", set()),
    ],
)
def test_everything_that_pages_show_is_told(engine: Engine, statement: str, told: set[str]) -> None:
    watcher = Watcher(engine)
    do(engine, statement)
    assert watcher.look() == told


def test_who_comes_back_goes_on_where_they_left_and_who_comes_too_late_begins_again(engine: Engine) -> None:
    left = Watcher(engine).at
    do(engine, CHANGE.format(run=1))
    for at, told in (
        (position(left.written()), {"runs", "run:1201"}),
        (left._replace(at=left.at - 301), {EVERYTHING}),
        (left._replace(following=left.following + 10**6), {EVERYTHING}),
        (None, {EVERYTHING}),
    ):
        with engine.connect() as connection:
            assert news(connection, at).topics == told


@pytest.mark.parametrize("said", ["", "x", "1.000-5-,", "1.000-99999999999999999999-", "\u0661.000-5-", "1" * 9000])
def test_a_position_that_nobody_gave_is_none(said: str) -> None:
    assert position(said) is None


def test_a_position_is_read_as_it_was_written() -> None:
    for at in (Position(at=1763760000.125, following=20), Position(at=0.0, following=5, open=(3, 4))):
        assert position(at.written()) == at


def test_what_all_have_seen_is_forgotten_and_what_committed_just_now_is_not(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeper = Sweeper(engine, LossyBroker(), Names("headframe"), SweeperSettings())  # type: ignore[arg-type]
    with engine.connect() as late, engine.connect() as connection:
        late.execute(text(CHANGE.format(run=1)))
        sweeper.forget_changes()
        late.commit()
        monkeypatch.setattr(sweeper_module, "TOLD_S", 0)
        sweeper.forget_changes()
        assert rows(connection) == 1
        for _ in range(4):
            sweeper.forget_changes()
        connection.rollback()
        assert rows(connection) == 0


def rows(connection: Connection) -> int:
    return int(connection.execute(text("select count(*) from change")).scalar_one())
