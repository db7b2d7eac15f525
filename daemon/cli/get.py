"""`headframe get`: lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from . import columns as c
from .codes import Code, CommandError, not_found
from .links import link_list
from .output import Output, output_options, write_rows
from .session import Session, pass_session
from .units import Duration, printable

if TYPE_CHECKING:
    from ...statemachine.views import Listed, Page
    from .behind.contract import Questions

PAGE = 1000
Asked = dict[str, Any]


class Kind:
    """A kind of thing that can be listed."""

    def __init__(self, columns: tuple[c.Column, ...], key: str, options: tuple[str, ...] = ()) -> None:
        self.columns, self.key, self.options = columns, key, options

    def name_of(self, row: Any) -> str:
        """Give a row's name."""
        return str(getattr(row, self.key)) or f"run {getattr(row, 'run', None)}"


KINDS = {
    "runs": Kind(c.RUNS, "number", ("kind", "campaign", "state", "phase", "quality")),
    "files": Kind(c.FILES, "name", ("run", "kind", "campaign", "state", "phase", "step", "reason_code")),
    "campaigns": Kind(c.CAMPAIGNS, "name"),
    "sites": Kind(c.SITES, "name"),
    "attempts": Kind(c.ATTEMPTS, "file", ("run", "step", "outcome", "reason_code", "host", "job", "pilot", "running")),
    "dead-letters": Kind(c.LETTERS, "subject", ("run", "reason_code")),
    "pauses": Kind(c.PAUSES, "name"),
    "operations": Kind(c.OPERATIONS, "id", ("actor", "action", "status")),
}
KEYS = {
    "runs": ("number",),
    "files": ("item",),
    "attempts": ("item", "epoch"),
    "dead-letters": ("id",),
    "pauses": ("what", "name"),
    "operations": ("id",),
}
SINGULAR = {name.removesuffix("s"): name for name in KINDS}


class KindName(click.ParamType[str]):
    """A kind of thing, in the singular or the plural."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Find the kind, or name those that there are."""
        word = str(value).lower()
        if SINGULAR.get(word, word) not in KINDS:
            self.fail(f"{value} is none of {', '.join(KINDS)}", param, ctx)
        return SINGULAR.get(word, word)


@click.command()
@click.argument("kind", type=KindName())
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--run", type=click.IntRange(min=0), help="Of this run (files, attempts, dead-letters).")
@click.option("--type", "run_type", help="Of this run type (runs, files).")
@click.option("--campaign", help="Of this campaign (runs, files).")
@click.option("--state", help="In this state (runs, files).")
@click.option("--phase", help="In this phase (runs, files).")
@click.option("--step", help="At this step (files, attempts).")
@click.option("--reason-code", help="With this code (files, attempts, dead-letters).")
@click.option("--outcome", help="With this outcome (attempts).")
@click.option("--host", help="On this host (attempts).")
@click.option("--job", help="Under this number of a batch job (attempts).")
@click.option("--pilot", type=click.IntRange(1, 2**63 - 1), help="By workers of this pilot (attempts).")
@click.option("--quality", help="Of this quality: unknown, good, questionable, bad (runs).")
@click.option("--actor", help="By this person (operations).")
@click.option("--action", help="Such as requeue (operations).")
@click.option("--status", help="waiting, running, done, failed or cancelled (operations).")
@click.option("--running", is_flag=True, default=None, help="That run now (attempts).")
@click.option("--limit", type=click.IntRange(min=0), default=PAGE, show_default=True, help="At most so many; 0: all.")
@click.option("-w", "--watch", is_flag=True, help="Go on and show what changes; with -o json a line an event.")
@click.option("--interval", type=Duration(), default="2s", show_default=True, help="With -w: how often to look.")
@output_options
@pass_session
def get(session: Session, /, kind: str, names: tuple[str, ...], **options: Any) -> int:
    """List runs, files, campaigns, sites, attempts, dead-letters, pauses or operations, newest first.

    \b
    headframe get runs --phase waiting
    headframe get files --run 1234 --phase failed -o wide
    headframe get files --run 1234 -o name | head
    """
    output = Output(options.pop("output"), not options.pop("no_headers"), options.pop("exact"))
    watch, interval, limit = options.pop("watch"), options.pop("interval"), options.pop("limit")
    asked = _asked(kind, options)
    if watch:
        from .watching import watch_rows

        ask = lambda: list(_once(session, kind, names, asked, limit or PAGE))  # noqa: E731
        watch_rows(ask, KINDS[kind].columns, output, session.zone, _key_of(kind), interval)
        return Code.DONE
    rows = _once(session, kind, names, asked, limit)
    n = write_rows(rows, KINDS[kind].columns, output, session.zone, KINDS[kind].name_of)
    if output.is_table:
        link_list(session, kind, asked.get("run"))
    return _end(kind, n, limit, output)


def _end(kind: str, n: int, limit: int, output: Output) -> int:
    if not n and output.is_table:
        click.echo(f"no {kind} match", err=True)
    if limit and n >= limit and output.format not in ("json", "yaml"):
        click.echo(f"the first {limit} are shown; --limit 0 gives all", err=True)
    return Code.DONE


