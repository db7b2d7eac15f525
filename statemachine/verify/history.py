"""History: complete, legal, and leading to the present."""

from collections.abc import Iterator

from sqlalchemy import Connection

from .fault import Fault, by_item, faults, named
from .moves import Book, Step, is_legal

CHAINED = named("""
with h as (
  select h.item_id, h.version, trigger, from_state, from_phase, h.epoch,
    lag(h.version) over w as last_version, lag(to_state) over w as last_state,
    lag(to_phase) over w as last_phase, lag(to_epoch) over w as last_epoch
  from history h left join history_checkpoint c on c.item_id = h.item_id
  where h.item_id > :after and h.item_id <= :upto and h.version > coalesce(c.version, 0)
  window w as (partition by h.item_id order by h.version, h.at)
), joined as (
  select h.item_id, h.version, h.trigger, h.from_state, h.from_phase, h.epoch,
    coalesce(h.last_version, c.version) as last_version, coalesce(h.last_state, c.state) as last_state,
    coalesce(h.last_phase, c.phase) as last_phase, coalesce(h.last_epoch, c.epoch) as last_epoch
  from h left join history_checkpoint c on c.item_id = h.item_id and h.last_version is null
)
select {subject} as subject, case
  when j.last_version is null and j.version <> 1 then 'history-begin'
  when j.last_version is null then 'history-arrival'
  when j.version = j.last_version then 'history-double'
  when j.version <> j.last_version + 1 then 'history-gap'
  else 'history-break' end as code,
  'version ' || j.version || ' (' || j.trigger || ') goes on from '
    || coalesce(j.from_state || ' ' || j.from_phase, 'nothing') || ', epoch ' || coalesce(j.epoch::text, 'none')
    || coalesce('; version ' || j.last_version || ' ended at ' || j.last_state || ' ' || j.last_phase
      || ', epoch ' || j.last_epoch, '; nothing came before') as sentence
from joined j join item i on i.id = j.item_id {names}
where case when j.last_version is null then j.version <> 1 or j.from_state is not null
  else j.version <> j.last_version + 1 or j.from_state is distinct from j.last_state
    or j.from_phase is distinct from j.last_phase or j.epoch is distinct from j.last_epoch end
order by j.item_id, j.version
""")

# A checkpoint is stored before the lines that it stands for are dropped; in between both are there, and agree.
CHECKPOINTS = named("""
select {subject} as subject, 'checkpoint-differs' as code,
  'its checkpoint says ' || c.state || ' ' || c.phase || ', epoch ' || c.epoch || ' at version ' || c.version
  || ', history says ' || h.to_state || ' ' || h.to_phase || ', epoch ' || h.to_epoch as sentence
from history_checkpoint c join history h on h.item_id = c.item_id and h.version = c.version
join item i on i.id = c.item_id {names}
where c.item_id > :after and c.item_id <= :upto
  and (h.to_state, h.to_phase, h.to_epoch, h.campaign_id) is distinct from (c.state, c.phase, c.epoch, c.campaign_id)
order by c.item_id
""")

REPLAYS = named("""
with last as (
  select distinct on (h.item_id) h.item_id, h.version, to_state, to_phase, to_epoch
  from history h left join history_checkpoint c on c.item_id = h.item_id
  where h.item_id > :after and h.item_id <= :upto and h.version > coalesce(c.version, 0)
  order by h.item_id, h.version desc
)
select (select {subject} from item i {names} where i.id = o.id) as subject, 'history-present' as code,
  'it is ' || o.state || ' ' || o.phase || ', epoch ' || o.epoch || ', version ' || o.version || '; history says '
  || coalesce(l.to_state || ' ' || l.to_phase || ', epoch ' || l.to_epoch || ', version ' || l.version, 'nothing')
  as sentence
from item o left join history_checkpoint c on c.item_id = o.id left join last l on l.item_id = o.id
where o.id > :after and o.id <= :upto
  and (o.version, o.state, o.phase, o.epoch) is distinct from
    (coalesce(l.version, c.version), coalesce(l.to_state, c.state), coalesce(l.to_phase, c.phase),
     coalesce(l.to_epoch, c.epoch))
order by o.id
""")

