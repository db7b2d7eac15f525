"""What the sums of metrics have to be, counted again from history, replicas and files."""

from collections import Counter
from typing import Any

from sqlalchemy import Connection, text

from headframe.statemachine.views.sums import Sums

TRANSITIONS = "select trigger, count(*) as n from history group by trigger"
ATTEMPTS = """
select s.step, case when h.trigger in ('succeed', 'skipped') then 'done'
  when h.trigger in ('bypassed', 'reused') then 'passed' else h.trigger || 'ed' end as outcome, count(*) as n
from history h join item i on i.id = h.item_id join campaign c on c.id = h.campaign_id
join step_rule s on s.pipeline_id = c.pipeline_id and s.scope = i.scope and s.state = h.from_state
where h.trigger in ('succeed', 'skipped', 'bypassed', 'reused', 'fail', 'interrupt') group by 1, 2
"""
RETRIES = """
select count(*) from history where trigger in ('fail', 'interrupt') and to_phase = 'ready'
"""
ARRIVED = "select count(*) from file where registered_at is not null"
WRITTEN = "select site, sum(size) as n from replica where item_id is not null group by site"
REACHED = """
select to_state as state, count(distinct h.item_id) as n
from history h join item i on i.id = h.item_id join campaign c on c.id = h.campaign_id
where i.scope = 'file' and c.kind = 'realtime'
  and h.trigger in ('arrive', 'succeed', 'skipped', 'bypassed', 'reused')
group by 1
"""


def recounted(conn: Connection) -> dict[str, Any]:
    """Give transitions, attempts by step and outcome, retries, files, bytes by site, files by the state reached."""

    def counted(question: str) -> dict[Any, int]:
        return {tuple(row)[:-1] if len(row) > 2 else row[0]: int(row.n) for row in conn.execute(text(question))}

    return {
        "transitions": counted(TRANSITIONS),
        "attempts": counted(ATTEMPTS),
        "retries": conn.execute(text(RETRIES)).scalar_one(),
        "arrived": conn.execute(text(ARRIVED)).scalar_one(),
        "written": counted(WRITTEN),
        "reached": counted(REACHED),
    }


def told(sums: Sums) -> dict[str, Any]:
    """Give the same from the sums."""
    attempts: Counter[Any] = Counter()
    for (step, _, outcome), n in sums.attempts.items():
        attempts[step, outcome] += n
    return {
        "transitions": sums.transitions,
        "attempts": dict(attempts),
        "retries": sum(sums.retries.values()),
        "arrived": sum(sums.arrived.values()),
        "written": sums.written,
        "reached": {state: each.n for state, each in sums.reached.items()},
    }