def _asked(kind: str, options: Asked) -> Asked:
    options["kind"] = options.pop("run_type")
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in KINDS[kind].options:
            allowed = ", ".join(f"--{_option(each)}" for each in KINDS[kind].options) or "none"
            raise click.UsageError(f"get {kind} has no filter --{_option(name)}; it has: {allowed}")
    return given


def _option(name: str) -> str:
    return "type" if name == "kind" else name.replace("_", "-")


def _key_of(kind: str) -> Callable[[Any], tuple[Any, ...]]:
    names = KEYS.get(kind, ("name",))
    return lambda row: tuple(getattr(row, name) for name in names)


def _once(session: Session, kind: str, names: tuple[str, ...], asked: Asked, limit: int) -> Iterator[Any]:
    """Give rows page by page; each page shows things as they are then, so that none keeps a snapshot open."""
    ask = ASK[kind]
    if kind == "runs":
        numbers = tuple(_number(name) for name in names)
        yield from _all_there(paged(session, partial(ask, asked, numbers), limit), names)
        return
    for name in names or (None,):
        n = 0
        for row in paged(session, partial(ask, asked, name), limit):
            n += 1
            yield row
        if name is not None and not n and not asked:
            raise not_found(f"there is no {kind.removesuffix('s')} {printable(name)}", f"headframe get {kind}")


def _all_there(rows: Iterator[Any], names: tuple[str, ...]) -> Iterator[Any]:
    seen = set()
    for row in rows:
        seen.add(row.number)
        yield row
    absent = [name for name in names if int(name) not in seen]
    if absent:
        raise not_found(f"there is no run {', '.join(absent)} (or it does not match)", "headframe get runs")


def _number(name: str, of: str = "run") -> int:
    if not (name.isascii() and name.isdigit()) or int(name) >= 2**63:
        raise CommandError(f"{printable(name)} is no {of} number", Code.USAGE)
    return int(name)


def paged(session: Session, asked: Callable[[Questions, Page], Listed[Any]], limit: int) -> Iterator[Any]:
    """Give rows page by page, at most `limit` (0: all)."""
    from ...statemachine.views import Page

    after, left = "", limit or None
    while True:
        with session.asking() as ask:
            found = asked(ask, Page(limit=min(PAGE, left) if left else PAGE, after=after))
        yield from found.rows
        left = left - len(found.rows) if left is not None else None
        after = found.next
        if not after or left == 0:
            return


def _runs(asked: Asked, numbers: tuple[int, ...], ask: Questions, page: Page) -> Listed[Any]:
    return ask.listed("runs", {**asked, "numbers": numbers}, page)


def _files(asked: Asked, name: str | None, ask: Questions, page: Page) -> Listed[Any]:
    if name is not None and "/" in name:
        found = ask.file(name)
        if found is not None:
            return ask.listed("files", {"run": found.run, **asked, "name": found.name}, page)
    return ask.listed("files", {**asked, "name": name}, page)


def _attempts(asked: Asked, name: str | None, ask: Questions, page: Page) -> Listed[Any]:
    if name is None:
        return ask.listed("attempts", asked, page)
    found = ask.file(name, asked.get("run"))
    if found is None:
        raise not_found(f"there is no file {printable(name)}", "headframe get files")
    return ask.listed("attempts", {**asked, "file": found.id}, page)


def _campaigns(_: Asked, name: str | None, ask: Questions, page: Page) -> Listed[Any]:
    return ask.campaigns(page) if name is None else _all([ask.campaign(name)])


def _dead_letters(asked: Asked, name: str | None, ask: Questions, page: Page) -> Listed[Any]:
    where = {"run": asked.get("run"), "code": asked.get("reason_code"), "subject": name}
    return ask.listed("dead-letters", where, page)


def _sites(_: Asked, name: str | None, ask: Questions, page: Page) -> Listed[Any]:  # noqa: ARG001
    return _all(row for row in ask.sites() if name in (None, row.name))


def _operations(asked: Asked, name: str | None, ask: Questions, page: Page) -> Listed[Any]:
    if name is None:
        return ask.listed("operations", asked, page)
    return _all([ask.operation(_number(name, "operation"))])


def _pauses(_: Asked, name: str | None, ask: Questions, page: Page) -> Listed[Any]:
    return _all([row for row in reversed(ask.pauses()) if name in (None, row.name)][: page.limit])


def _all(rows: Iterable[Any]) -> Listed[Any]:
    """Make the only page of a list of what there is of these."""
    from ...statemachine.views import Listed

    return Listed(tuple(row for row in rows if row is not None), "")


ASK: dict[str, Callable[..., Listed[Any]]] = {
    "runs": _runs,
    "files": _files,
    "attempts": _attempts,
    "campaigns": _campaigns,
    "sites": _sites,
    "dead-letters": _dead_letters,
    "pauses": _pauses,
    "operations": _operations,
}
COMMANDS = {"get": get}
