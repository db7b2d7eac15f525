"""Launchers, pilots and nodes set aside, as rows: for tests that need no launcher."""

import itertools
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, text

_TOKENS = itertools.count(1)
PILOT = """
insert into pilot (token, launcher, name, steps, status, job, node, state, code, reason, log, large, restarts, request,
  detail, usage, told, told_by, told_reason, created_at, submitted_at, started_at, ends_at, ended_at, heard_at, seen_at)
values (:token, :launcher, :name, :steps, :status, :job, :node, :state, :code, :reason, :log, :large, :restarts,
  cast(:request as jsonb), cast(:detail as jsonb), cast(:usage as jsonb), :told, :told_by, :told_reason,
  now() - cast(:created as interval), now() - cast(:submitted as interval), now() - cast(:started as interval),
  now() + cast(:left as interval), now() - cast(:ended as interval), now() - cast(:heard as interval), now())
returning id
"""
ABSENT = dict.fromkeys(("submitted", "started", "left", "ended", "heard"))
PLAIN = {
    **ABSENT, **dict.fromkeys(("job", "node", "state", "code", "reason", "log", "told", "told_by", "told_reason"), ""),
    "launcher": "cori", "name": "reco", "steps": "reconstruct", "status": "intended", "large": False, "restarts": 0,
    "request": "{}", "detail": "{}", "usage": "{}", "created": "10 min",
}  # fmt: skip


def pilot(connection: Connection, **said: Any) -> int:
    """Write a pilot; times are how long ago (`left`: from now), such as `5 min`. Give its number."""
    token = said.pop("token", f"hf-test-{next(_TOKENS):016x}")
    known = {name: _json(value) if isinstance(value, Mapping) else value for name, value in said.items()}
    return int(connection.execute(text(PILOT), {**PLAIN, "token": token, **known}).scalar_one())


def launcher(connection: Connection, name: str = "cori", *, silent: str = "0 s", **detail: Any) -> None:
    """Let a launcher have been heard of so long ago."""
    said = {"launcher": name, "back_end": "commands", "cluster": name, "trouble": {}, "names": ["reco"], **detail}
    connection.execute(
        text(
            "insert into process (owner, role, host, version, detail, started_at, seen_at) values "
            "('launcher-' || :name, 'launcher', 'login04', '0.5', cast(:detail as jsonb), now() - interval '1 hour', "
            "now() - cast(:silent as interval)) on conflict (owner) do update set detail = excluded.detail, "
            "seen_at = excluded.seen_at"
        ),
        {"name": name, "detail": _json(said), "silent": silent},
    )


def set_aside(connection: Connection, node: str, reason: str = "5 attempts in a row ended there by io-error") -> None:
    """Set a node aside, as the sweeper does."""
    connection.execute(
        text("insert into pause (what, name, actor, reason) values ('node', :node, 'sweeper', :reason)"),
        {"node": node, "reason": reason},
    )


REQUEST = {
    "partition": "realtime", "account": "m1234", "qos": "realtime", "reservation": "xenon", "constraint": "cpu",
    "nodes": 1, "workers": 4, "cores": 32, "memory": 64_000_000_000, "walltime": 14_400,
    "options": ["--licenses=cfs,scratch", "--comment=<b>shift</b>"], "script": "module load apptainer\numask 002",
}  # fmt: skip
OWNED = """
update process set host = 'nid004242', detail = jsonb_build_object('name', :pilot || '-' || owner, 'job', '4711',
  'pilot', :token, 'steps', jsonb_build_array('reconstruct')) where owner in ('w-3', 'w-10')
"""
TRIED = """
update attempt set job = '4711', host = 'nid004242' where owner in ('w-3', 'w-10')
"""


def fill_pilots(engine: Engine) -> dict[str, int]:
    """Let a launcher keep pilots in every state beside a database of `web_filled`; give their numbers by word."""
    with engine.begin() as connection:
        refused = "Batch job submission failed: Invalid qos specification; tried again at 05:41:00 UTC"
        launcher(connection, "perlmutter", names=["reco", "merge"], trouble={"merge": refused})
        launcher(connection, "old", silent="2 h", back_end="pyslurm", names=["salting"])
        set_aside(connection, "nid004199")
        common = {"launcher": "perlmutter", "steps": "reconstruct", "request": REQUEST, "log": "/global/logs/%j.out"}
        over = {**common, "node": "nid004199", "submitted": "3 h", "started": "150 min", "heard": "2 h"}
        used = {"elapsed_s": 1800.0, "cpu_s": 50_000.0, "cpus": 32, "memory_peak": 41_000_000_000, "queue_s": 1800.0}
        made = {
            "failed": pilot(
                connection, **over, status="ended", job="4690", ended="2 h", state="FAILED", code="failed",
                reason="exit code 1", created="3 h",
            ),
            "preempted": pilot(
                connection, **over, status="ended", job="4691", ended="1 h", state="PREEMPTED", code="preempted",
                reason="PREEMPTED", usage=used, created="3 h",
            ),
            "refused": pilot(
                connection, **common, status="refused", ended="1 h", code="refused", reason=refused, created="1 h"
            ),
            "running": pilot(
                connection, **common, token="hf-headframe-5f0c9a1b2d3e4f50", status="running", job="4711",
                node="nid004242", state="RUNNING", started="50 min", submitted="55 min", left="190 min", heard="5 s",
                created="1 h", detail={"what": "running", "cpus": 32, "memory": 64_000_000_000, "workers": 2},
            ),
            "leaving": pilot(
                connection, **common, status="running", job="4712", node="nid004243", state="RUNNING", started="40 min",
                left="6 min", told="drain", told_by="ada", told_reason="the node is to be rebooted <b>", heard="5 s",
            ),
            "pending": pilot(
                connection, **common, status="pending", job="4713", state="PENDING", reason="Resources", large=True,
                submitted="9 min",
            ),
            "held": pilot(
                connection, **common, status="pending", job="4714", state="PENDING", reason="JobHeldUser",
                submitted="20 min",
            ),
            "intended": pilot(connection, **common, created="3 s"),
        }  # fmt: skip
        connection.execute(text(OWNED), {"pilot": "reco", "token": "hf-headframe-5f0c9a1b2d3e4f50"})
        connection.execute(text(TRIED))
    return made


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
