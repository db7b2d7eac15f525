"""The trial: a pilot's real script, read by bash and shown to SLURM, which says whether it would take it."""

import secrets
from collections.abc import Iterator

from ....statemachine.wording import plural
from ...config import Config
from ...finding import Finding
from ..contract import Batch, RefusedError, UnclearError
from ..script import ScriptError, Wanted, check_shell, render
from .patience import one_line

PREFIX = "hfd"
"""Names of doctor's jobs begin so: the launcher's own begin with `hf-`, so it never takes one for a pilot."""


def token(instance: str) -> str:
    """Make the name of a job of doctor's."""
    return f"{PREFIX}-{instance}-{secrets.token_hex(6)}"


def trial_findings(config: Config, name: str, batch: Batch) -> Iterator[Finding]:
    """Try a pilot's script, and that of a large one."""
    script = _script(config, name)
    yield script
    if script.level == "fail":
        return
    first = _tried(config, name, batch, large=False)
    yield first
    if first.level == "ok" and config.pilots[name].large > 1:
        yield _tried(config, name, batch, large=True)


def _script(config: Config, name: str) -> Finding:
    wanted = Wanted(token=token(config.instance), name=name)
    what = f"pilot {name}: script"
    try:
        check_shell(config, wanted, render(config, wanted).script)
    except ScriptError as error:
        return Finding("fail", what, str(error), f"mend pilot.{name}.script; headframe slurm script {name} shows it")
    lines = len(config.pilots[name].script)
    return Finding(
        "ok", what, f"bash understands it, with {plural(lines, 'line')} of this site" if lines else "bash reads it"
    )


def _tried(config: Config, name: str, batch: Batch, *, large: bool) -> Finding:
    what = f"pilot {name}: {'a large one' if large else 'trial'}"
    job = render(config, Wanted(token=token(config.instance), name=name, large=large))
    try:
        said = batch.try_out(job)
    except RefusedError as error:
        todo = f"mend [pilot.{name}]{' large' if large else ''}; headframe slurm script {name} shows what was asked"
        # A large one is wanted only for what ran out of time or memory: all else goes on without.
        return Finding("warn" if large else "fail", what, f"{batch.name} refuses it: {one_line(error)}", todo)
    except UnclearError as error:
        return Finding("warn", what, f"no clear answer: {one_line(error)}", "ask again")
    return Finding("ok", what, f"it would be taken: {one_line(said)}" if said.strip() else "it would be taken")
