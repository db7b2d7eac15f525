"""What a campaign would take in: exactly how many runs and files, and which cannot start, by why."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, TextClause, text
from sqlalchemy.exc import OperationalError

from ..pipeline import Pipeline
from ..records import Record
from ..wording import plural
from .campaign_query import RunChoice, check, where
from .campaign_start import Need, needs
from .errors import RefusedError

THERE = "there"
"""What a file is judged that the campaign has already."""
NAMED = 10
CANCELLED = "57014"
"""The SQLSTATE of a statement that took too long."""
TOO_MANY = (
    "looking at every file of the runs that fit takes longer than a request may; choose fewer runs, by number or time, "
    "and let the campaign grow by the others, or use the command line beside the database"
)
WHY = {
    "no-files": "no file of the run has come",
    "run-open": "the run is open: it joins at the next grow after it was closed",
    "type-unknown": "the type of the run is not configured",
    "type-elsewhere": "the pipeline has no such run type",
    "no-raw": "its raw file can be read nowhere",
}


class LeftOut(Record, omit_defaults=False):
    """Files that fit the query and cannot start, by why; the first few of them as `run/name`."""

    code: str
    sentence: str
    runs: int
    files: int
    names: tuple[str, ...] = ()

    @property
    def size(self) -> str:
        """Say how many files of how many runs."""
        return _size(self.files, self.runs)


class Plan(Record, omit_defaults=False):
    """What is taken in: so many runs and files anew, so many files that the campaign has, so many that cannot start.

    `numbers` are the first few runs of which files are taken in.
    """

    pipeline: str
    version: str
    start_state: str
    runs: int
    files: int
    there: int
    left_out: tuple[LeftOut, ...] = ()
    numbers: tuple[int, ...] = ()

    @property
    def size(self) -> str:
        """Say how many files of how many runs are taken in."""
        return _size(self.files, self.runs)


class Judged(Record, omit_defaults=False):
    """A file that fits the query and cannot start, and why."""

    run: int
    file: int
    name: str
    code: str
    sentence: str


class Judge(Record):
    """How files are judged: for which pipeline and first state, of which campaign (0: one that is not there yet)."""

    pipeline: Pipeline
    state: str
    query: RunChoice
    campaign_id: int = 0

    def asked(self) -> tuple[str, dict[str, Any]]:
        """Give the condition on runs, and all values that judging needs."""
        wanted, values = where(self.query, self.campaign_id)
        return wanted, {**values, **self.values()}

    def values(self) -> dict[str, Any]:
        """Give the values that judging files needs."""
        required: tuple[Need, ...] = needs(self.pipeline, self.state)
        return {
            "campaign_id": self.campaign_id,
            "kinds": sorted(self.pipeline.run_types),
            "needs": msgspec.json.encode(required).decode(),
        }


def plan(connection: Connection, judge: Judge) -> Plan:
    """Count exactly what would be taken in now: the dry run. Raises `RefusedError`, `NotFoundError`.

    It looks at every file of the runs that fit, at some 20 us each: where that takes longer than its transaction lets
    a statement take, it is refused.
    """
    check(connection, judge.query)
    _plainly(connection)
    condition, values = judge.asked()
    counts = {row.code: row for row in _patiently(connection, _asked(_COUNT, condition), values)}
    bare = connection.execute(_asked(_BARE, condition), values).scalar_one()
    goes, there = counts.pop("", None), counts.pop(THERE, None)
    left = [_left_out(code, row.runs, row.files, row.names) for code, row in sorted(counts.items())]
    if bare:
        left.append(_left_out("no-files", bare, 0))
    return Plan(
        pipeline=judge.pipeline.name,
        version=judge.pipeline.version,
        start_state=judge.state,
        runs=goes.runs if goes else 0,
        files=goes.files if goes else 0,
        there=there.files if there else 0,
        left_out=tuple(left),
        numbers=tuple(goes.numbers[:NAMED]) if goes else (),
    )


def _patiently(connection: Connection, statement: TextClause, values: dict[str, Any]) -> Sequence[Row[Any]]:
    try:
        return connection.execute(statement, values).all()
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) == CANCELLED:
            raise RefusedError(TOO_MANY) from error
        raise


def next_runs(connection: Connection, judge: Judge, after: int, upto: int, room: int) -> list[int]:
    """Give the next runs that fit, in order of their ids."""
    _plainly(connection)
    condition, values = judge.asked()
    statement = _asked(_NEXT, condition)
    rows = connection.execute(statement, {**values, "after": after, "upto": upto, "room": room})
    return list(rows.scalars())


def judged(
    connection: Connection, judge: Judge, runs: Sequence[int], within: int, name: str, room: int
) -> Sequence[Row[Any]]:
    """Judge the files of these runs, in order of run and name; of run `within` only those after `name`."""
    values = {**judge.values(), "runs": list(runs), "within": within, "name": name, "room": room}
    return connection.execute(_asked(_JUDGED), values).all()


def left_out(
    connection: Connection, judge: Judge, after: tuple[int, str] = (0, ""), room: int = 100
) -> Sequence[tuple[int, Judged]]:
    """Name the files that fit and cannot start, after the run's id and file's name given; each with its run's id."""
    _plainly(connection)
    condition, values = judge.asked()
    rows = connection.execute(
        _asked(_LEFT_OUT, condition), {**values, "run_id": after[0], "name": after[1], "room": room}
    )
    return [
        (
            row.run_id,
            Judged(run=row.number, file=row.file_id, name=row.name, code=row.code, sentence=sentence(row.code)),
        )
        for row in rows
    ]


