"""What the pages about the service show, beside a database filled by `web_filled`: queues, sites, what was done."""

from sqlalchemy import Engine, text

DEPTHS = """
insert into queue_depth (queue, kind, step, lane, messages, consumers) values
  ('headframe.work.salt.live', 'work', 'salt', 'live', 7, 3), ('headframe.arrivals', 'arrivals', '', '', 5, 0),
  ('headframe.dead', 'dead', '', '', null, 0)
"""
SITES = """
insert into site (name, kind, path, space) values ('SURF', 'source', '/data/surf',
  jsonb_build_object('total', 1000000000, 'free', 30000000, 'at', now(), 'host', 'gate1'))
"""
OPERATIONS = """
insert into operation (at, actor, action, selection, reason, total, done, changed, status, finished_at)
select now() - n * interval '1 min', (array['ada', 'bob'])[1 + n % 2], (array['resolve', 'hold'])[1 + n % 2],
  jsonb_build_object('runs', jsonb_build_array(1201 + n % 5)), 'because <b>' || n, 100, 40, 40,
  case when n = 1 then 'running' else 'done' end, case when n = 1 then null else now() end
from generate_series(1, 120) n
"""


def fill_service(engine: Engine) -> None:
    """Let the broker have been looked at, a site be nearly full, and operators have done much."""
    with engine.begin() as connection:
        for statement in (DEPTHS, SITES, OPERATIONS):
            connection.execute(text(statement))
