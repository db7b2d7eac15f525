"""One file with all that is known of it: replicas, products, history, attempts, what came late."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from ..schema import campaign as campaign_table
from ..schema import file as file_table
from ..schema import history as history_table
from ..schema import history_checkpoint, late, product, replica, run
from ..schema import item as item_table
from .attempts import AttemptRow, attempts_of
from .deadletters import DeadLetterRow, dead_letters_about
from .fields import View
from .files import FileRow, made, selected

MOST = 1000


class NotOneError(LookupError):
    """A name that several files carry. The text says how to name the one."""


class ReplicaRow(View):
    """A copy at a site. `role` is `raw` or the step that made the content; `step` made this copy of it."""

    id: int
    role: str
    step: str
    site: str
    path: str
    link: str
    status: str
    size: int
    adler32: str
    blake3: str
    created_at: datetime
    verified_at: datetime | None
    retired_at: datetime | None
    product: int | None


class ProductRow(View):
    """What an accepted attempt wrote."""

    id: int
    step: str
    name: str
    type: str
    size: int
    adler32: str
    blake3: str
    event_first: int | None
    event_last: int | None
    events: int | None
    software: str
    configuration: str
    epoch: int
    item: int
    created_at: datetime
    superseded_at: datetime | None
    superseded_reason: str


class HistoryRow(View):
    """One change of an item; `epoch` is the one that the trigger acted on."""

    item: int
    version: int
    at: datetime
    trigger: str
    from_state: str | None
    from_phase: str | None
    to_state: str
    to_phase: str
    epoch: int | None
    to_epoch: int
    campaign: str
    owner: str | None
    actor: str
    host: str
    job: str
    log: str
    reason_code: str
    reason: str


class Dropped(View):
    """What an item was when the month ended whose history, with all before, was dropped."""

    item: int
    version: int
    at: datetime
    state: str
    phase: str
    epoch: int


class LateRow(View):
    """A report that came too late to count."""

    at: datetime
    item: int
    epoch: int
    owner: str
    trigger: str
    cause: str
    host: str
    reason: str


class FileDetail(View):
    """One file. `items` has a row a campaign, the run's own campaign first; empty until the file has come."""

    id: int
    run: int
    name: str
    sequence: int | None
    site: str | None
    path: str | None
    size: int | None
    mtime_ns: int | None
    closed_ns: int | None
    adler32: str | None
    blake3: str | None
    inbox: str
    registered_at: datetime | None
    expected_size: int | None
    expected_adler32: str | None
    waived_at: datetime | None
    waived_by: str
    waived_reason: str
    event_first: int | None
    event_last: int | None
    events: int | None
    secured_at: datetime | None
    items: tuple[FileRow, ...]
    replicas: tuple[ReplicaRow, ...]
    products: tuple[ProductRow, ...]
    history: tuple[HistoryRow, ...]
    dropped: tuple[Dropped, ...]
    attempts: tuple[AttemptRow, ...]
    late: tuple[LateRow, ...]
    dead_letters: tuple[DeadLetterRow, ...]


def file(conn: Connection, wanted: str | int, run_number: int | None = None) -> FileDetail | None:
    """Give one file by its name, by `run/sequence` or by its id. Raises `NotOneError` where a name is not enough."""
    found = _find(conn, wanted, run_number)
    if found is None:
        return None
    items = _items(conn, found.id, found.campaign_id)
    ids = [row.item for row in items]
    changes = history(conn, ids)
    fields = {name: found._mapping[name] for name in FileDetail.__struct_fields__ if name in found._mapping}
    return FileDetail(
        **fields,
        items=items,
        replicas=replicas_of(conn, replica.c.file_id == found.id),
        products=products_of(conn, product.c.file_id == found.id),
        history=changes,
        dropped=dropped(conn, without_beginning(ids, changes)),
        attempts=attempts_of(conn, ids),
        late=_late(conn, ids),
        dead_letters=dead_letters_about(conn, subjects=_subjects(found)),
    )


