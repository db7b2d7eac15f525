"""What operators do to items: requeue, hold, cancel, release, abandon, recover, reset."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ...statemachine.lanes import LANES
from ...statemachine.wording import plural
from .asking import change_options, confirm
from .codes import Code, CommandError, not_found
from .links import link, link_file, link_run
from .session import Session, pass_session
from .subject import run_number
from .units import printable

if TYPE_CHECKING:
    from ...statemachine.store.operating import Operated, Selection
    from .behind.contract import Questions


class Action(NamedTuple):
    """A command: its trigger, what it says it did, what it acts on, and what comes next."""

    trigger: str
    done: str
    acts_on: str
    help: str
    next_step: str


READY = "headframe get files --phase ready"
RELEASE = "headframe release ... when it may go on"
LIVE = "ready, submitted, executing or failed"

ACTIONS = {
    "requeue": Action("resolve", "requeued", "failed", "Try failed files or runs again.", READY),
    "hold": Action("hold", "held", LIVE, "Let nothing happen to them until released.", RELEASE),
    "cancel": Action("cancel", "cancelled", LIVE, "Stop them where they run, and hold them.", RELEASE),
    "release": Action("release", "released", "held", "Let held ones go on.", READY),
    "abandon": Action(
        "abandon",
        "abandoned",
        "failed or held",
        "Give failed or held ones up; their run goes on without them.",
        "headframe recover ... takes them back",
    ),
    "recover": Action("recover", "recovered", "abandoned", "Take abandoned ones back.", READY),
    "reset": Action("reset", "reset", "in that state or a later one", "Send them back to an earlier state.", READY),
}

_LANE = "Go on in this lane. Default: each in its own; of more than 1,000, bulk, so that live data goes first."

FILTERS = (
    click.option("--run", "runs", type=click.IntRange(min=0), multiple=True, help="Of this run; can be repeated."),
    click.option("--file", "files", multiple=True, help="This file: name, run/sequence or id; can be repeated."),
    click.option("--campaign", help="Of this campaign."),
    click.option("--state", help="In this state."),
    click.option("--phase", help="In this phase."),
    click.option("--type", "kind", help="Of this run type."),
    click.option("--step", help="At this step."),
    click.option("--reason-code", help="With this reason code."),
    click.option("--scope", type=click.Choice(("file", "run")), help="Files, or run-scope steps of runs."),
)


def _action(name: str) -> click.Command:
    action = ACTIONS[name]

    def command(session: Session, /, what: tuple[str, ...], **options: Any) -> int:
        return _act(session, name, what, options)

    options: list[Callable[[Any], Any]] = list(reversed(FILTERS))
    if action.trigger in ("resolve", "release", "recover", "reset"):
        options.append(click.option("--lane", type=click.Choice(LANES), help=_LANE))
    if name == "reset":
        taken = "Take a raw file's present content, where it was rewritten after arrival."
        options.append(click.option("--new-content", is_flag=True, help=taken))
        options.append(
            click.option("--to", "to_state", required=True, metavar="STATE", help="The state to go back to.")
        )
    wrapped: Any = change_options(pass_session(command))
    for option in options:
        wrapped = option(wrapped)
    wrapped = click.argument("what", metavar="[run R... | file F...]", nargs=-1)(wrapped)
    return click.command(name, help=f"{action.help}\n\nActs on what is {action.acts_on}; a filter narrows it.")(wrapped)


def _act(session: Session, name: str, what: tuple[str, ...], options: dict[str, Any]) -> int:
    from ...statemachine.lifecycle import Trigger
    from ...statemachine.store import operating

    action = ACTIONS[name]
    trigger = Trigger(action.trigger)
    reason, dry_run, yes = options.pop("reason"), options.pop("dry_run"), options.pop("yes")
    to_state, lane, anew = options.pop("to_state", None), options.pop("lane", None), options.pop("new_content", False)
    with session.asking() as ask:
        selection = _selection(ask, what, options)
        n = ask.count(trigger, selection, state=to_state)
        if not n:
            return _nothing(ask, name, selection, ask.why_nothing(trigger, selection, state=to_state))
    state = f" to {to_state}" if to_state else ""
    to = state + _lane(operating.lane_for(trigger, n, lane))
    if dry_run:
        click.echo(f"would have {action.done} {plural(n, 'item')}{to}; nothing was changed")
        return Code.DONE
    confirm(f"{name} {plural(n, 'item')}{to}?", yes=yes)
    did = session.deeds.operate(trigger, selection, reason, state=to_state, lane=lane, new_content=anew)
    code = _told(action, state + _lane(did.lane), did)
    _link(session, selection)
    return code


def _link(session: Session, selection: Selection) -> None:
    """Write where it is shown: the one run, the one file, or else what operators did."""
    if len(selection.runs) == 1 and not selection.files:
        link_run(session, selection.runs[0])
    elif len(selection.files) == 1:
        link_file(session, selection.files[0], selection.runs[0] if len(selection.runs) == 1 else None)
    else:
        link(session, "/operations")


def _lane(lane: str | None) -> str:
    """Say where it goes on, if that is not where it was."""
    return f" in the {lane} lane" if lane else ""


def _told(action: Action, to: str, did: Operated) -> int:
    if not did.total:
        click.echo(f"{did.why}; nothing was changed", err=True)
        return Code.FAILED
    names = ", ".join(printable(name) for name in did.names)
    more = f", and {did.changed - len(did.names):,} more" if did.changed > len(did.names) else ""
    click.echo(f"{action.done} {plural(did.changed, 'item')}{to}{': ' if names else ''}{names}{more}")
    if did.changed < did.total:
        other = f"{did.total - did.changed:,} of {plural(did.total, 'item')}"
        click.echo(f"{other} changed meanwhile and stayed as they are; look again before you repeat it", err=True)
        return Code.PARTLY if did.changed else Code.FAILED
    click.echo(f"next: {action.next_step}")
    return Code.DONE


def _selection(ask: Questions, what: tuple[str, ...], options: dict[str, Any]) -> Selection:
    from ...statemachine.store.operating import Selection

    runs, files = list(options.pop("runs")), list(options.pop("files"))
    if what:
        kind, *names = what
        if kind not in ("run", "runs", "file", "files") or not names:
            raise click.UsageError("name runs as `run 12 13`, files as `file NAME...`, or give a filter")
        if kind.startswith("run"):
            runs += [run_number(name) for name in names]
        else:
            files += names
    chosen = tuple(_file(ask, name, runs) for name in files)
    given = {name: value for name, value in options.items() if value is not None}
    if not (runs or chosen or given):
        raise click.UsageError("nothing is selected: name a run or files, or give a filter such as --phase failed")
    return Selection(runs=tuple(dict.fromkeys(runs)), files=chosen, **given)


def _file(ask: Questions, name: str, runs: list[int]) -> str:
    """Give a file's name where it stands for one file, else its id; ends where there is none, or several."""
    found = ask.file(name, runs[0] if len(runs) == 1 else None)
    if found is None:
        raise not_found(f"there is no file {printable(name)}", "headframe get files")
    return found.name if found.name == name else str(found.id)


def _nothing(ask: Questions, name: str, selection: Selection, why: str) -> int:
    """Say why there is nothing to do; an error where somebody named what cannot be acted on."""
    sentence = f"{why}; {name} acts on what is {ACTIONS[name].acts_on}"
    if selection.files:
        answer, command = ask.why_file(selection.files[0]), f"headframe why file {printable(selection.files[0])}"
    elif selection.runs:
        answer, command = ask.why_run(selection.runs[0]), f"headframe why run {selection.runs[0]}"
    else:
        click.echo(sentence)
        return Code.DONE
    if answer is None and not selection.files:
        raise not_found(f"there is no run {selection.runs[0]}", "headframe get runs")
    if answer is not None:
        sentence += f"; {answer.subject} is {answer.state} {answer.phase} ({answer.code})"
    raise CommandError(sentence, next_step=command)


COMMANDS = {name: _action(name) for name in ACTIONS}
