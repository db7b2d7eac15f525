"""How much room the tables take, and what each grows with."""

import msgspec
from sqlalchemy import Connection, func, select, table, text

from .fields import View

GROWS = {
    "history": "with every change; whole months can be dropped",
    "history_checkpoint": "a row an item whose history was dropped",
    "attempt": "with every attempt",
    "item": "with files and campaigns",
    "file": "with files",
    "product": "with files",
    "replica": "with files and copies",
    "salt_record": "with salted files",
    "catalog_entry": "with files",
    "original": "with files",
    "run": "with runs",
    "run_operation": "with what operators say of runs",
    "operation": "with what operators do",
    "operation_item": "stays short: a row goes when its item has been acted on",
    "answered": "with small changes by programs; goes after 30 days",
    "note": "with what people write about runs",
    "count_total": "with runs",
    "count_delta": "stays short: folded every second",
    "count_whole": "stays short",
    "change": "stays short: what the last minutes changed, for those who watch",
    "settle": "stays short: a row goes when its work is done",
    "alert": "stays short: open ones, and those of the last month",
    "alert_ack": "with what operators acknowledge; goes after a month",
    "alert_notice": "with what is told of alerts; goes after a month",
    "detector": "stays short: a row a source",
    "backup": "with backups that are made",
    "compatibility": "one row",
    "late": "with what comes too late; goes with the months of history",
    "dead_letter": "with messages and files that could not be used, kept whole",
    "measure_due": "stays short: taken every few seconds",
    "measure_latency": "with time, campaigns and run types; hours after 2 days, days after 90",
    "measure_rate": "with time and campaigns; hours after 2 days, days after 90",
    "measure_failure": "with time and kinds of failure; hours after 2 days, days after 90",
    "failure_family": "with kinds of failure",
    "sum_total": "stays short: what metrics count, without runs and files",
    "sum_delta": "stays short: folded every few seconds",
    "site_sample": "with sites: a row each five minutes, for a week",
    "person": "with local users",
    "api_token": "with tokens made; stays for the record",  # a sentence of a table  # nosec B105
    "web_session": "with sign-ins; goes a week after its end",
    "access_event": "with sign-ins and changes of roles; goes after a year",
    "web_secret": "one row",  # a sentence of a table  # nosec B105
    "queue_depth": "stays short: a row a queue",
    "process": "stays short: who is silent for a week is forgotten, workers of pilots a day after its end",
    "pilot": "with jobs of workers; stays for the record, as attempts do",
}
"""What each table that grows, or should not, grows with."""
COUNTED = 2_000_000
"""Bytes of a table whose rows are counted: an estimate of a small one is often as old as the table."""


class TableSize(View):
    """A table, its partitions with it. Sizes in bytes.

    `rows` is counted in a small table, else PostgreSQL's last estimate; None where it has made none yet.
    """

    name: str
    rows: int | None
    size: int
    indexes: int
    grows: str


def sizes(conn: Connection) -> tuple[TableSize, ...]:
    """List the tables of this instance, the largest first."""
    found = [TableSize(**row._mapping, grows=GROWS.get(row.name, "")) for row in conn.execute(SIZES)]
    return tuple(_counted(conn, each) for each in found)


def _counted(conn: Connection, found: TableSize) -> TableSize:
    if found.size > COUNTED:
        return found
    rows = conn.execute(select(func.count()).select_from(table(found.name))).scalar_one()
    return msgspec.structs.replace(found, rows=rows)


SIZES = text("""
with parts as (
  select c.oid, coalesce((select relname from pg_class where oid = pg_partition_root(c.oid)), c.relname) as name,
    c.reltuples as rows, c.reltuples < 0 and pg_relation_size(c.oid) > 0 as unknown
  from pg_class c where c.relnamespace = cast(current_schema() as regnamespace) and c.relkind = 'r'
)
select name, case when not bool_or(unknown) then cast(sum(greatest(rows, 0)) as bigint) end as rows,
  cast(sum(pg_table_size(oid)) as bigint) as size,
  cast(sum(pg_indexes_size(oid)) as bigint) as indexes
from parts group by name order by sum(pg_total_relation_size(oid)) desc, name
""")
