"""Which columns each list shows. `wide` ones come with `-o wide`, `tsv` gives all."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Column(NamedTuple):
    """A column: its head, how to get the value, what kind it is.

    `plain`, `size`, `number`, `time`, `age`, `phase`, `lasting` (seconds), `share` (of 1).
    """

    head: str
    get: Callable[[Any], object]
    kind: str = "plain"
    wide: bool = False


def field(head: str, name: str | None = None, kind: str = "plain", *, wide: bool = False) -> Column:
    """Make a column of the field of that name."""
    wanted = name or head.lower()
    return Column(head, lambda row: getattr(row, wanted), kind, wide)


def counted(counts: dict[str, int]) -> str:
    """Write counts by name on one line."""
    return ", ".join(f"{n} {name}" for name, n in counts.items())


def copies(row: Any) -> str:
    """Write how many readable copies lie at each site, all roles together."""
    return ", ".join(f"{site} {sum(roles.values())}" for site, roles in sorted(row.copies.items()))


def events(row: Any) -> str:
    """Write an event range."""
    return "" if row.event_first is None else f"{row.event_first}-{row.event_last}"


def pilot_why(row: Any) -> str:
    """Write why a pilot waits, or is over, or what it was told."""
    told = f"told to {row.told}" if row.told and row.ended_at is None else ""
    return ": ".join(part for part in (told, row.code, row.reason) if part)


RUNS = (
    field("RUN", "number", "number"),
    field("TYPE", "kind"),
    field("STATE", kind="phase"),
    field("PHASE", kind="phase"),
    field("EXPECTED", kind="number"),
    field("FILES", "registered", "number"),
    field("MISSING", kind="number"),
    field("CATALOGED", kind="number"),
    field("FAILED", kind="number"),
    field("HELD", kind="number"),
    field("STARTED", kind="time"),
    Column("COPIES", copies),
    Column("BY STATE", lambda row: counted(row.states), "plain", True),
    field("WAIVED", kind="number", wide=True),
    field("ENDED", kind="time", wide=True),
    field("CLOSED", kind="time", wide=True),
    field("QUALITY", wide=True),
    field("CAMPAIGN", wide=True),
)

FILES = (
    field("NAME"),
    field("RUN", kind="number"),
    field("SEQ", "sequence", "number"),
    field("SIZE", kind="size"),
    field("STATE"),
    field("PHASE", kind="phase"),
    field("TRIES", "attempts", "number"),
    field("AGE", "since", "age"),
    field("REASON", "reason_code"),
    field("STEP", wide=True),
    field("LANE", wide=True),
    field("EPOCH", kind="number", wide=True),
    field("HOST", wide=True),
    field("OWNER", wide=True),
    field("NEXT TRY", "not_before", "time", wide=True),
    field("SINCE", kind="time", wide=True),
    field("CAMPAIGN", wide=True),
    field("TEXT", "reason", wide=True),
)

CAMPAIGNS = (
    field("NAME"),
    field("STATUS", kind="phase"),
    field("RUNS", kind="number"),
    field("TOTAL", kind="number"),
    field("DONE", kind="number"),
    field("FAILED", kind="number"),
    field("HELD", kind="number"),
    field("DONE BY", "p50", "time"),
    field("CREATED", "created_at", "time"),
    field("PIPELINE"),
    field("VERSION", wide=True),
    field("LANE", wide=True),
    field("WEIGHT", kind="number", wide=True),
    Column("SAMPLES", lambda row: counted(row.samples), "plain", True),
    field("P90", kind="time", wide=True),
    field("HELD UP AT", "bottleneck", wide=True),
    Column("BY STATE", lambda row: counted(row.states), "plain", True),
    field("BY", "created_by", wide=True),
)

SITES = (
    field("NAME"),
    field("KIND"),
    field("STATUS", kind="phase"),
    Column("COPIES", lambda row: counted(row.copies)),
    Column("FREE", lambda row: row.space.get("free"), "size"),
    Column("TOTAL", lambda row: row.space.get("total"), "size", True),
    field("MEASURED", "measured_at", "age"),
    field("REASON"),
    field("PATH", wide=True),
)

USED = (
    Column("QUEUED", lambda row: row.usage.get("queue_s"), "lasting", True),
    Column("TIME", lambda row: row.usage.get("wall_s"), "lasting", True),
    Column("CPU TIME", lambda row: row.usage.get("cpu_s"), "lasting", True),
    Column("MEMORY PEAK", lambda row: row.usage.get("memory_peak"), "size", True),
)

ATTEMPTS = (
    Column("FILE", lambda row: row.file or f"run {row.run}"),
    field("EPOCH", kind="number"),
    field("RUN", kind="number"),
    field("STEP"),
    field("OUTCOME", kind="phase"),
    field("REASON", "reason_code"),
    field("HOST"),
    field("STARTED", "started_at", "time"),
    field("ENDED", "ended_at", "time"),
    *USED,
    field("JOB", wide=True),
    field("OWNER", wide=True),
    field("LOG", wide=True),
    field("TEXT", "reason", wide=True),
)

LETTERS = (
    field("CODE"),
    field("COUNT", kind="number"),
    field("LAST", "last_at", "time"),
    field("RUN", "run_number", "number"),
    field("SAYS", "sentence"),
    field("FIRST", "first_at", "time", wide=True),
    field("ABOUT", "subject", wide=True),
    field("QUEUE", wide=True),
)

PILOTS = (
    field("ID", kind="number"),
    field("NAME"),
    field("STATUS", kind="phase"),
    field("JOB"),
    field("NODE"),
    Column("BUSY", lambda row: f"{row.busy} of {row.workers}" if row.workers else ""),
    field("AGE", "created_at", "age"),
    Column("WHY", pilot_why),
    field("LAUNCHER", wide=True),
    field("STEPS", wide=True),
    field("LARGE", wide=True),
    field("STATE", wide=True),
    field("STARTED", "started_at", "time", wide=True),
    field("ENDS", "ends_at", "time", wide=True),
    field("ENDED", "ended_at", "time", wide=True),
    field("RESTARTS", kind="number", wide=True),
    field("TOKEN", wide=True),
    field("LOG", wide=True),
)

PAUSES = (
    field("KIND", "what"),
    field("NAME"),
    field("SINCE", kind="time"),
    field("BY", "actor"),
    field("REASON"),
)

CATALOG = (
    Column("PATH", lambda row: row.shown, "plain"),
    field("RUN", kind="number"),
    field("SEQ", "sequence", "number"),
    field("TYPE"),
    field("SIZE", kind="size"),
    Column("EVENTS", events),
    field("SITE"),
    field("NAME", wide=True),
    field("ADLER32", wide=True),
    field("BLAKE3", wide=True),
    field("SOFTWARE", wide=True),
    field("CONFIGURATION", wide=True),
    field("CAMPAIGN", wide=True),
)

DEAD = (
    field("ID", kind="number"),
    field("CODE"),
    field("QUEUE"),
    field("SUBJECT"),
    field("TIMES", "count", "number"),
    field("LAST", "last_at", "time"),
    field("STANDING", kind="phase"),
    field("WHAT HAPPENED", "sentence"),
    field("REPLAYABLE", wide=True),
    field("FIRST", "first_at", "time", wide=True),
    field("SIZE", "body_size", "size", wide=True),
    field("RUN", "run_number", "number", wide=True),
    field("REPLAYS", kind="number", wide=True),
    field("REPLAYED", "replayed_at", "time", wide=True),
    field("REPLAYED BY", "replayed_by", wide=True),
    field("ASKED BY", "asked_by", wide=True),
    field("CLEARED", "cleared_at", "time", wide=True),
    field("CLEARED BY", "cleared_by", wide=True),
    field("CLEARED FOR", "cleared_reason", wide=True),
    field("STUCK", "replay_error", wide=True),
)

OPERATIONS = (
    field("ID", kind="number"),
    field("AT", kind="time"),
    field("BY", "actor"),
    field("ACTION"),
    field("STATUS"),
    field("ITEMS", "total", "number"),
    field("DONE", kind="number"),
    field("CHANGED", kind="number"),
    field("REASON"),
    field("LANE", wide=True),
    field("FINISHED", "finished_at", "time", wide=True),
    field("WHY", wide=True),
)
