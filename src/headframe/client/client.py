"""The client: each question that the API answers is a method, each answer the record that it gives."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..statemachine import views as v
from ..statemachine.records import Record
from ..statemachine.why import Why
from .acting import Acting
from .files import only, place
from .wire import Rows, Wire, read_token, within


class Me(Record):
    """Who asks, by which instance it is asked, and the time zone of its site. `resources`: what alone it may change."""

    name: str = ""
    roles: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    instance: str = ""
    timezone: str = "UTC"


class Client(Acting):
    """One headframe, by the address of its pages.

    `token` or the file that holds it shows who asks; without one, what everybody may see. `cafile` checks the
    service's certificate against these authorities. `sites` says where roots of sites are mounted here, where that is
    not as the services have it. Lists are iterators that ask for the next page when it is wanted. Times are UTC, sizes
    bytes. All methods raise `ProblemError` where the service refuses, `UnreachableError` where it does not answer.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        token_file: str | Path | None = None,
        timeout_s: float = 30.0,
        cafile: str | None = None,
        sites: Mapping[str, str] | None = None,
    ) -> None:
        self.wire = Wire(url, read_token(token, token_file), timeout_s, cafile)
        self.roots = dict(sites or {})

    def __repr__(self) -> str:
        return f"Client({self.wire.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.wire.close()

    def me(self) -> Me:
        """Say who the token stands for."""
        return self.wire.get(Me, "/me")

    def status(self) -> v.Status:
        """Give the whole instance on one screen."""
        return self.wire.get(v.Status, "/status")

    def runs(
        self,
        numbers: str | None = None,
        *,
        kind: str | None = None,
        campaign: str | None = None,
        state: str | None = None,
        phase: str | None = None,
        quality: str | None = None,
        site: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        reason_code: str | None = None,
        incomplete: bool | None = None,
        trouble: bool | None = None,
        missing: bool | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> Iterator[v.RunRow]:
        """List runs, newest first; `numbers` as `1201,1203-1210`, `since` and `until` by their start."""
        return self.wire.each(
            v.RunRow, "/runs", limit=limit, number=numbers, kind=kind, campaign=campaign, state=state, phase=phase,
            quality=quality, site=site, since=since, until=until, reason_code=reason_code, incomplete=incomplete,
            trouble=trouble, missing=missing, sort=sort,
        )  # fmt: skip

    def run(self, number: int) -> v.RunDetail:
        """Give one run: its counts, its gaps, what went wrong."""
        return self.wire.get(v.RunDetail, within("runs", number))

    def gaps(self, number: int) -> v.Gaps:
        """Say which files of a run have not come."""
        return self.wire.get(v.Gaps, within("runs", number, "gaps"))

    def why_run(self, number: int) -> Why:
        """Say why a run is where it is, and what unblocks it."""
        return self.wire.get(Why, within("runs", number, "why"))

    def notes(self, number: int) -> Iterator[v.NoteRow]:
        """List what people noted about a run, the latest first."""
        return self.wire.each(v.NoteRow, within("runs", number, "notes"))

    def catalog(
        self, number: int, *, event: int | None = None, kind: str | None = None, site: str | None = None
    ) -> Iterator[v.CatalogEntry]:
        """List what can be read of a run: raw files (type `raw`) and products; those that cover an event, if given."""
        return self.wire.each(v.CatalogEntry, within("runs", number, "catalog"), event=event, kind=kind, site=site)

    def files(self, *, limit: int | None = None, **where: Any) -> Iterator[v.FileRow]:
        """List files; filters as in `headframe get files`: run, state, phase, kind, campaign, step, host, ..."""
        return self.wire.each(v.FileRow, "/files", limit=limit, **where)

    def file(self, number: int) -> v.FileDetail:
        """Give one file by its number, with its copies, products, attempts, history."""
        return self.wire.get(v.FileDetail, within("files", number))

    def find_file(self, name: str, run: int | None = None) -> v.FileDetail:
        """Give one file by its name, by `run/sequence` or by its number."""
        return self.wire.get(v.FileDetail, "/files/find", file=name, run=run)

    def why_file(self, number: int, campaign: str | None = None) -> Why:
        """Say why a file is where it is, and what unblocks it; in this campaign, else its run's own."""
        return self.wire.get(Why, within("files", number, "why"), campaign=campaign)

    def attempts(self, *, limit: int | None = None, **where: Any) -> Iterator[v.AttemptRow]:
        """List attempts: of a run or file, else those that ended last."""
        return self.wire.each(v.AttemptRow, "/attempts", limit=limit, **where)

    def log(self, item: int, epoch: int, *, tail: int | None = None, start: int = 0) -> Iterator[bytes]:
        """Give an attempt's whole log, or so many lines of its end, or from byte `start` on, in pieces as they come."""
        return self.wire.stream(within("attempts", item, epoch, "log"), start, tail=tail)

    def history(self, *, limit: int | None = None, **where: Any) -> Iterator[v.HistoryRow]:
        """List changes of an item, a file or a run, the latest first."""
        return self.wire.each(v.HistoryRow, "/history", limit=limit, **where)

    def replicas(self, *, limit: int | None = None, **where: Any) -> Iterator[v.Replica]:
        """List copies: of a run, a file, a product, at a site."""
        return self.wire.each(v.Replica, "/replicas", limit=limit, **where)

    def products(self, *, limit: int | None = None, **where: Any) -> Iterator[v.Product]:
        """List products: of a run, a file, a step, a type."""
        return self.wire.each(v.Product, "/products", limit=limit, **where)

    def campaigns(self, text: str | None = None, *, status: str | None = None) -> Iterator[v.CampaignRow]:
        """List campaigns, the newest first; `text` is any part of the name."""
        return self.wire.each(v.CampaignRow, "/campaigns", text=text, status=status)

    def campaign(self, name: str) -> v.CampaignRow:
        """Give one campaign and how far it is."""
        return self.wire.get(v.CampaignRow, within("campaigns", name))

    def sites(self, name: str | None = None) -> tuple[v.SiteRow, ...]:
        """List storage places."""
        found: Rows[v.SiteRow] = self.wire.get(Rows[v.SiteRow], "/sites", name=name)
        return found.rows

    def dead_letters(self, *, limit: int | None = None, **where: Any) -> Iterator[v.DeadLetterRow]:
        """List input that could not be used, the latest first."""
        return self.wire.each(v.DeadLetterRow, "/dead-letters", limit=limit, **where)

    def dead_letter(self, number: int) -> v.DeadLetterRow:
        """Give one dead letter."""
        return self.wire.get(v.DeadLetterRow, within("dead-letters", number))

    def dead_letter_body(self, number: int) -> bytes:
        """Give a dead letter's message, as much of it as was kept."""
        return b"".join(self.wire.stream(within("dead-letters", number, "body")))

    def pauses(self) -> tuple[v.PauseRow, ...]:
        """List what operators have paused, the longest first."""
        found: Rows[v.PauseRow] = self.wire.get(Rows[v.PauseRow], "/pauses")
        return found.rows

    def alerts(self, *, status: v.AlertStatus = "open", code: str | None = None) -> tuple[v.AlertRow, ...]:
        """List alerts: open ones, those that were over in the last month (`cleared`), or `all`."""
        found: Rows[v.AlertRow] = self.wire.get(Rows[v.AlertRow], "/alerts", status=status, code=code)
        return found.rows

    def acknowledgements(self) -> tuple[v.HoldingAck, ...]:
        """List the acknowledgements of alerts that hold now, also of alerts that are not open; those come first."""
        found: Rows[v.HoldingAck] = self.wire.get(Rows[v.HoldingAck], "/alerts/acks")
        return found.rows

    def launchers(self) -> tuple[v.LauncherRow, ...]:
        """List the launchers that were heard of in the last week: whether they live, what they want and do not get."""
        found: Rows[v.LauncherRow] = self.wire.get(Rows[v.LauncherRow], "/launchers")
        return found.rows

    def pilots(
        self,
        *,
        status: str | None = None,
        launcher: str | None = None,
        name: str | None = None,
        live: bool | None = None,
        limit: int | None = None,
    ) -> Iterator[v.PilotRow]:
        """List pilots, the newest first; those alone that are `live`, not over."""
        asked = {"status": status, "launcher": launcher, "name": name, "live": live}
        return self.wire.each(v.PilotRow, "/pilots", limit=limit, **asked)

    def pilot(self, number: int) -> v.PilotRow:
        """Give one pilot: what was asked for, how far it is, and why it is over."""
        return self.wire.get(v.PilotRow, within("pilots", number))

    def failures(self, *, limit: int | None = None, **where: Any) -> Iterator[v.FamilyRow]:
        """List failures that say the same, with what they have in common."""
        return self.wire.each(v.FamilyRow, "/failures", limit=limit, **where)

    def usage(self, *, hours: int | None = None) -> v.StepsUsage:
        """Say by step what all campaigns used, in the last hours or ever."""
        return self.wire.get(v.StepsUsage, "/usage", hours=hours)

    def usage_of_run(self, number: int) -> v.StepsUsage:
        """Say by step what a run used."""
        return self.wire.get(v.StepsUsage, within("runs", number, "usage"))

    def usage_of_campaign(self, name: str) -> v.StepsUsage:
        """Say by step what a campaign used since it began."""
        return self.wire.get(v.StepsUsage, within("campaigns", name, "usage"))

    def usage_of_pilots(self, *, hours: int | None = None) -> tuple[v.PilotUsage, ...]:
        """Say by name what pilots used that were wanted in the last hours, by default those of a month."""
        found: Rows[v.PilotUsage] = self.wire.get(Rows[v.PilotUsage], "/usage/pilots", hours=hours)
        return found.rows

    def operations(self, *, limit: int | None = None, **where: Any) -> Iterator[v.OperationRow]:
        """List what operators did, the latest first."""
        return self.wire.each(v.OperationRow, "/operations", limit=limit, **where)

    def operation(self, number: int) -> v.OperationRow:
        """Give one operation and how far it is."""
        return self.wire.get(v.OperationRow, within("operations", number))

    def place(self, entry: v.CatalogEntry) -> str:
        """Give a path or an address under which an entry of the catalog can be read here.

        Raises `NotThereError` naming the places where it lies.
        """
        return place(entry, {**{site.name: site.path for site in self.sites()}, **self.roots})

    def open_product(
        self,
        run: int,
        *,
        sequence: int | None = None,
        event: int | None = None,
        kind: str | None = None,
        site: str | None = None,
    ) -> Any:
        """Open the one product of a run that fits, with uproot; give its file.

        Without `kind` any product that is no raw file fits. Raises `NotThereError` where none fits, several do, or
        none of its copies can be read here, and `ImportError` without uproot (`pip install headframe[tpc]`).
        """
        import uproot

        entries = self.catalog(run, event=event, kind=kind, site=site)
        return uproot.open(self.place(only(entries, run, sequence, kind)))