def history(conn: Connection, items: list[int], most: int = MOST) -> tuple[HistoryRow, ...]:
    """Give the latest changes of these items, oldest first."""
    wanted = (
        select(history_table, history_table.c.item_id.label("item"), campaign_table.c.name.label("campaign"))
        .join(campaign_table, campaign_table.c.id == history_table.c.campaign_id)
        .where(history_table.c.item_id.in_(items))
        .order_by(history_table.c.at.desc(), history_table.c.version.desc())
        .limit(most)
    )
    return tuple(reversed(_records(conn, wanted, HistoryRow)))


def without_beginning(items: Sequence[int], changes: Sequence[HistoryRow]) -> list[int]:
    """Give the items of which these changes do not hold the first: older ones may have been dropped."""
    whole = {change.item for change in changes if change.from_state is None}
    return [item for item in items if item not in whole]


def dropped(conn: Connection, items: list[int]) -> tuple[Dropped, ...]:
    """Give where the history of these items begins, for those whose older history was dropped."""
    if not items:
        return ()
    wanted = select(history_checkpoint, history_checkpoint.c.item_id.label("item"))
    return _records(conn, wanted.where(history_checkpoint.c.item_id.in_(items)).order_by("item"), Dropped)


def replicas_of(conn: Connection, *which: ColumnElement[bool]) -> tuple[ReplicaRow, ...]:
    """Give replicas in the order in which they came."""
    wanted = select(replica, replica.c.product_id.label("product")).where(*which).order_by(replica.c.id).limit(MOST)
    return _records(conn, wanted, ReplicaRow)


def products_of(conn: Connection, *which: ColumnElement[bool]) -> tuple[ProductRow, ...]:
    """Give products in the order in which they came."""
    wanted = select(product, product.c.item_id.label("item")).where(*which).order_by(product.c.id).limit(MOST)
    return _records(conn, wanted, ProductRow)


def _late(conn: Connection, items: list[int]) -> tuple[LateRow, ...]:
    wanted = select(late, late.c.item_id.label("item")).where(late.c.item_id.in_(items))
    return _records(conn, wanted.order_by(late.c.id.desc()).limit(MOST), LateRow)


def _records(conn: Connection, wanted: Select[Any], kind: type[Any]) -> tuple[Any, ...]:
    names = kind.__struct_fields__
    return tuple(kind(**{name: row._mapping[name] for name in names}) for row in conn.execute(wanted))


def _items(conn: Connection, file_id: int, own_campaign: int | None) -> tuple[FileRow, ...]:
    wanted = (
        selected()
        .where(item_table.c.file_id == file_id)
        .order_by((item_table.c.campaign_id == own_campaign).desc(), item_table.c.id)
    )
    return tuple(made(row) for row in conn.execute(wanted))


def _subjects(found: Any) -> list[str]:
    return [text for text in (found.name, found.path) if text]


def _find(conn: Connection, wanted: str | int, run_number: int | None) -> Any:
    for condition in _ways(wanted):
        question = select(file_table, run.c.number.label("run"), run.c.campaign_id).join(
            run, run.c.id == file_table.c.run_id
        )
        if run_number is not None:
            question = question.where(run.c.number == run_number)
        rows = conn.execute(question.where(condition).order_by(run.c.number).limit(6)).all()
        if len(rows) > 1:
            ways = ", ".join(f"{row.run}/{row.sequence}" for row in rows[:5])
            raise NotOneError(f"several runs have a file {wanted}; name it as run/sequence: {ways}")
        if rows:
            return rows[0]
    return None


def _ways(wanted: str | int) -> list[ColumnElement[bool]]:
    text = str(wanted)
    ways: list[ColumnElement[bool]] = [] if isinstance(wanted, int) else [file_table.c.name == text]
    number, slash, sequence = text.partition("/")
    if slash and _is_number(number) and _is_number(sequence) and int(sequence) < 2**31:
        owner = select(run.c.id).where(run.c.number == int(number)).scalar_subquery()
        ways.append((file_table.c.run_id == owner) & (file_table.c.sequence == int(sequence)))
    if not slash and _is_number(text):
        ways.append(file_table.c.id == int(text))
    return ways


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) < 2**63
