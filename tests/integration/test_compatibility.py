"""Which code works on which schema: processes wait for an old one, refuse one that is too new, and say so in a line."""

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from headframe import __version__
from headframe.daemon import doctor, fitting
from headframe.daemon.monitor.waiting import Waiting
from headframe.statemachine import compatibility, database

from .rabbit_server import RabbitServer
from .server_tables import server_tables
from .servers import Process, wait_until

LATER = "update alembic_version set version_num = '0099_later'"
CONTRACTED = f"{LATER}; update compatibility set oldest = '9.0.0', by = '9.1.0'"
EXPANDED = f"{LATER}; update compatibility set by = '9.1.0'"
BEFORE = "0011_pilots"


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    made = database.connect(empty_database_url, "mine")
    yield made
    made.dispose()


@pytest.fixture
def config(tmp_path: Path, empty_database_url: str) -> Path:
    file = tmp_path / "headframe.toml"
    file.write_text(f'instance = "mine"\n[database]\nurl = "{empty_database_url}"\n')
    return file


def said(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return compatibility.fits(connection)


def do(engine: Engine, statements: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statements))


def command(config: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "headframe", "--config", str(config), *words]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)


def test_the_known_revisions_are_those_of_the_migrations_in_their_order(engine: Engine) -> None:
    with engine.connect() as connection:
        script = ScriptDirectory.from_config(database._alembic(connection))
    assert list(compatibility.known()) == [each.revision for each in script.walk_revisions()][::-1]


def test_a_schema_fits_once_it_is_there_and_of_this_code(engine: Engine) -> None:
    assert said(engine) == "there is no schema of headframe; run: headframe db upgrade"
    database.upgrade(engine, "mine", BEFORE)
    wanted = compatibility.known()[-1]
    line = f"the schema is at revision {BEFORE}, headframe {__version__} wants {wanted}; run: headframe db upgrade"
    assert said(engine) == line
    database.upgrade(engine, "mine")
    assert said(engine) is None
    with engine.connect() as connection:
        row = connection.execute(text("select oldest, revision, by from compatibility")).one()
    assert tuple(row) == ("0.1.0", wanted, __version__)


def test_a_newer_schema_fits_until_it_contracts(engine: Engine) -> None:
    database.upgrade(engine, "mine")
    do(engine, EXPANDED)
    assert said(engine) is None
    do(engine, CONTRACTED)
    assert said(engine) == (
        f"the schema is at revision 0099_later of headframe 9.1.0, on which headframe {__version__} cannot work; "
        "run 9.0.0 or later"
    )
    with engine.connect() as connection:
        assert compatibility.fit(connection, "10.0.0rc1").fits
        assert not compatibility.fit(connection, "8.12.0").fits


def test_one_who_runs_alone_brings_an_old_schema_up_and_leaves_a_later_one_that_fits(engine: Engine) -> None:
    fitting.bring_up(engine, "mine")
    assert said(engine) is None
    do(engine, EXPANDED)
    fitting.bring_up(engine, "mine")
    do(engine, CONTRACTED)
    with pytest.raises(compatibility.SchemaTooNewError, match=r"run 9\.0\.0 or later"):
        fitting.bring_up(engine, "mine")


