"""What a process writes to its log."""

import logging
from collections.abc import Iterator

import msgspec
import pytest

from headframe.consumers.broker.rabbit_io import quiet_pika
from headframe.daemon import logs
from headframe.daemon.config import Config
from headframe.daemon.config.model import Log


@pytest.fixture
def levels() -> Iterator[None]:
    """Leave the loggers as they were."""
    names = ("", "pika", "sqlalchemy", "sqlalchemy.pool", "alembic", "uvicorn", "watchdog")
    root, before = logging.getLogger(), {name: logging.getLogger(name).level for name in names}
    handlers = root.handlers[:]
    logging.getLogger("pika").setLevel(logging.NOTSET)
    yield
    root.handlers[:] = handlers
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.usefixtures("levels")
def test_a_broker_that_is_away_is_said_in_our_one_line_and_not_in_pikas_six() -> None:
    logs.set_up(Config())
    quiet_pika()
    assert not logging.getLogger("pika.connection").isEnabledFor(logging.ERROR)
    assert logging.getLogger("headframe").isEnabledFor(logging.INFO)


@pytest.mark.usefixtures("levels")
def test_what_strangers_write_begins_no_line_of_its_own_and_steers_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.set_up(msgspec.structs.replace(Config(), log=Log(format="text")))
    logging.getLogger("headframe").warning("GET %s failed", "/a\r\n2026 [info] all is well\x1b[2J\x9b2J\u202e")
    logging.getLogger().handlers[0].flush()
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert "/a\\x0d\\x0a2026 [info] all is well\\x1b[2J\\x9b2J\\u202e" in written
