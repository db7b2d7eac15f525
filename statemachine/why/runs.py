"""Why a run is where it is: what it waits for, the most pressing first."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from ..views import Around, Gaps, ReasonCount, RunDetail, run
from ..wording import plural
from .answer import Who, Why, at, command
from .checks import Check, of_run
from .facts import Machine, facts, machine, with_pilots
from .items import why_item
from .letters import letter_notes
from .pilots import obstacle, set_aside
from .standstill import Standstill, no_conductor, standstill

SHOWN = 8


def why_run(conn: Connection, number: int) -> Why | None:
    """Explain one run; none where there is no such run."""
    found = run(conn, number)
    return None if found is None else why_found(conn, found)


def why_found(conn: Connection, found: RunDetail, known: Around | None = None) -> Why:
    """Explain a run that has been read already; what is alive may be `known` too."""
    number = found.row.number
    notes = letter_notes(found.dead_letters)
    row = found.row
    if row.item is not None and row.phase != "waiting":
        named = ("--run", str(number), "--scope", "run")
        more = (*notes, *_left_out(found))
        return why_item(facts(conn, f"run {number}", named, number, row.item, more, known=known))
    surroundings = with_pilots(conn, machine(conn, known), _steps_waiting(found))
    for judge in (_unknown_type, _failed, _held, _site_down, _too_many, _missing, _open, _in_progress):
        answer = judge(found, surroundings)
        if answer is not None:
            break
    else:
        answer = _gathering(found, surroundings)
    return _with(answer, (*notes, *_left_out(found)), of_run(surroundings, answer.code, absent=bool(row.missing)))


def _unknown_type(found: RunDetail, _: Machine) -> Why | None:
    row = found.row
    if found.known_kind or (row.kind == "" and not row.held):
        return None
    said = f"type {row.kind} is not configured" if row.kind else "nobody has said its type"
    held = f"{plural(row.held, 'file')} of it {'is' if row.held == 1 else 'are'} held"
    sentence = f"{said}, so {held}: nobody knows whether they must be salted"
    does = command("run", "reclassify", str(row.number), "TYPE")
    evidence = _grouped(found, "held")
    return _answer(found, "run-type-unknown", sentence, Who.OPERATOR, evidence=evidence, does=does)


def _failed(found: RunDetail, _: Machine) -> Why | None:
    row = found.row
    if not row.failed or found.accepts_failed:
        return None
    sentence = f"{plural(row.failed, 'file')} of it failed; somebody must look, then requeue or abandon"
    does = command("requeue", "--run", str(row.number), "--phase", "failed")
    return _answer(
        found,
        "files-failed",
        sentence,
        Who.OPERATOR,
        evidence=(*_grouped(found, "failed"), *_grouped(found, "held")),
        since=_since(found, "failed"),
        does=does,
    )


def _held(found: RunDetail, _: Machine) -> Why | None:
    row = found.row
    if not row.held:
        return None
    sentence = f"{plural(row.held, 'file')} of it held until somebody releases or abandons them"
    does = command("release", "--run", str(row.number), "--phase", "held")
    return _answer(
        found,
        "files-held",
        sentence,
        Who.OPERATOR,
        evidence=_grouped(found, "held"),
        since=_since(found, "held"),
        does=does,
    )


def _site_down(found: RunDetail, around: Machine) -> Why | None:
    """Files that wait for a site are tried again by themselves, but somebody has to bring it back."""
    away = [reason for reason in found.reasons if reason.phase == "ready" and reason.reason_code == "site-away"]
    if not away or not around.sites_down:
        return None
    files = plural(sum(reason.n for reason in away), "file")
    sentence = f"{files} of it can go on once a site is back, and will by itself: {around.sites_down[0]}"
    return _answer(
        found,
        "site-down",
        sentence,
        Who.ADMINISTRATOR,
        evidence=(*around.sites_down[1:], *_grouped(found, "ready")),
        since=min(reason.since for reason in away),
        does="headframe doctor",
    )


def _too_many(found: RunDetail, _: Machine) -> Why | None:
    row = found.row
    if row.expected is None or row.registered + row.waived <= row.expected:
        return None
    waived = f" and {row.waived} declared missing" if row.waived else ""
    sentence = f"more files came than were announced: {row.registered}{waived}, announced were {row.expected}"
    does = command("run", "expect", str(row.number), str(row.registered + row.waived))
    return _answer(found, "more-files-than-announced", sentence, Who.OPERATOR, does=does)


def _missing(found: RunDetail, _: Machine) -> Why | None:
    """Only a closed run misses files; while it is open the rest may simply not have been written yet."""
    row = found.row
    if found.row.closed is None or not row.missing:
        return None
    sentence = f"{plural(row.missing, 'file')} of {row.expected} announced have not come"
    does = command("run", "waive", str(row.number), *(_first(found.gaps) or ("SEQUENCE",)))
    came = f"the last file came {at(found.last_file_at)}" if found.last_file_at else "no file of it has come"
    evidence = (*_named(found.gaps), came)
    return _answer(
        found, "files-missing", sentence, Who.DETECTOR, evidence=evidence, since=found.last_file_at, does=does
    )


def _open(found: RunDetail, _: Machine) -> Why | None:
    row = found.row
    if row.closed is not None and row.expected is not None:
        return None
    so_far = f"{row.registered} of {row.expected}" if row.expected is not None else f"{row.registered}"
    last = f"{so_far} files so far" + (f", the last one came {at(found.last_file_at)}" if found.last_file_at else "")
    close = command("run", "close", str(row.number))
    evidence = (last, *_named(found.gaps)[:3])
    if not found.source:
        sentence = "no run database has said anything of it, so nobody knows whether it is complete"
        return _answer(
            found, "waiting-for-metadata", sentence, Who.DETECTOR, evidence=evidence, since=row.since, does=close
        )
    sentence = f"the detector has not ended it, says {found.source}"
    since = row.started or row.since
    return _answer(found, "open", sentence, Who.DETECTOR, evidence=evidence, since=since, does=close)


def _in_progress(found: RunDetail, around: Machine) -> Why | None:
    row = found.row
    under_way = {phase: row.phases.get(phase, 0) for phase in ("ready", "submitted", "executing")}
    n = sum(under_way.values())
    if not n:
        return None
    lines = tuple(
        f"{state}: " + ", ".join(f"{phases[phase]} {phase}" for phase in under_way if phases.get(phase))
        for state, phases in row.files.items()
        if any(phases.get(phase) for phase in under_way)
    )
    lines += _grouped(found, "ready")
    if still := standstill(around):
        return _stands_still(found, still, lines)
    waiting = _steps_waiting(found)
    idle = [step for step in waiting if not around.workers(step)]
    if idle and not under_way["executing"]:
        return _no_worker(found, around, n, idle, lines)
    resting = [p for p in around.pauses if p.what in ("lane", "site") or (p.what == "step" and p.name in waiting)]
    if resting and not under_way["executing"]:
        paused = [f"{p.what} {p.name} is paused by {p.actor}: {p.reason}" for p in resting]
        does = command("resume", f"--{resting[0].what}", resting[0].name)
        return _answer(found, "paused", paused[0], Who.OPERATOR, evidence=(*paused[1:], *lines), does=does)
    return _answer(found, "in-progress", f"{plural(n, 'file')} of it are under way", evidence=lines)


def _no_worker(found: RunDetail, around: Machine, n: int, idle: Sequence[str], lines: tuple[str, ...]) -> Why:
    sentence = f"{plural(n, 'file')} wait, and no worker takes {' or '.join(idle)}"
    halted = tuple(dict.fromkeys(p.host for step in idle for p in around.halted_too(step)))
    if halted:
        does, lines = command("resume", "--node", halted[0]), (*set_aside(around.pauses, halted), *lines)
        sentence = f"{sentence} but on nodes that are set aside: {', '.join(halted)}"
        return _answer(found, "nodes-set-aside", sentence, Who.OPERATOR, evidence=lines, does=does)
    missing = obstacle(around.serving, idle[0], around.now)
    if missing is None:
        does = "headframe worker"
        return _answer(found, "no-worker", sentence, Who.ADMINISTRATOR, evidence=lines, does=does)
    sentence, lines = f"{sentence}: {missing.sentence}", (*missing.evidence, *lines)
    return _answer(found, missing.code, sentence, missing.who, evidence=lines, since=missing.since, does=missing.does)


def _gathering(found: RunDetail, around: Machine) -> Why:
    if still := no_conductor(around):
        return _stands_still(found, still, ())
    if found.row.item is None:
        return _answer(found, "no-files", "no file of it has come", Who.DETECTOR)
    return _answer(found, "gathering", "all its files got there; the conductor or the sweeper moves it on in a moment")


def _stands_still(found: RunDetail, still: Standstill, lines: tuple[str, ...]) -> Why:
    who, evidence = Who.ADMINISTRATOR, (still.seen, *lines)
    return _answer(found, still.code, still.sentence, who, evidence=evidence, since=still.since, does=still.does)


def _steps_waiting(found: RunDetail) -> tuple[str, ...]:
    """Give the steps for which files of the run are ready or submitted."""
    step_of = dict(zip(found.states, found.steps, strict=False))
    busy = [state for state, phases in found.row.files.items() if phases.get("ready") or phases.get("submitted")]
    return tuple(step_of[state] for state in busy if state in step_of)


def _grouped(found: RunDetail, phase: str) -> tuple[str, ...]:
    return tuple(_group(reason) for reason in found.reasons if reason.phase == phase)[:SHOWN]


def _since(found: RunDetail, phase: str) -> datetime | None:
    """Give since when the first of its files is in this trouble, however often the run itself changed."""
    return min((reason.since for reason in found.reasons if reason.phase == phase), default=None)


def _group(reason: ReasonCount) -> str:
    again = " tried again" if reason.phase == "ready" else ""
    what = reason.reason_code or reason.phase
    return f"{reason.n}{again} at {reason.step}: {what}: {reason.reason} (such as {reason.example})"


def _named(gaps: Gaps) -> tuple[str, ...]:
    spans = [f"{r.first}" if r.first == r.last else f"{r.first}-{r.last}" for r in gaps.ranges]
    names = [each.name for each in gaps.files if not each.waived]
    lines = []
    if spans:
        more = f" and {len(spans) - SHOWN} more gaps" if len(spans) > SHOWN else ""
        lines.append(f"missing sequence {', '.join(spans[:SHOWN])}{more}")
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        lines.append(f"announced, not come: {', '.join(names[:SHOWN])}{more}")
    return tuple(lines)


def _first(gaps: Gaps) -> tuple[str, ...]:
    names = tuple(each.name for each in gaps.files if not each.waived)[:SHOWN]
    return names or tuple(str(r.first) for r in gaps.ranges[:SHOWN])


def _left_out(found: RunDetail) -> tuple[str, ...]:
    """Say which files the run goes on without: the abandoned ones, and the failed ones where that is allowed."""
    given_up, failed = found.row.abandoned, found.row.failed if found.accepts_failed else 0
    lines = (f"{plural(given_up, 'file')} abandoned", *_grouped(found, "abandoned")) if given_up else ()
    if not failed:
        return lines
    again = command("requeue", "--run", str(found.row.number), "--phase", "failed")
    what = f"{plural(failed, 'file')} failed; the run goes on without (to try again: {again})"
    return (*lines, what, *_grouped(found, "failed"))


def _with(answer: Why, notes: tuple[str, ...], check: Check) -> Why:
    evidence = (*answer.evidence, *notes)
    return msgspec.structs.replace(answer, evidence=evidence, check=check.says, next_check=check.next)


def _answer(
    found: RunDetail,
    code: str,
    sentence: str,
    who: Who = Who.NOBODY,
    *,
    evidence: tuple[str, ...] = (),
    since: datetime | None = None,
    does: str = "",
) -> Why:
    row = found.row
    return Why(
        subject=f"run {row.number}",
        code=code,
        sentence=sentence,
        state=row.state,
        phase=row.phase,
        evidence=evidence,
        since=since or row.since,
        who=who,
        command=does,
    )