def test_what_running_processes_still_use_is_not_taken_away(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last migration is made one that contracts."""
    before = compatibility.known()[-2]
    database.upgrade(engine, "mine", before)
    files = compatibility._files()
    compatibility.oldest.cache_clear()
    monkeypatch.setattr(compatibility, "_files", lambda: (*files[:-1], f"{files[-1]}\nCONTRACTS = '0.2.0'\n"))
    process = "insert into process (owner, role, host, version) values ('{0}', 'worker', 'n{0}', '{1}')"
    do(engine, "; ".join(process.format(*each) for each in ((1, "0.1.0"), (2, "0.1.9"), (3, "0.2.0"))))
    with pytest.raises(compatibility.StillNeededError) as refused:
        database.upgrade(engine, "mine")
    assert "2 such processes were seen in the last two minutes: worker 0.1.0 on n1, worker 0.1.9 on n2" in str(
        refused.value
    )
    assert database.revisions(engine)[0] == before
    do(engine, "update process set seen_at = seen_at - interval '3 minutes' where version < '0.2'")
    database.upgrade(engine, "mine")
    with engine.connect() as connection:
        assert connection.execute(text("select oldest from compatibility")).scalar_one() == "0.2.0"
    compatibility.oldest.cache_clear()


def test_a_right_that_is_not_there_yet_tells_nothing_of_what_was_to_be_written(engine: Engine) -> None:
    """So a conductor waits between a migration that makes a table and its grants, and buries no message."""
    database.upgrade(engine, "mine")
    role = f"r{secrets.token_hex(4)}"
    with engine.connect() as connection:
        connection.execute(text(f"create role {role}; grant usage on schema mine to {role}; set local role {role}"))
        with pytest.raises(DBAPIError) as refused:
            connection.execute(text("select * from item"))
        connection.rollback()
    assert database.is_passing(refused.value)
    with capture_logs() as told:
        Waiting().away(refused.value)
    assert "a right in PostgreSQL is missing" in told[0]["event"]
    assert "headframe db roles" in told[0]["todo"]


def test_a_schema_of_nobody_knows_whom_is_refused(engine: Engine) -> None:
    database.upgrade(engine, "mine")
    do(engine, f"{LATER}; delete from compatibility")
    assert "does not say who may work on it" in (said(engine) or "")


@pytest.mark.parametrize("later", [EXPANDED, CONTRACTED])
def test_an_upgrade_by_an_older_version_is_refused_and_changes_nothing(
    engine: Engine, config: Path, later: str
) -> None:
    database.upgrade(engine, "mine")
    do(engine, later)
    done = command(config, "db", "upgrade")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("headframe: headframe 9.1.0 brought the schema to revision 0099_later; ")
    assert "Nothing changed. A schema never goes back" in line
    with engine.connect() as connection:
        assert connection.execute(text("select version_num from alembic_version")).scalar() == "0099_later"


def test_the_check_says_whether_it_fits(engine: Engine, config: Path) -> None:
    done = command(config, "db", "check")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "headframe: there is no schema of headframe; run: headframe db upgrade",
    )
    database.upgrade(engine, "mine")
    done = command(config, "db", "check")
    assert done.returncode == 0
    assert done.stdout == f"this headframe may work on the schema mine: at revision {compatibility.known()[-1]}\n"
    do(engine, CONTRACTED)
    for words in (("db", "check"), ("db", "check", "--wait"), ("get", "runs")):
        done = command(config, *words)
        assert done.returncode == 1, "there is nothing to wait for"
        assert "cannot work; run 9.0.0 or later" in done.stderr


@pytest.mark.parametrize(
    ("statements", "level", "said"),
    [
        ("select 1", "ok", "at revision {present}"),
        (EXPANDED, "ok", "on which versions from 0.1.0 on may work"),
        (CONTRACTED, "fail", "on which headframe {version} cannot work; run 9.0.0 or later"),
        (f"update alembic_version set version_num = '{BEFORE}'", "fail", "wants {present}; run: headframe db upgrade"),
    ],
)
def test_doctor_says_of_the_schema_what_there_is_to_do(engine: Engine, statements: str, level: str, said: str) -> None:
    """An upgrade by this code is no remedy for a schema that is too new for it."""
    database.upgrade(engine, "mine")
    do(engine, statements)
    (found,) = doctor._schema(engine)
    assert found.level == level
    assert found.sentence.endswith(said.format(present=compatibility.known()[-1], version=__version__))
    assert not found.todo


def test_the_check_waits_for_the_migration(engine: Engine, config: Path, tmp_path: Path) -> None:
    done = command(config, "db", "check", "--wait", "--timeout", "200ms")
    assert done.returncode == 124, done.stderr
    log = tmp_path / "log"
    line = [sys.executable, "-m", "headframe", "--config", str(config), "db", "check", "--wait"]
    waiting = Process(line, dict(os.environ), log, tmp_path)
    wait_until(lambda: "waiting: there is no schema" in log.read_text(), 30, "it says what it waits for")
    database.upgrade(engine, "mine")
    assert waiting.popen.wait(30) == 0, log.read_text()


def test_a_wait_tells_each_thing_once_and_ends_when_told(engine: Engine) -> None:
    stop, told = threading.Event(), list[str]()

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 2:
            stop.set()
        else:
            database.upgrade(engine, "mine", BEFORE)

    assert fitting.wait(engine, stop, tell) is False
    assert [line.split(";")[0].split(",")[0] for line in told] == [
        "there is no schema of headframe",
        f"the schema is at revision {BEFORE}",
    ]


@pytest.mark.parametrize(
    "words",
    [("conductor",), ("sweeper",), ("watch",), ("web",), ("db", "recovered", "--yes"), ("db", "roles", "--apply")],
    ids=" ".join,
)
def test_who_would_work_on_a_schema_that_is_too_new_refuses_it(
    engine: Engine,
    words: tuple[str, ...],
    tmp_path: Path,
    empty_database_url: str,
    rabbit: RabbitServer,
    rabbit_instance: str,
) -> None:
    database.upgrade(engine, "mine")
    do(engine, CONTRACTED)
    config = tmp_path / "headframe.toml"
    config.write_text(server_tables(tmp_path, "mine", empty_database_url, rabbit) + "[[pipeline.default.step]]\n")
    config.write_text(config.read_text() + 'name = "catalog"\nto = "cataloged"\nmakes = "nothing"\n[web]\nport = 0\n')
    done = command(config, *words)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("headframe: the schema is at revision 0099_later of headframe 9.1.0")
