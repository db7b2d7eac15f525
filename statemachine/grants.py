"""Who may do what in the schema: a role for each kind of process, with what it needs and nothing else.

`owner` makes and changes tables (`db upgrade`, `db prune-history`, `restore`) and is used by people and by the job
that upgrades. The others own nothing. New tables get their grants when `db upgrade` has made them; a month
of history gets those of `history_default` when it is made.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from .roles import DATABASE_ROLES as ROLES
from .schema import metadata

REVISION = "alembic_version"
READ, ADD, ALTER, REMOVE = "select", "insert", "update", "delete"
SECRETS = frozenset({"person", "api_token", "web_session", "web_secret", "answered", "salt_record", "access_event"})
"""Digests of passwords and tokens, what signs cookies, answers that a token may be in, sealed salt, who signed in."""
RECORD = (
    "attempt", "campaign", "catalog_entry", "dead_letter", "file", "item", "operation", "pilot", "pipeline", "product",
    "replica", "run", "run_operation", "settle", "site", "step_rule",
)  # fmt: skip
"""What the machine knows: written by conductors, and by the web for operators. Nobody removes a row."""
NOTED = ("late", "count_delta", "change", "measure_due", "sum_delta", "failure_family", "history", "note")
"""What is only ever added, much of it by triggers in the transaction of the change itself."""
MOVING = ("operation_item", "original", "pause")
"""What comes and goes as items do."""
KEPT_BY_SERVICE = (
    "alert", "alert_ack", "alert_notice", "answered", "count_delta", "count_total", "count_whole", "change", "detector",
    "failure_family", "measure_due", "measure_failure", "measure_latency", "measure_rate", "process", "queue_depth",
    "settle", "site_sample", "sum_delta", "sum_total", "watermark",
)  # fmt: skip
"""What conductors and sweepers fold, coarsen and forget."""
WEBS_OWN = ("person", "api_token", "web_session", "web_secret", "access_event")


class Names(NamedTuple):
    """The names of the roles in this server."""

    owner: str
    service: str
    watcher: str
    web: str
    reader: str
    backup: str


def names_of(instance: str, chosen: Mapping[str, str]) -> Names:
    """Give each role's name: the one that was chosen, else `<instance>_<role>`."""
    return Names(*(chosen.get(role) or f"{instance}_{role}" for role in ROLES))


def granted(role: str) -> dict[str, frozenset[str]]:
    """Say what a role may do with each table; tables that it may do nothing with are left out."""
    found: dict[str, set[str]] = {}
    for tables, rights in _RIGHTS[role]():
        for table in tables:
            found.setdefault(table, set()).update(rights)
    return {table: frozenset(rights) for table, rights in sorted(found.items())}


def creating(names: Names) -> Iterator[str]:
    """Give what an administrator of the server does once: roles that can sign in as soon as they have a password."""
    for role in names:
        # Names are quoted, and are those that an administrator gives: there are no parameters in such a statement.
        yield (
            f"do $$ begin if not exists (select from pg_roles where rolname = {_text(role)}) then "  # nosec B608
            f"create role {_name(role)} login; end if; end $$"
        )


def owning(names: Names, instance: str, database: str) -> Iterator[str]:
    """Give what hands the schema and all that is in it to its owner."""
    owner, schema = _name(names.owner), _text(instance)
    yield f"grant connect, create on database {_name(database)} to {owner}"
    yield f"alter schema {_name(instance)} owner to {owner}"
    yield _OWNING.format(schema=schema, owner=owner)


def granting(names: Names, instance: str, database: str, there: Collection[str] = ROLES) -> Iterator[str]:
    """Give what each role that is there may do, from nothing; the owner of the schema can say it."""
    schema = _name(instance)
    yield f"revoke all on schema {schema} from public"
    for role in (role for role in ROLES[1:] if role in there):
        name = _name(getattr(names, role))
        yield f"grant connect on database {_name(database)} to {name}"
        yield f"grant usage on schema {schema} to {name}"
        yield f"revoke all on all tables in schema {schema} from {name}"
        for table, rights in granted(role).items():
            yield f"grant {', '.join(sorted(rights))} on {schema}.{_name(table)} to {name}"
        yield from _besides(role, name, schema)
    # A restore brings no rights with it, and then anybody may call it, with its owner's rights.
    yield f"revoke execute on function {schema}.make_history_month(date) from public"
    yield f"select {schema}.share_history_months()"


def _besides(role: str, name: str, schema: str) -> Iterator[str]:
    """Give what a role may do besides whole tables of the metadata."""
    if role == "watcher":
        columns = "space, status, reason"  # what a watcher says of a site is how much room it has
        yield f"grant update ({columns}) on {schema}.site to {name}"
    if role in ("service", "backup"):
        yield f"grant select on {schema}.history_default to {name}"
    if role == "service":
        yield f"grant execute on function {schema}.make_history_month(date) to {name}"
    if role == "backup":
        yield f"grant select on all sequences in schema {schema} to {name}"


Rights = Iterable[tuple[Iterable[str], set[str]]]


def _tables() -> list[str]:
    return [*metadata.tables, REVISION]


def _service() -> Rights:
    yield set(_tables()) - set(WEBS_OWN), {READ}
    yield (*RECORD, "salt_record"), {ADD, ALTER}
    yield NOTED, {ADD}
    yield MOVING, {ADD, ALTER, REMOVE}
    yield KEPT_BY_SERVICE, {ADD, ALTER, REMOVE}


def _web() -> Rights:
    yield set(_tables()) - {"salt_record"}, {READ}
    yield (*RECORD, "process", "answered", "alert", "alert_ack", "detector"), {ADD, ALTER}
    yield NOTED, {ADD}
    yield MOVING, {ADD, ALTER, REMOVE}
    yield ("alert_ack", "detector"), {REMOVE}
    yield WEBS_OWN, {ADD, ALTER, REMOVE}


def _watcher() -> Rights:
    yield ("file", "dead_letter", "site", "site_sample", "detector", "process", "pause"), {READ}
    yield ("compatibility", REVISION), {READ}
    yield ("change", "site_sample"), {ADD}
    yield ("detector", "process"), {ADD, ALTER}


def _reader() -> Rights:
    yield set(_tables()) - SECRETS, {READ}


def _backup() -> Rights:
    yield _tables(), {READ}
    yield ("backup",), {ADD}


_RIGHTS = {"service": _service, "web": _web, "watcher": _watcher, "reader": _reader, "backup": _backup}
_OWNING = """do $$ declare one record; begin
  for one in select format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = {schema} and c.relkind in ('r', 'p', 'v') order by c.relkind
  loop
    execute format('alter %s %s owner to {owner}', case one.kind when 'v' then 'view' else 'table' end, one.name);
  end loop;
  for one in select p.oid::regprocedure as name from pg_proc p where p.pronamespace = to_regnamespace({schema})
  loop
    execute format('alter function %s owner to {owner}', one.name);
  end loop;
end $$"""


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
