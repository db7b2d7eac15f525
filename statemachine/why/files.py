"""Why a file is where it is."""

from sqlalchemy import Connection

from ..views import FileDetail, file
from .answer import Who, Why, command
from .facts import facts
from .items import why_item
from .letters import letter_notes


def why_file(conn: Connection, wanted: str | int, campaign: str | None = None) -> Why | None:
    """Explain one file, in its run's own campaign or another; none where there is no such file.

    Raises `views.NotOneError` where several runs have a file of that name.
    """
    found = file(conn, wanted)
    return None if found is None else why_found_file(conn, found, campaign)


def why_found_file(conn: Connection, found: FileDetail, campaign: str | None = None) -> Why:
    """Explain a file that has been read already."""
    items = [row for row in found.items if campaign in (None, row.campaign)]
    if not items:
        return _absent(found)
    notes = list(letter_notes(found.dead_letters))
    notes += [f"late report: {late.trigger} of epoch {late.epoch} ({late.cause})" for late in found.late[:3]]
    named = ("--run", str(found.run), "--file", found.name)
    tried = tuple(attempt for attempt in found.attempts if attempt.item == items[0].item)
    return why_item(facts(conn, f"file {found.name}", named, found.run, items[0].item, notes, attempts=tried or None))


def _absent(found: FileDetail) -> Why:
    letters = letter_notes(found.dead_letters)
    subject, run = f"file {found.name}", str(found.run)
    if found.waived_at is not None:
        sentence = f"{found.waived_by or 'somebody'} declared it missing: {found.waived_reason or 'no reason given'}"
        return Why(
            subject=subject,
            code="waived",
            sentence=sentence,
            state="",
            phase="",
            evidence=letters,
            since=found.waived_at,
        )
    if found.registered_at is not None:
        return Why(
            subject=subject,
            code="not-in-campaign",
            sentence=f"it is registered in run {run} but no item of this campaign",
            state="",
            phase="",
            evidence=letters,
            since=found.registered_at,
        )
    return Why(
        subject=subject,
        code="not-arrived",
        sentence=f"run {run} announced it, and it has not come",
        state="",
        phase="",
        evidence=letters,
        who=Who.DETECTOR,
        command=command("run", "waive", run, found.name),
    )