def sentence(code: str) -> str:
    """Say why files cannot start."""
    step = code.removeprefix("no-")
    return WHY.get(code) or f"step {step} has not been done for the file, and the campaign starts after it"


def _size(files: int, runs: int) -> str:
    return f"{plural(files, 'file')} of {plural(runs, 'run')}"


def _left_out(code: str, runs: int, files: int, names: Sequence[str] = ()) -> LeftOut:
    return LeftOut(code=code, sentence=sentence(code), runs=runs, files=files, names=tuple(names[:NAMED]))


def _plainly(connection: Connection) -> None:
    """Have the statements of this transaction run as they are: compiling them takes longer than a page."""
    connection.execute(text("set local jit = off"))


def _asked(template: str, wanted: str = "") -> TextClause:
    return text(template.format(judge=_JUDGE, wanted=wanted))


# Whether a file can start: '' if so, else why not. Needs are looked up by the indexes of products and replicas.
_JUDGE = """
select run.id as run_id, run.number, run.kind, f.id as file_id, f.name, case
  when :campaign_id <> 0 and exists (select from item i
    where i.campaign_id = :campaign_id and i.run_id = run.id and i.file_id = f.id) then 'there'
  when run.closed_at is null then 'run-open'
  when run.kind is null or not run.known_kind then 'type-unknown'
  when not run.kind = any(:kinds) then 'type-elsewhere'
  else coalesce((select 'no-' || n.step
    from jsonb_to_recordset(cast(:needs as jsonb)) as n(kind text, rank integer, step text, makes text)
    where n.kind = run.kind and not case n.makes
      when 'product' then exists (select from product p where p.file_id = f.id and p.step = n.step
        and p.campaign_id is null and p.superseded_at is null)
      when 'copy' then exists (select from replica r where r.file_id = f.id and r.step = n.step
        and r.retired_at is null)
      else exists (select from replica r where r.file_id = f.id and r.product_id is null and r.retired_at is null) end
    order by n.rank limit 1), '') end as code
from run join file f on f.run_id = run.id and f.registered_at is not null
"""
_COUNT = """
with judged as ({judge} where {wanted}), by_run as (
  select run_id, code, min(number) as number, count(*) as files, case when code not in ('', 'there')
    then (array_agg(number || '/' || name order by name))[1:10] else '{{}}' end as names
  from judged group by run_id, code
)
select code, cast(sum(files) as bigint) as files, count(*) as runs,
  coalesce((select array_agg(each) from (select unnest(names) as each from by_run b where b.code = by_run.code
    order by b.run_id limit 10) as first), '{{}}') as names,
  array(select number from by_run b where b.code = by_run.code order by b.run_id limit 10) as numbers
from by_run group by code
"""
_BARE = """
select count(*) from run where {wanted}
  and not exists (select from file f where f.run_id = run.id and f.registered_at is not null)
"""
_NEXT = "select run.id from run where {wanted} and run.id > :after and run.id <= :upto order by run.id limit :room"
_JUDGED = """{judge} where run.id = any(:runs)
  and f.name > case when run.id = :within then cast(:name as text) else '' end order by run.id, f.name limit :room
"""
_LEFT_OUT = """
select * from ({judge} where {wanted} and run.id >= :run_id
  and f.name > case when run.id = :run_id then cast(:name as text) else '' end) as judged
where code not in ('', 'there') order by run_id, name limit :room
"""
