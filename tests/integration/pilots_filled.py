"""Launchers, pilots and nodes set aside, as rows: for tests that need no launcher."""

import itertools
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, text

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


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
