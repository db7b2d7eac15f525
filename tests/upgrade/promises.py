"""What a schema promises to code that was written for it, and what it demands of such code."""

from typing import NamedTuple

from sqlalchemy import Connection, text

HERE = "cast(current_schema() as regnamespace)"
COLUMNS = f"""
select c.relname as "table", a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as strict,
  a.atthasdef or a.attidentity <> '' as filled
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = {HERE} and c.relkind in ('r', 'p', 'v') and not c.relispartition
"""
UNIQUE = f"""
select t.relname as "table", pg_get_indexdef(x.indexrelid) as said
from pg_index x join pg_class t on t.oid = x.indrelid
where t.relnamespace = {HERE} and not t.relispartition and x.indisunique
"""
CHECKS = f"""
select t.relname as "table", pg_get_constraintdef(k.oid) as said
from pg_constraint k join pg_class t on t.oid = k.conrelid
where t.relnamespace = {HERE} and not t.relispartition and k.contype in ('c', 'f', 'x')
"""
FUNCTIONS = f"select cast(oid as regprocedure)::text as said from pg_proc where pronamespace = {HERE}"
TRIGGERS = f"""
select t.relname as "table", g.tgname as said from pg_trigger g join pg_class t on t.oid = g.tgrelid
where t.relnamespace = {HERE} and not t.relispartition and not g.tgisinternal
"""


class Schema(NamedTuple):
    """`promises` may only become more; `demands` on what was there before may not (by table, and column or none)."""

    promises: frozenset[str]
    demands: frozenset[tuple[str, str, str]]
    tables: frozenset[str]
    columns: frozenset[tuple[str, str]]


def look(connection: Connection) -> Schema:
    """Look at an instance's schema."""
    statements = (COLUMNS, UNIQUE, CHECKS, FUNCTIONS, TRIGGERS)
    columns, unique, checks, functions, triggers = (connection.execute(text(each)).all() for each in statements)
    tables = frozenset(row.table for row in columns)
    promises = {f"table {table}" for table in tables} | {f"function {row.said}" for row in functions}
    promises |= {f"column {row.table}.{row.name} {row.type}" for row in columns}
    promises |= {f"default of {row.table}.{row.name}" for row in columns if row.filled}
    promises |= {f"unique: {row.said}" for row in unique} | {f"trigger {row.said} on {row.table}" for row in triggers}
    demands = {(row.table, row.name, "not null") for row in columns if row.strict}
    demands |= {(row.table, row.name, "has to be said") for row in columns if row.strict and not row.filled}
    demands |= {(row.table, "", row.said) for row in (*unique, *checks)}
    return Schema(frozenset(promises), frozenset(demands), tables, frozenset((row.table, row.name) for row in columns))


def broken(before: Schema, after: Schema) -> list[str]:
    """Name what code for the schema before may stumble over on the one after."""
    gone = [f"gone: {promise}" for promise in sorted(before.promises - after.promises)]
    added = sorted(after.demands - before.demands)
    return gone + [
        f"new: {table}.{column} {said}" for table, column, said in added if _met(before, table, column, said)
    ]


def _met(before: Schema, table: str, column: str, said: str) -> bool:
    """Say whether code of before meets a demand: a new column's only if it must say something for it."""
    if table not in before.tables:
        return False
    return not column or (table, column) in before.columns or said == "has to be said"
