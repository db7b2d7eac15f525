"""Why an item, of a file or of a run-scope step, is in its phase: one function a phase."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ..views import AttemptRow, PauseRow
from ..wording import plural
from .answer import Who, Why, at, command
from .checks import of_item
from .facts import MOST_AHEAD, Facts
from .pilots import became, crowds, named, obstacle, set_aside
from .standstill import standstill

NO_LAUNCHER = "no launcher of pilots has been heard of: workers are started by people, or by services"
NO_WORKER = (
    "no-worker", "nodes-set-aside", "launcher-silent", "no-pilot", "pilot-intended", "pilot-pending", "pilot-starting",
    "pilot-leaving", "pilot-without-workers", "pilots-refused",
)  # fmt: skip
"""The codes of what waits because no worker of its step lives."""


def why_item(facts: Facts) -> Why:
    """Explain an item by its phase."""
    return PHASES[facts.item.phase](facts)


def stopped(facts: Facts) -> Why | None:
    """Give what stands in the way of any work on the item; none where the machine runs."""
    machine, item = facts.machine, facts.item
    if (answer := _nothing_moves(facts)) is not None:
        return answer
    for pause in machine.pauses:
        if (pause.what, pause.name) in (("step", item.step), ("lane", item.lane)):
            return _paused(facts, pause)
    if facts.paused_site is not None:
        return _paused(facts, facts.paused_site, f"; step {item.step} writes there")
    if item.campaign_status == "paused":
        sentence = f"campaign {item.campaign} is paused by {item.campaign_by or 'somebody'}: {item.campaign_reason}"
        does = command("campaign", "resume", item.campaign)
        return _answer(facts, "campaign-paused", sentence, Who.OPERATOR, does=does)
    if item.step and not machine.workers(item.step, item.lane, large=item.large):
        return _no_worker(facts)
    return None


def _no_worker(facts: Facts) -> Why:
    """Say why no worker of the step lives: its nodes are set aside, or what keeps pilots from bringing some."""
    machine, item = facts.machine, facts.item
    ordinary, halted = machine.workers(item.step, item.lane), machine.halted_too(item.step, item.lane)
    if halted and not ordinary:
        return _set_aside(facts, tuple(dict.fromkeys(worker.host for worker in halted)))
    bulk = " that takes the bulk lane" if machine.workers(item.step) else ""
    sentence = f"it waits for step {item.step}, and no worker of that step{bulk} has been heard of lately"
    if item.large:
        sentence = f"it ran out of time or memory before, and no worker of step {item.step} that has more takes it"
    missing = obstacle(machine.serving, item.step, machine.now, item.lane, large=item.large)
    if missing is not None:
        sentence = f"{sentence}: {missing.sentence}"
        since, does = missing.since, missing.does
        return _answer(facts, missing.code, sentence, missing.who, evidence=missing.evidence, since=since, does=does)
    others = [f"worker {p.owner} on {p.host} takes {_steps(p.detail)}" for p in machine.alive if p.role == "worker"]
    evidence = (*(others[:5] or ("no worker of any step has been heard of lately",)), NO_LAUNCHER)
    return _answer(facts, "no-worker", sentence, Who.ADMINISTRATOR, evidence=evidence, does="headframe worker")


def _set_aside(facts: Facts, nodes: tuple[str, ...]) -> Why:
    step, resting = facts.item.step, [pause for pause in facts.machine.pauses if pause.what == "node"]
    sentence = f"it waits for step {step}, and all its workers are on nodes that are set aside: {', '.join(nodes)}"
    since = min((pause.since for pause in resting if pause.name in nodes), default=None)
    does = command("resume", "--node", nodes[0])
    evidence = set_aside(resting, nodes)
    return _answer(facts, "nodes-set-aside", sentence, Who.OPERATOR, evidence=evidence, since=since, does=does)


def _nothing_moves(facts: Facts) -> Why | None:
    """Give what keeps the whole machine from moving; none where it moves."""
    found = standstill(facts.machine)
    if found is None:
        return None
    who, evidence = Who.ADMINISTRATOR, (found.seen,)
    return _answer(facts, found.code, found.sentence, who, evidence=evidence, since=found.since, does=found.does)


def _paused(facts: Facts, pause: PauseRow, concerns: str = "") -> Why:
    sentence = f"{pause.what} {pause.name} is paused by {pause.actor}: {pause.reason}{concerns}"
    does = command("resume", f"--{pause.what}", pause.name)
    return _answer(facts, "paused", sentence, Who.OPERATOR, since=pause.since, does=does)


def _ready(facts: Facts) -> Why:
    item, blocked = facts.item, stopped(facts)
    due = item.not_before is not None and item.not_before > facts.machine.now
    if due and (blocked is None or blocked.code in NO_WORKER):
        return _backing_off(facts)
    if blocked is not None:
        return blocked
    if facts.ahead:
        more = " or more" if facts.ahead >= MOST_AHEAD else ""
        of = " of its campaign" if item.lane == "bulk" else ""
        sentence = f"it waits its turn: {facts.ahead:,}{more}{of} stand before it in {item.step}'s {item.lane} lane"
        return _answer(facts, "queued", sentence, evidence=crowds(facts.machine.serving, item.step, item.lane))
    return _answer(facts, "ready", f"it is next for step {item.step} and goes out in a moment")


def _backing_off(facts: Facts) -> Why:
    item = facts.item
    what = f"{item.reason_code}: {item.reason}" if item.reason else item.reason_code or "an earlier try did not work"
    if item.trigger == "interrupt":
        sentence = f"step {item.step} was interrupted ({what}) and is tried again by itself"
        tried = f"{plural(item.interrupts, 'interrupt')} in a row, not charged to the retries"
    else:
        sentence = f"step {item.step} failed ({what}) and is tried again by itself"
        tried = f"{item.failures} of {plural(item.retries, 'retry').replace('retrys', 'retries')} used"
    since = item.trouble_since or item.since
    away = item.reason_code == "site-away" and facts.machine.sites_down
    who, does = (Who.ADMINISTRATOR, "headframe doctor") if away else (Who.NOBODY, "")
    due = item.not_before
    return _answer(facts, "backing-off", sentence, who, evidence=(tried,), since=since, next_try=due, does=does)


def _submitted(facts: Facts) -> Why:
    blocked = stopped(facts)
    if blocked is not None:
        return blocked
    item = facts.item
    free = len(facts.machine.workers(item.step, item.lane, large=item.large))
    sentence = f"its work message is with the broker and waits for one of {plural(free, 'worker')} of step {item.step}"
    pilots = crowds(facts.machine.serving, item.step, item.lane)
    return _answer(facts, "submitted", sentence, evidence=(f"sent {at(item.submitted_at)}", *pilots))


def _executing(facts: Facts) -> Why:
    item = facts.item
    pilot = facts.pilots.get(item.job)
    job = f", job {item.job}" if item.job else ""
    who = f"worker {item.owner} on {item.host or 'an unknown host'}{job}" + (f" of pilot {pilot.id}" if pilot else "")
    evidence = (f"lease until {at(item.lease_until)}", *((f"log {item.log}",) if item.log else ()))
    if pilot and pilot.ends_at and not pilot.over:
        evidence = (*evidence, f"the walltime of pilot {pilot.id} is over {at(pilot.ends_at)}")
    if pilot and pilot.over:
        return _pilot_over(facts, became(pilot), evidence)
    if item.lease_until is not None and item.lease_until < facts.machine.now:
        return _lease_over(facts, who, evidence)
    return _answer(facts, "executing", f"step {item.step} runs: {who}", evidence=evidence)


def _pilot_over(facts: Facts, became: str, evidence: tuple[str, ...]) -> Why:
    """Its pilot is over, and what it did is taken back as soon as nothing unread could say that it was done."""
    if not facts.machine.has("sweeper"):
        sentence = f"{became}, and no sweeper has been heard of to take the work back"
        does = "headframe sweeper"
        return _answer(facts, "no-sweeper", sentence, Who.ADMINISTRATOR, evidence=evidence, does=does)
    sentence = f"{became}; the sweeper takes the work back once all reports sent by then are applied"
    return _answer(facts, "pilot-over", sentence, evidence=evidence)


def _lease_over(facts: Facts, who: str, evidence: tuple[str, ...]) -> Why:
    if not facts.machine.has("sweeper"):
        sentence = f"{who} has fallen silent, and no sweeper has been heard of to take the work back"
        does = "headframe sweeper"
        return _answer(facts, "no-sweeper", sentence, Who.ADMINISTRATOR, evidence=evidence, does=does)
    sentence = f"{who} has fallen silent; the sweeper takes the work back once all reports sent by then are applied"
    return _answer(facts, "lease-over", sentence, evidence=evidence, since=facts.item.lease_until)


def _failed(facts: Facts) -> Why:
    item = facts.item
    sentence = f"step {item.step} failed for good: {item.reason or item.reason_code or 'no reason was given'}"
    final = item.failures <= item.retries and item.reason_code != "kills-workers"
    budget = "the step says that trying again cannot help" if final else f"the retry budget is {item.retries}"
    evidence = [f"tried {plural(item.failures, 'time')} without success; {budget}"]
    if item.nodes:
        evidence.append(f"on {', '.join(sorted(set(item.nodes)))}")
    if item.log:
        evidence.append(f"log {item.log}")
    again = command("requeue", *facts.named)
    evidence.append(f"to give it up instead: {command('abandon', *facts.named)}")
    since = item.trouble_since or item.since
    code = item.reason_code or "failed"
    return _answer(facts, code, sentence, Who.OPERATOR, evidence=tuple(evidence), since=since, does=again)


def _held(facts: Facts) -> Why:
    item = facts.item
    if item.reason_code == "run-type-unknown":
        of = f"run {facts.run}"
        said = f"type {item.kind} of {of} is not configured" if item.kind else f"nobody has said the type of {of}"
        sentence = f"{said}, so nobody knows whether it must be salted"
        does = command("run", "reclassify", str(facts.run), "TYPE")
        return _answer(facts, "run-type-unknown", sentence, Who.OPERATOR, does=does)
    release = command("release", *facts.named)
    if item.reason_code == "type-elsewhere":
        sentence = (
            f"run {facts.run} was given another type, which the pipeline of campaign {item.campaign} does not have"
        )
        return _answer(facts, "type-elsewhere", sentence, Who.OPERATOR, does=command("abandon", *facts.named))
    if item.reason_code == "duplicate-content":
        abandon = f"to leave it out: {command('abandon', *facts.named)}"
        sentence = f"it is held because it has the {item.reason}"
        return _answer(facts, "duplicate-content", sentence, Who.OPERATOR, evidence=(abandon,), does=release)
    sentence = f"{item.actor or 'somebody'} holds it: {item.reason or 'no reason was given'}"
    return _answer(facts, item.reason_code or "held", sentence, Who.OPERATOR, does=release)


def _abandoned(facts: Facts) -> Why:
    item = facts.item
    sentence = f"{item.actor or 'somebody'} has abandoned it: {item.reason or 'no reason was given'}"
    back = f"to take it back: {command('recover', *facts.named)}"
    return _answer(facts, "abandoned", sentence, evidence=(back,))


def _done(facts: Facts) -> Why:
    return _answer(facts, "done", f"all its steps are done: it is {facts.item.state}")


def _waiting(facts: Facts) -> Why:
    return _answer(facts, "waiting", "it waits for its files")


PHASES: dict[str, Callable[[Facts], Why]] = {
    "ready": _ready,
    "submitted": _submitted,
    "executing": _executing,
    "failed": _failed,
    "held": _held,
    "abandoned": _abandoned,
    "done": _done,
    "waiting": _waiting,
}


def _answer(
    facts: Facts,
    code: str,
    sentence: str,
    who: Who = Who.NOBODY,
    *,
    evidence: tuple[str, ...] = (),
    since: datetime | None = None,
    next_try: datetime | None = None,
    does: str = "",
) -> Why:
    item = facts.item
    check = of_item(item, facts.machine)
    return Why(
        subject=facts.subject,
        code=code,
        sentence=sentence,
        state=item.state,
        phase=item.phase,
        evidence=(*evidence, *_surroundings(facts)),
        since=since or item.since,
        who=who,
        next_try=next_try,
        command=does,
        owner=_owner(facts),
        check=check.says,
        next_check=check.next,
    )


def _owner(facts: Facts) -> str:
    """Say who has it in hand."""
    item = facts.item
    if item.phase in ("held", "abandoned"):
        return item.actor
    return f"worker {item.owner}" + (f" on {item.host}" if item.host else "") if item.owner else ""


def _surroundings(facts: Facts) -> tuple[str, ...]:
    tried = [a for a in facts.attempts if a.step == facts.item.step or facts.item.phase == "done"]
    tries = [_tried(facts, attempt) for attempt in tried]
    if facts.item.phase not in ("done", "abandoned"):
        tries += set_aside(facts.machine.pauses, [a.host for a in tried if a.outcome in ("failed", "interrupted")])
    down = facts.machine.sites_down if facts.item.phase not in ("done", "abandoned") else ()
    bulk = facts.item.lane == "bulk" and facts.item.phase in ("ready", "submitted", "executing")
    lane = ("it is in the bulk lane: live data goes first",) if bulk else ()
    return (*lane, *tries, *facts.notes, *down)


def _tried(facts: Facts, attempt: AttemptRow) -> str:
    """Say how an attempt ended; of one that was interrupted also what became of its pilot."""
    where = f" on {attempt.host}" if attempt.host else ""
    said = f"attempt {attempt.epoch} at {attempt.step} {attempt.outcome}{where}{_reason(attempt.reason_code)}"
    pilot = facts.pilots.get(attempt.job)
    if pilot is None:
        return f"{said}, job {attempt.job}" if attempt.job else said
    return f"{said}; {became(pilot) if attempt.outcome == 'interrupted' else named(pilot)}"


def _reason(code: str) -> str:
    return f" ({code})" if code else ""


def _steps(detail: dict[str, Any]) -> str:
    steps = detail.get("steps") or ("all",)
    lanes = [str(lane) for lane in detail.get("lanes") or ()]
    only = f" of the {lanes[0]} lane" if len(lanes) == 1 else ""
    return ", ".join(str(step) for step in steps) + only
