"""What the measures have to be, counted again line by line from the history, the attempts and the files."""

import math
from collections import Counter
from typing import Any

from sqlalchemy import Connection, text

HISTORY = "select * from history order by item_id, version"
ATTEMPTS = "select *, extract(epoch from ended_at - started_at) as lasted from attempt"
ITEMS = """
select i.id, i.scope, coalesce(f.closed_ns / 1e9, extract(epoch from f.registered_at)) as closed
from item i left join file f on f.id = i.file_id
"""
STEPS = "select c.id, c.kind, s.state, s.scope, s.step from campaign c join step_rule s using (pipeline_id)"
MEASURED = ("succeed", "skipped", "bypassed", "reused", "fail", "interrupt")
COLUMNS = {"succeed": "done", "skipped": "done", "bypassed": "passed", "reused": "passed", "fail": "failed"}


def bucket(seconds: float) -> int:
    return math.floor(8 * math.log(max(seconds, 0.001)) / math.log(2))


def recounted(conn: Connection) -> tuple[Counter[Any], Counter[Any], Counter[Any]]:
    """Give latencies (what, step, campaign, bucket), rates (campaign, step, column) and failures (family, campaign)."""
    attempts = {(row.item_id, row.epoch): row for row in conn.execute(text(ATTEMPTS))}
    items = {row.id: row for row in conn.execute(text(ITEMS))}
    rules = conn.execute(text(STEPS)).all()
    steps = {(row.id, row.scope, row.state): row.step for row in rules}
    purposes = {row.id: row.kind for row in rules}
    latencies: Counter[Any] = Counter()
    rates: Counter[Any] = Counter()
    failures: Counter[Any] = Counter()
    lines: dict[int, list[Any]] = {}
    for line in conn.execute(text(HISTORY)):
        before = lines.setdefault(line.item_id, [])
        if line.trigger in MEASURED:
            item, attempt = items[line.item_id], attempts.get((line.item_id, line.epoch))
            step = steps[line.campaign_id, item.scope, line.from_state]
            rates[line.campaign_id, step, COLUMNS.get(line.trigger, "interrupted")] += 1
            worked = _worked(attempt)
            if line.trigger == "succeed":
                latencies["working", step, line.campaign_id, bucket(worked)] += 1
                for ready in _ready(before, line.epoch):
                    waited = (line.at - ready).total_seconds() - worked
                    latencies["waiting", step, line.campaign_id, bucket(waited)] += 1
            if item.scope == "file" and line.to_phase == "done" and all(each.to_phase != "done" for each in before):
                realtime = purposes[line.campaign_id] == "realtime"
                began = float(item.closed) if realtime else before[0].at.timestamp()
                latencies["latency", "", line.campaign_id, bucket(line.at.timestamp() - began)] += 1
            if attempt is not None and attempt.family and line.trigger in ("fail", "interrupt"):
                failures[attempt.family, line.campaign_id] += 1
        before.append(line)
    return latencies, rates, failures


def kept(conn: Connection) -> tuple[Counter[Any], Counter[Any], Counter[Any]]:
    """Give the same from the measures."""
    latencies: Counter[Any] = Counter()
    for row in conn.execute(text("select * from measure_latency")):
        latencies[row.what, row.step, row.campaign_id, row.bucket] += row.n
    rates: Counter[Any] = Counter()
    for row in conn.execute(text("select * from measure_rate")):
        for column in ("done", "passed", "failed", "interrupted"):
            rates[row.campaign_id, row.step, column] += getattr(row, column)
    failures: Counter[Any] = Counter()
    for row in conn.execute(text("select * from measure_failure")):
        failures[row.family, row.campaign_id] += row.n
    return latencies, +rates, failures


def _worked(attempt: Any) -> float:
    if attempt is None:
        return 0.0
    wall = attempt.usage.get("wall_s")
    return max(0.0, float(wall if wall is not None else attempt.lasted or 0))


def _ready(before: list[Any], epoch: int) -> list[Any]:
    entered = [line for line in before if line.to_epoch == epoch and line.to_phase == "ready"]
    return [line.at for line in entered if line.trigger not in ("fail", "interrupt")][-1:]
