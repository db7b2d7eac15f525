"""What tests of operators' actions share: many failed files, calls over REST, counting moves."""

from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from headframe.statemachine.verify import verify

from .small_machine import SmallMachine

OPERATIONS = "/api/v1/operations"


def ask(client: FlaskClient, action: str, key: str = "", *, dry_run: bool = False, **body: Any) -> TestResponse:
    """Order an action, with the reason `because` unless another is given."""
    headers = {"Idempotency-Key": key} if key else {}
    sent = {"action": action, "reason": "because", **body}
    return client.post(f"{OPERATIONS}?dry_run={str(dry_run).lower()}", json=sent, headers=headers)


def failing(machine: SmallMachine, run: int, *sequences: int) -> None:
    """Let files of a run arrive and fail for good."""
    machine.arrive(run, *sequences)
    for sequence in sequences:
        machine.say(run, sequence, "fail", reason_code="bad", reason="broken", permanent=True)


def many_failed(machine: SmallMachine, n: int) -> None:
    """Let run 1 have so many files, all of which have failed."""
    machine.arrive(1, 1)
    for statement in (FILES, ITEMS, FAIL):
        machine.sql(statement, n=n)
    with machine.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))


def moves(engine: Engine, trigger: str) -> int:
    """Count in history how often a trigger was used."""
    with engine.connect() as connection:
        statement = text("select count(*) from history where trigger = :trigger")
        return int(connection.execute(statement, {"trigger": trigger}).scalar_one())


def sound(engine: Engine) -> bool:
    """Say whether every invariant holds."""
    with engine.connect() as connection:
        return list(verify(connection)) == []


FILES = """
insert into file (run_id, sequence, name, site, path, size, mtime_ns, registered_at)
select f.run_id, n, 'f' || n, 'source', 'inbox/f' || n, 1, 1, now()
from file f, generate_series(2, cast(:n as int)) n where f.sequence = 1 order by n
"""
ITEMS = """
insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, step, trigger)
select i.campaign_id, i.pipeline_id, i.run_id, f.id, 'file', i.kind, i.state, 'ready', i.step, 'arrive'
from item i, file f where i.file_id is not null and f.sequence between 2 and :n order by f.id
"""
FAIL = """
update item set phase = 'failed', version = version + 1, trigger = 'fail', reason_code = 'bad',
  trouble_since = clock_timestamp()
where file_id is not null and :n > 0
"""
