"""Products: accepted once, at hand, and never where raw files arrive."""

from collections.abc import Iterator, Sequence

import msgspec
from sqlalchemy import Connection, text

from .fault import Fault, faults, named

ACCEPTED = named("""
select (select {subject} from item i {names} where i.id = p.item_id) as subject, 'product-not-accepted' as code,
  p.name || ' of epoch ' || p.epoch || ' is in the catalog, but that epoch was never accepted' as sentence
from product p where p.item_id > :after and p.item_id <= :upto
  and not exists (select from history h where h.item_id = p.item_id and h.epoch = p.epoch and h.trigger = 'succeed'
    and h.item_id > :after and h.item_id <= :upto)
  and not exists (select from history_checkpoint c join attempt a on a.item_id = c.item_id
    where c.item_id = p.item_id and a.epoch = p.epoch and c.accepted_epoch >= p.epoch and a.outcome = 'succeeded'
    and c.item_id > :after and c.item_id <= :upto and a.item_id > :after and a.item_id <= :upto)
union all
select (select {subject} from item i {names} where i.id = p.item_id), 'products-of-two-epochs',
  'step ' || p.step || ' has products of epochs ' || string_agg(distinct p.epoch::text, ', ') || ' that stand'
from product p where p.item_id > :after and p.item_id <= :upto and p.superseded_at is null
group by p.item_id, p.step having count(distinct p.epoch) > 1
""")

SHARED = text("""
select 'file ' || f.name || ' of run ' || run.number as subject, p.step, count(distinct p.item_id) as n
from product p join file f on f.id = p.file_id join run on run.id = f.run_id
where p.campaign_id is null and p.superseded_at is null
group by f.id, f.name, run.number, p.step having count(distinct p.item_id) > 1
""")

WITHOUT_REPLICA = named("""
select {subject} as subject, 'product-without-replica' as code,
  p.name || ' of step ' || p.step || ', epoch ' || p.epoch || ' lies nowhere' as sentence
from product p join item i on i.id = p.item_id {names}
where p.item_id > :after and p.item_id <= :upto and p.superseded_at is null
  and not exists (select from replica r where r.product_id = p.id and r.retired_at is null)
order by p.id
""")

IN_INBOX = text("""
select r.site || ':' || r.path as subject, r.role, b.path as inbox
from jsonb_to_recordset(cast(:inboxes as jsonb)) as b(site text, path text)
join replica r on r.site = b.site and (b.path in ('', '.') or r.path = b.path or starts_with(r.path, b.path || '/'))
where r.retired_at is null and (r.product_id is not null or r.item_id is not null)
order by r.id
""")


def accepted(conn: Connection) -> Iterator[Fault]:
    """Each product's epoch was accepted; of one step of one item, and of what campaigns share, one epoch stands."""
    yield from faults(conn, ACCEPTED)
    for row in conn.execute(SHARED):
        sentence = f"step {row.step} was accepted for it in {row.n} campaigns, and all stand"
        yield Fault(code="shared-twice", subject=row.subject, sentence=sentence)


def has_replica(conn: Connection) -> Iterator[Fault]:
    """Each product that stands lies somewhere."""
    return faults(conn, WITHOUT_REPLICA)


def not_in_inbox(conn: Connection, inboxes: Sequence[tuple[str, str]]) -> Iterator[Fault]:
    """Nothing that a step wrote lies where the watcher would take it for a raw file."""
    rows = [{"site": site, "path": path.strip("/")} for site, path in inboxes]
    for row in conn.execute(IN_INBOX, {"inboxes": msgspec.json.encode(rows).decode()}):
        sentence = f"{row.role} written by a step lies under inbox {row.inbox or '/'}"
        yield Fault(code="product-in-inbox", subject=row.subject, sentence=sentence)
