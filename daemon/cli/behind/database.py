"""Questions to the database, on one connection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ....statemachine import views as v
    from ....statemachine.lifecycle import Trigger
    from ....statemachine.store.campaign_operate import Wanted
    from ....statemachine.store.campaign_plan import Plan
    from ....statemachine.store.campaign_query import RunChoice
    from ....statemachine.store.letters import Chosen
    from ....statemachine.store.operating import Selection
    from ....statemachine.why import Why
    from ...config import Config
    from .contract import Log


class DatabaseQuestions:
    """What a connection gives; the configuration says where sites are mounted here."""

    def __init__(self, connection: Connection, config: Config) -> None:
        self.connection, self.config = connection, config

    def reachable(self) -> None:
        """Do nothing: there is a connection."""

    def status(self) -> v.Status:
        """Give the whole instance."""
        from ....statemachine import views

        return views.status(self.connection)

    def listed(self, kind: str, where: dict[str, Any], page: v.Page) -> v.Listed[Any]:
        """Give a page of a list."""
        from ....statemachine import views

        if kind == "dead-letters":
            return views.dead_letters(self.connection, page, **where)
        if kind == "pilots":
            return views.pilots(self.connection, page, **where)
        ask: Any
        ask, filters = {
            "runs": (views.runs, views.RunFilter),
            "files": (views.files, views.FileFilter),
            "attempts": (views.attempts, views.AttemptFilter),
            "operations": (views.operations, views.OperationFilter),
            "failures": (views.families, views.FamilyFilter),
            "workers": (views.workers, views.WorkerFilter),
        }[kind]
        found: v.Listed[Any] = ask(self.connection, filters(**where), page)
        return found

    def run(self, number: int) -> v.RunDetail | None:
        """Give a run."""
        from ....statemachine import views

        return views.run(self.connection, number)

    def file(self, name: str, run: int | None = None) -> v.FileDetail | None:
        """Give a file."""
        from ....statemachine import views

        return views.file(self.connection, name, run)

    def campaigns(self, page: v.Page) -> v.Listed[v.CampaignRow]:
        """Give a page of campaigns."""
        from ....statemachine import views

        return views.campaigns(self.connection, page)

    def campaign(self, name: str) -> v.CampaignRow | None:
        """Give a campaign."""
        from ....statemachine import views

        return views.campaign_of(self.connection, name)

    def campaign_runs(self, name: str, page: v.Page) -> v.Listed[v.CampaignRun]:
        """Give a page of a campaign's runs."""
        from ....statemachine import views

        return views.campaign_runs(self.connection, name, page)

    def sites(self) -> Sequence[v.SiteRow]:
        """Give all sites: those that are known, and those that are configured here."""
        from ....statemachine import views
        from ..sites import configured

        return configured(self.config, views.sites(self.connection))

    def pauses(self) -> Sequence[v.PauseRow]:
        """Give what is paused."""
        from ....statemachine import views

        return views.pauses(self.connection)

    def alerts(self, status: v.AlertStatus, code: str | None) -> Sequence[v.AlertRow]:
        """Give alerts."""
        from ....statemachine import views

        return views.alerts(self.connection, status, code)

    def acknowledgements(self) -> Sequence[v.HoldingAck]:
        """Give the acknowledgements that hold now."""
        from ....statemachine import views

        return views.holding(self.connection)

    def launchers(self) -> Sequence[v.LauncherRow]:
        """Give the launchers that were heard of in the last week."""
        from ....statemachine import views

        return views.launchers(self.connection)

    def operation(self, number: int) -> v.OperationRow | None:
        """Give an operation."""
        from ....statemachine import views

        return views.operation(self.connection, number)

    def pilot(self, number: int) -> v.PilotRow | None:
        """Give a pilot."""
        from ....statemachine import views

        return views.pilot(self.connection, number)

    def why_run(self, number: int) -> Why | None:
        """Say why a run is where it is."""
        from ....statemachine.why import why_run

        return why_run(self.connection, number)

    def why_file(self, name: str, campaign: str | None = None) -> Why | None:
        """Say why a file is where it is."""
        from ....statemachine.why import why_file

        return why_file(self.connection, name, campaign)

    def usage(self, hours: int | None) -> v.StepsUsage:
        """Say by step what all campaigns used, in the last hours or ever."""
        from ....statemachine import views

        return views.usage_of_steps(self.connection, None if hours is None else _ago(hours))

    def usage_of_run(self, number: int) -> v.StepsUsage | None:
        """Say by step what a run used."""
        from ....statemachine import views

        return views.usage_of_run(self.connection, number)

    def usage_of_campaign(self, name: str) -> v.StepsUsage | None:
        """Say by step what a campaign used."""
        from ....statemachine import views

        return views.usage_of_campaign(self.connection, name)

    def usage_of_pilots(self, hours: int) -> Sequence[v.PilotUsage]:
        """Say by name what pilots used that were wanted in the last hours."""
        from ....statemachine import views

        return views.usage_of_pilots(self.connection, _ago(hours))

    def attempts_at(self, item: int) -> tuple[v.AttemptRow, ...]:
        """Give the attempts at an item."""
        from ....statemachine import views

        return views.attempts_of(self.connection, [item])

    def log(self, attempt: v.AttemptRow) -> Log:
        """Give an attempt's log, where its site is mounted here."""
        from ....statemachine.records import Location
        from ....statemachine.views import log_pattern
        from ..codes import not_found
        from .logfile import LogFile

        if attempt.log:
            return LogFile(self.config, Location(site=attempt.log_site, path=attempt.log), attempt.host)
        place = log_pattern(self.connection, attempt.item, attempt.epoch)
        if place is None:
            raise not_found(f"attempt {attempt.epoch} has kept no log")
        return LogFile(self.config, place, attempt.host)

    def catalog(self, run: int, event: int | None, kind: str | None, site: str | None) -> Sequence[v.CatalogEntry]:
        """Give what can be read of a run."""
        from ....statemachine import views

        return views.catalog_find(self.connection, run, event, kind, site)

    def place(self, place: v.Place) -> str:
        """Give the readable link where there is one that leads somewhere, else the path that never changes."""
        if place.site not in self.config.sites:
            return f"{place.site}:{place.link or place.path}"
        site = self.config.site(place.site)
        if place.link and site.open_path(place.link).exists():
            return str(site.open_path(place.link))
        return str(site.open_path(place.path))

    def dead_letter(self, number: int) -> v.DeadLetterRow | None:
        """Give a dead letter."""
        from ....statemachine import views

        return views.dead_letter_of(self.connection, number)

    def dead_letter_body(self, number: int) -> bytes:
        """Give a dead letter's message."""
        from ....statemachine import views

        return views.dead_letter_body(self.connection, number)

    def count(self, trigger: Trigger, selection: Selection, *, state: str | None = None) -> int:
        """Count what an action would change."""
        from ....statemachine.store import operating

        return operating.count(self.connection, trigger, selection, state=state)

    def why_nothing(self, trigger: Trigger, selection: Selection, *, state: str | None = None) -> str:
        """Say how many items are selected, and why an action would change none of them."""
        from ....statemachine.store import operating

        return operating.why_nothing(self.connection, trigger, selection, state=state)

    def count_letters(self, numbers: Sequence[int], code: str | None, *, replay: bool) -> Chosen:
        """Count which dead letters would be replayed or forgotten."""
        from ....statemachine.store import letters

        return letters.count(self.connection, numbers, code, replay=replay)

    def count_campaign(self, wanted: Wanted) -> Plan:
        """Count what a campaign would take in."""
        from ....statemachine.store import campaign_operate
        from ...wiring import book

        return campaign_operate.count(self.connection, wanted, book(self.config))

    def count_growth(self, name: str, query: RunChoice | None) -> Plan:
        """Count what a campaign would take in anew."""
        from ....statemachine.store import campaign_operate

        return campaign_operate.count_growth(self.connection, name, query)


def _ago(hours: int) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)