MOVES = named("""
with h as (
  select h.item_id, h.version, trigger, from_state, from_phase, to_state, to_phase, h.campaign_id,
    coalesce(lag(h.campaign_id) over (partition by h.item_id order by h.version, h.at), c.campaign_id) as last_campaign
  from history h left join history_checkpoint c on c.item_id = h.item_id
  where h.item_id > :after and h.item_id <= :upto and h.version > coalesce(c.version, 0)
), moves as (
  select h.campaign_id, h.last_campaign, i.scope, h.trigger, h.from_state, h.from_phase, h.to_state, h.to_phase,
    count(*) as n, min(h.item_id) as item_id, min(h.version) as version
  from h join item i on i.id = h.item_id group by 1, 2, 3, 4, 5, 6, 7, 8
)
select m.*, c.pipeline_id, p.pipeline_id as from_pipeline_id,
  (select {subject} from item i {names} where i.id = m.item_id) as subject
from moves m join campaign c on c.id = m.campaign_id left join campaign p on p.id = m.last_campaign
""")

EPOCHS = named("""
select {subject} as subject, case when h.to_epoch < h.epoch then 'epoch-decreased' else 'epoch-used-again' end as code,
  'version ' || h.version || ' (' || h.trigger || ') went to ' || h.to_state || ' ' || h.to_phase || ' with epoch '
  || h.to_epoch || ' from epoch ' || h.epoch as sentence
from history h join item i on i.id = h.item_id {names}
where h.item_id > :after and h.item_id <= :upto and h.from_state is not null
  and (h.to_epoch < h.epoch or (h.to_phase = 'ready' and h.to_epoch = h.epoch))
order by h.item_id, h.version
""")

# Epochs grow with versions, so an epoch that was accepted before a checkpoint is none that is accepted after it, and
# the greatest one stands for all whose lines were dropped.
ACCEPTED = named("""
with doubled as (
  select h.item_id, h.epoch,
    count(*) + count(*) filter (where h.version > c.version and h.epoch <= c.accepted_epoch) as n
  from history h left join history_checkpoint c on c.item_id = h.item_id
  where h.item_id > :after and h.item_id <= :upto and h.trigger in ('succeed', 'skipped')
  group by h.item_id, h.epoch
  having count(*) > 1 or count(*) filter (where h.version > c.version and h.epoch <= c.accepted_epoch) > 0
)
select {subject} as subject, 'accepted-twice' as code,
  'epoch ' || d.epoch || ' was accepted ' || d.n || ' times' as sentence
from doubled d join item i on i.id = d.item_id {names}
order by d.item_id, d.epoch
""")


def chained(conn: Connection) -> Iterator[Fault]:
    """Versions run from 1 (or a checkpoint) without gap or double, each beginning where the last one ended."""
    return faults(conn, CHAINED)


def replays(conn: Connection) -> Iterator[Fault]:
    """The last line of history (or a checkpoint) is what the item is now; a checkpoint says what its line says."""
    yield from faults(conn, CHECKPOINTS)
    yield from faults(conn, REPLAYS)


def epochs(conn: Connection) -> Iterator[Fault]:
    """Epochs never decrease, and each entry to `ready` takes a new one."""
    return faults(conn, EPOCHS)


def accepted_once(conn: Connection) -> Iterator[Fault]:
    """No epoch of an item has succeeded or been skipped twice."""
    return faults(conn, ACCEPTED)


def legal(conn: Connection) -> Iterator[Fault]:
    """Each move is one that the item's pipeline allows. Equal moves are judged once a page."""
    book = Book(conn)
    for row in by_item(conn, MOVES):
        step = Step(row.trigger, row.from_state, row.from_phase, row.to_state, row.to_phase)
        before = book.pipeline(row.from_pipeline_id if row.from_pipeline_id is not None else row.pipeline_id)
        if is_legal(step, row.scope, book.pipeline(row.pipeline_id), before):
            continue
        origin = f"{row.from_state} {row.from_phase}" if row.from_state is not None else "nothing"
        others = f" (and {row.n - 1} like it)" if row.n > 1 else ""
        sentence = f"version {row.version} is {row.trigger} from {origin} to {row.to_state} {row.to_phase}{others}"
        yield Fault(code="illegal-move", subject=row.subject, sentence=sentence)
