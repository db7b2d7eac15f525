"""What commands ask and have done: one contract for the database and for a service at a URL.

Questions and changes give the records of `statemachine`, or none where there is no such thing. Both raise where
something is refused; `codes` knows with which exit code each error ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ....statemachine.lifecycle import Trigger
    from ....statemachine.store.campaign_operate import Begun, Changed, Wanted
    from ....statemachine.store.campaign_plan import Plan
    from ....statemachine.store.campaign_query import RunChoice
    from ....statemachine.store.letters import Chosen
    from ....statemachine.store.operating import Operated, Selection
    from ....statemachine.views import (
        AlertRow,
        AlertStatus,
        AttemptRow,
        CampaignRow,
        CampaignRun,
        CatalogEntry,
        DeadLetterRow,
        FileDetail,
        HoldingAck,
        LauncherRow,
        Listed,
        OperationRow,
        Page,
        PilotRow,
        PilotUsage,
        Place,
        RunDetail,
        SiteRow,
        Status,
        StepsUsage,
    )
    from ....statemachine.why import Why


class Log(Protocol):
    """The log of an attempt. `place` says where it lies."""

    place: str

    def read(self, tail: int | None, *, follow: bool) -> Iterator[bytes]:
        """Give it in pieces as they come: all, or its last lines; with `follow`, without end."""


class Questions(Protocol):
    """What commands ask. Of the database all that is asked within one `with` comes from one snapshot."""

    def reachable(self) -> None:
        """Do nothing, or raise where nobody answers: told before anybody is asked whether they are sure."""

    def status(self) -> Status:
        """Give the whole instance."""

    def listed(self, kind: str, where: dict[str, Any], page: Page) -> Listed[Any]:
        """Give a page of runs, files, attempts, operations, dead-letters, failures, pilots or workers."""

    def run(self, number: int) -> RunDetail | None:
        """Give a run."""

    def file(self, name: str, run: int | None = None) -> FileDetail | None:
        """Give a file by its name, `run/sequence` or number."""

    def campaigns(self, page: Page) -> Listed[CampaignRow]:
        """Give a page of campaigns."""

    def campaign(self, name: str) -> CampaignRow | None:
        """Give a campaign."""

    def campaign_runs(self, name: str, page: Page) -> Listed[CampaignRun]:
        """Give a page of a campaign's runs."""

    def sites(self) -> Sequence[SiteRow]:
        """Give all sites."""

    def pauses(self) -> Sequence[Any]:
        """Give what is paused, the longest first."""

    def alerts(self, status: AlertStatus, code: str | None) -> Sequence[AlertRow]:
        """Give alerts: open ones, those that are over, or all."""

    def acknowledgements(self) -> Sequence[HoldingAck]:
        """Give the acknowledgements that hold now, those first whose alert is not open."""

    def launchers(self) -> Sequence[LauncherRow]:
        """Give the launchers that were heard of in the last week."""

    def operation(self, number: int) -> OperationRow | None:
        """Give an operation."""

    def pilot(self, number: int) -> PilotRow | None:
        """Give a pilot."""

    def why_run(self, number: int) -> Why | None:
        """Say why a run is where it is."""

    def why_file(self, name: str, campaign: str | None = None) -> Why | None:
        """Say why a file is where it is."""

    def usage(self, hours: int | None) -> StepsUsage:
        """Say by step what all campaigns used, in the last hours or ever."""

    def usage_of_run(self, number: int) -> StepsUsage | None:
        """Say by step what a run used."""

    def usage_of_campaign(self, name: str) -> StepsUsage | None:
        """Say by step what a campaign used."""

    def usage_of_pilots(self, hours: int) -> Sequence[PilotUsage]:
        """Say by name what pilots used that were wanted in the last hours."""

    def attempts_at(self, item: int) -> tuple[AttemptRow, ...]:
        """Give the attempts at an item, the first one first."""

    def log(self, attempt: AttemptRow) -> Log:
        """Give an attempt's log, not opened yet."""

    def catalog(self, run: int, event: int | None, kind: str | None, site: str | None) -> Sequence[CatalogEntry]:
        """Give what can be read of a run."""

    def place(self, place: Place) -> str:
        """Give the path under which it opens here, else `site:path`."""

    def dead_letter(self, number: int) -> DeadLetterRow | None:
        """Give a dead letter."""

    def dead_letter_body(self, number: int) -> bytes:
        """Give a dead letter's message."""

    def count(self, trigger: Trigger, selection: Selection, *, state: str | None = None) -> int:
        """Count what an action would change."""

    def why_nothing(self, trigger: Trigger, selection: Selection, *, state: str | None = None) -> str:
        """Say how many items are selected, and why an action would change none of them."""

    def count_letters(self, numbers: Sequence[int], code: str | None, *, replay: bool) -> Chosen:
        """Count which dead letters would be replayed or forgotten."""

    def count_campaign(self, wanted: Wanted) -> Plan:
        """Count what a campaign would take in."""

    def count_growth(self, name: str, query: RunChoice | None) -> Plan:
        """Count what a campaign would take in anew."""


class Changes(Protocol):
    """What commands change, at once and whole. In a dry run all of it is undone."""

    def close(self, number: int, reason: str, expected: int | None) -> str:
        """Close a run; give the sentence that says what changed. So the next ones."""

    def expect(self, number: int, reason: str, count: int) -> str:
        """Correct how many files a run has."""

    def waive(self, number: int, reason: str, files: Sequence[str]) -> str:
        """Declare files missing."""

    def reopen(self, number: int, reason: str) -> str:
        """Take a run's closing back."""

    def reclassify(self, number: int, reason: str, kind: str) -> str:
        """Give a run another type."""

    def note(self, number: int, text: str, kind: str, about: str | None) -> None:
        """Write a note."""

    def judge(self, number: int, reason: str, quality: str) -> None:
        """Say how good a run is."""

    def pause(self, what: Any, name: str, reason: str) -> bool:
        """Let something rest; False where it did already."""

    def resume(self, what: Any, name: str, reason: str) -> None:
        """Let it go on."""

    def acknowledge(self, code: str, name: str, hours: float, reason: str) -> str:
        """Say that one knows of an alert; give the sentence that says until when."""

    def unacknowledge(self, code: str, name: str, reason: str) -> str:
        """Take that back."""

    def drain(self, worker: str, reason: str) -> str:
        """Let workers leave; give the sentence that says which."""

    def tell_pilot(self, number: int, word: str, reason: str) -> str:
        """Have a pilot drained or cancelled; give the sentence that says what is to be."""

    def letters(self, name: str, numbers: Sequence[int], code: str | None, reason: str) -> Chosen:
        """Replay or forget dead letters."""

    def cancel(self, operation: int, reason: str) -> None:
        """Leave the rest of an operation undone."""

    def create_campaign(self, wanted: Wanted, reason: str) -> Begun:
        """Begin a campaign."""

    def grow_campaign(self, name: str, reason: str, query: RunChoice | None) -> Begun:
        """Let a campaign take in what fits."""

    def tell_campaign(self, verb: str, name: str, reason: str) -> Changed:
        """Pause, resume or close a campaign."""


class Deeds(Protocol):
    """What takes more than one transaction. It stands in the database from its beginning: a daemon ends it."""

    def operate(
        self,
        trigger: Trigger,
        selection: Selection,
        reason: str,
        *,
        state: str | None = None,
        lane: str | None = None,
        new_content: bool = False,
    ) -> Operated:
        """Act on what is selected."""

    def make(self, begun: Begun) -> None:
        """Make a campaign's items."""
