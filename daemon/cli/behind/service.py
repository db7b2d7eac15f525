"""Questions to a service at a URL, through `headframe.client`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ....client import Client, ProblemError
from ....client.wire import Rows, within
from ....statemachine import views as v
from ....statemachine.why import Why

if TYPE_CHECKING:
    from ....statemachine.lifecycle import Trigger
    from ....statemachine.store.campaign_operate import Wanted
    from ....statemachine.store.campaign_plan import Plan
    from ....statemachine.store.campaign_query import RunChoice
    from ....statemachine.store.letters import Chosen
    from ....statemachine.store.operating import Selection
    from .contract import Log

T = TypeVar("T")
PAGE = 1000
LISTS: dict[str, tuple[str, Any]] = {
    "runs": ("/runs", v.RunRow),
    "files": ("/files", v.FileRow),
    "attempts": ("/attempts", v.AttemptRow),
    "operations": ("/operations", v.OperationRow),
    "dead-letters": ("/dead-letters", v.DeadLetterRow),
    "failures": ("/failures", v.FamilyRow),
    "pilots": ("/pilots", v.PilotRow),
    "workers": ("/workers", v.WorkerRow),
}


class ServiceQuestions:
    """What a service gives. Each answer is a snapshot of its own."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def reachable(self) -> None:
        """Ask who asks: that tells a service that is away, and a token that is none."""
        self.client.me()

    def status(self) -> v.Status:
        """Give the whole instance."""
        return self.client.status()

    def listed(self, kind: str, where: dict[str, Any], page: v.Page) -> v.Listed[Any]:
        """Give a page of a list."""
        path, record = LISTS[kind]
        asked = dict(where)
        if numbers := asked.pop("numbers", ()):
            asked["number"] = ",".join(str(number) for number in numbers)
        return self._page(record, path, page, asked)

    def run(self, number: int) -> v.RunDetail | None:
        """Give a run."""
        return _if_there(lambda: self.client.run(number))

    def file(self, name: str, run: int | None = None) -> v.FileDetail | None:
        """Give a file."""
        return _if_there(lambda: self.client.find_file(name, run))

    def campaigns(self, page: v.Page) -> v.Listed[v.CampaignRow]:
        """Give a page of campaigns."""
        return self._page(v.CampaignRow, "/campaigns", page, {})

    def campaign(self, name: str) -> v.CampaignRow | None:
        """Give a campaign."""
        return _if_there(lambda: self.client.campaign(name))

    def campaign_runs(self, name: str, page: v.Page) -> v.Listed[v.CampaignRun]:
        """Give a page of a campaign's runs."""
        found = _if_there(lambda: self._page(v.CampaignRun, within("campaigns", name, "runs"), page, {}))
        return found or v.Listed((), "")

    def sites(self) -> Sequence[v.SiteRow]:
        """Give all sites."""
        return self.client.sites()

    def pauses(self) -> Sequence[v.PauseRow]:
        """Give what is paused."""
        return self.client.pauses()

    def alerts(self, status: v.AlertStatus, code: str | None) -> Sequence[v.AlertRow]:
        """Give alerts."""
        return self.client.alerts(status=status, code=code)

    def acknowledgements(self) -> Sequence[v.HoldingAck]:
        """Give the acknowledgements that hold now."""
        return self.client.acknowledgements()

    def launchers(self) -> Sequence[v.LauncherRow]:
        """Give the launchers that were heard of in the last week."""
        return self.client.launchers()

    def operation(self, number: int) -> v.OperationRow | None:
        """Give an operation."""
        return _if_there(lambda: self.client.operation(number))

    def pilot(self, number: int) -> v.PilotRow | None:
        """Give a pilot."""
        return _if_there(lambda: self.client.pilot(number))

    def why_run(self, number: int) -> Why | None:
        """Say why a run is where it is."""
        return _if_there(lambda: self.client.why_run(number))

    def why_file(self, name: str, campaign: str | None = None) -> Why | None:
        """Say why a file is where it is."""
        found = self.file(name)
        return None if found is None else self.client.why_file(found.id, campaign)

    def usage(self, hours: int | None) -> v.StepsUsage:
        """Say by step what all campaigns used, in the last hours or ever."""
        return self.client.usage(hours=hours)

    def usage_of_run(self, number: int) -> v.StepsUsage | None:
        """Say by step what a run used."""
        return _if_there(lambda: self.client.usage_of_run(number))

    def usage_of_campaign(self, name: str) -> v.StepsUsage | None:
        """Say by step what a campaign used."""
        return _if_there(lambda: self.client.usage_of_campaign(name))

    def usage_of_pilots(self, hours: int) -> Sequence[v.PilotUsage]:
        """Say by name what pilots used that were wanted in the last hours."""
        return self.client.usage_of_pilots(hours=hours)

    def attempts_at(self, item: int) -> tuple[v.AttemptRow, ...]:
        """Give the attempts at an item."""
        return tuple(sorted(self.client.attempts(item=item), key=lambda attempt: attempt.epoch))

    def log(self, attempt: v.AttemptRow) -> Log:
        """Give an attempt's log, as the service reads it."""
        from .service_log import ServiceLog

        return ServiceLog(self.client, attempt)

    def catalog(self, run: int, event: int | None, kind: str | None, site: str | None) -> Sequence[v.CatalogEntry]:
        """Give what can be read of a run."""
        return _if_there(lambda: list(self.client.catalog(run, event=event, kind=kind, site=site))) or []

    def place(self, place: v.Place) -> str:
        """Give the path where the site is mounted here as it is at the service, else `site:path`."""
        root = self._roots.get(place.site)
        for path in (place.link, place.path):
            if root and path and (Path(root) / path).exists():
                return str(Path(root) / path)
        return f"{place.site}:{place.link or place.path}"

    def dead_letter(self, number: int) -> v.DeadLetterRow | None:
        """Give a dead letter."""
        return _if_there(lambda: self.client.dead_letter(number))

    def dead_letter_body(self, number: int) -> bytes:
        """Give a dead letter's message."""
        return self.client.dead_letter_body(number)

    def count(self, trigger: Trigger, selection: Selection, *, state: str | None = None) -> int:
        """Count what an action would change."""
        return self._dry(trigger, selection, state).total

    def why_nothing(self, trigger: Trigger, selection: Selection, *, state: str | None = None) -> str:
        """Say how many items are selected, and why an action would change none of them."""
        return self._dry(trigger, selection, state).why

    def _dry(self, trigger: Trigger, selection: Selection, state: str | None) -> v.OperationRow:
        from .service_changes import order

        return self.client.order(**order(trigger, selection, state=state), dry_run=True)

    def count_letters(self, numbers: Sequence[int], code: str | None, *, replay: bool) -> Chosen:
        """Count which dead letters would be replayed or forgotten."""
        from .service_changes import letters

        return letters(self.client, "replay" if replay else "forget", numbers, code, "a dry run", dry_run=True)

    def count_campaign(self, wanted: Wanted) -> Plan:
        """Count what a campaign would take in."""
        from .service_changes import create

        return create(self.client, wanted, "a dry run", dry_run=True).plan

    def count_growth(self, name: str, query: RunChoice | None) -> Plan:
        """Count what a campaign would take in anew."""
        from .service_changes import grow

        return grow(self.client, name, "a dry run", query, dry_run=True).plan

    @cached_property
    def _roots(self) -> dict[str, str]:
        return {**{site.name: site.path for site in self.client.sites()}, **self.client.roots}

    def _page(self, record: type[T], path: str, page: v.Page, asked: dict[str, Any]) -> v.Listed[T]:
        size, after = min(page.limit, PAGE), page.after or None
        found: Rows[T] = self.client.wire.get(Rows[record], path, **asked, limit=size, after=after)  # type: ignore[valid-type]
        return v.Listed(found.rows, found.next)


def _if_there(ask: Callable[[], T]) -> T | None:
    """Give what a question is answered, none where there is no such thing."""
    try:
        return ask()
    except ProblemError as error:
        if error.status != 404:
            raise
        return None
