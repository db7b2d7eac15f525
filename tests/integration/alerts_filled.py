"""Alerts as rows: open, known of, over; who is told, and whether the detector runs. For tests that need no sweeper."""

from sqlalchemy import Connection, Engine, text

from headframe.statemachine.alerting import BY_CODE
from headframe.statemachine.store.alerts import acknowledge
from headframe.statemachine.store.detector import say_from_outside

OPEN = """
insert into alert (code, name, severity, sentence, command, since, fired_at, told_at, calm_since)
select :code, :name, :severity, :sentence, :command, at, at, at, case when :calm then now() - interval '1 min' end
from (select now() - :minutes * interval '1 min' as at) as began
"""
OVER = """
insert into alert (code, severity, sentence, command, since, fired_at, cleared_at)
select 'no-worker', 'page', n * 40 || ' files wait for reconstruct, and no worker takes it', 'headframe worker',
  now() - n * interval '9 hours', now() - n * interval '9 hours', now() - n * interval '8 hours'
from generate_series(1, 3) as n
"""
TOLD = """
insert into alert_notice (receiver, body, tries, error, sent_at) values
  ('mail', '{}', 1, '', now() - interval '12 min'),
  ('chat', '{}', 4, 'https://chat.example.org answers 503: Service Unavailable', null)
"""


def fill_alerts(engine: Engine) -> None:
    """Let four alerts be open, of which somebody knows one; others are over."""
    with engine.begin() as connection:
        be_so(connection, "site-down", "UKDC", "site UKDC is down: /mnt/ukdc: Transport endpoint is not connected", 12)
        be_so(connection, "buffer-full-soon", "SURF", "SURF is full in 3 hours: 30 MB are left, 2.7 kB/s come in", 95)
        be_so(connection, "broker-away", "", "the broker has not answered a conductor for 2 min", 3, calm=True)
        be_so(connection, "failed-items", "", "3 failed: somebody must look and requeue or abandon", 1500)
        acknowledge(connection, "buffer-full-soon", "SURF", "eve", "tapes are on their way", 4 * 3600)
        say_from_outside(connection, "daq", True, "run 1212", 3600)
        connection.execute(text(OVER))
        connection.execute(text(TOLD))


def be_so(
    connection: Connection, code: str, name: str, sentence: str, minutes: float = 5, *, calm: bool = False
) -> None:
    """Let an alert be open since so many minutes."""
    kind = BY_CODE[code]
    values = {
        "code": code,
        "name": name,
        "severity": kind.severity,
        "sentence": sentence,
        "command": kind.command.format(name=name),
    }
    connection.execute(text(OPEN), {**values, "minutes": minutes, "calm": calm})
