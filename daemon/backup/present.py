"""What a restore would meet: what is in the database now, and who works on it."""

from sqlalchemy import Connection, Engine, text

from ...statemachine.database import session_name
from ...statemachine.queries import query
from ...statemachine.records import Record
from ...statemachine.store.backups import left_aside, rows, unfinished

LIVELY_S = 20
"""Who was heard of so lately is taken to be still running."""
DAEMONS = ("conductor", "sweeper", "watch", "web", "up")
RESTORE = "restore"
"""The role of pg_restore's sessions: it may outlive a restore that was killed."""


class Present(Record):
    """What is in the database now: rows that would be lost, processes that were heard of lately, or have sessions.

    `perhaps` are sessions of processes of 0.1.0, of this instance or of another one in this database. `unfinished`
    says that the schema is what a killed restore had brought in so far, `aside` are schemas that such a one left.
    """

    schema: bool = False
    unfinished: bool = False
    rows: int = 0
    runs: int = 0
    files: int = 0
    alive: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()


def present(engine: Engine, instance: str) -> Present:
    """Look at what a restore would replace."""
    with engine.connect() as connection:
        aside = left_aside(connection, instance)
        alive, perhaps = _sessions(connection, instance)
        there = connection.execute(text("select to_regnamespace(:name)"), {"name": instance}).scalar() is not None
        begun = there and unfinished(connection, instance)
        if not there or begun:
            return Present(schema=there, unfinished=begun, aside=aside, alive=alive, perhaps=perhaps)
        runs, files, people, tokens = (counted(connection, name) for name in ("run", "file", "person", "api_token"))
        if _is_there(connection, "process"):
            heard = connection.execute(query("heard_lately"), {"lively_s": LIVELY_S})
            alive = (*(f"{row.role} on {row.host}" for row in heard), *alive)
        return Present(
            schema=True, rows=runs + files + people + tokens, runs=runs, files=files, alive=alive, perhaps=perhaps,
            aside=aside,
        )  # fmt: skip


def counted(connection: Connection, table: str) -> int:
    """Count the rows of a table, none where it is not there."""
    return rows(connection, table) if _is_there(connection, table) else 0


def _sessions(connection: Connection, instance: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the sessions of daemons in this database: those that are ours for sure, and those that may be another's.

    One of 0.1.0 says what it is, and not of which instance: that is sure only where there is no other instance.
    """
    ours = [session_name(instance, role) for role in (*DAEMONS, RESTORE)]
    found = connection.execute(query("daemon_sessions"), {"ours": ours, "unsaid": list(DAEMONS)}).all()
    others = int(connection.execute(query("other_instances")).scalar_one()) > 0
    sure = tuple(_session(row.name, row.pid) for row in found if row.ours or not others)
    return sure, tuple(_session(row.name, row.pid) for row in found if others and not row.ours)


def _session(name: str, pid: int) -> str:
    return f"{name} (process {pid} of PostgreSQL)"


def _is_there(connection: Connection, table: str) -> bool:
    return connection.execute(text("select to_regclass(:name)"), {"name": table}).scalar() is not None
