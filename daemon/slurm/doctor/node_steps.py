"""The steps of a pilot on its node: entry points and preloaded modules load, commands and their images are there."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ....consumers.steps.api import StepError
from ....consumers.steps.command import IMAGES
from ....consumers.worker.child import load_step
from ....statemachine.pipeline import Step
from ... import wiring
from ...config import Config, ConfigError
from ...config.launching import PilotConfig
from ...config.model import Command
from ...finding import Finding
from .patience import one_line

PRELOAD_S = 300.0


def step_findings(config: Config, pilot: PilotConfig) -> Iterator[Finding]:
    """Look whether this node can do what a pilot of this kind is there for."""
    known = {step.name: step for pipeline in config.pipelines().values() for step in pipeline.steps}
    for name in pilot.steps:
        if name not in known:
            yield Finding("fail", f"step {name}", "is in no pipeline of this configuration", "mend pilot.<name>.steps")
        else:
            yield _step(config, known[name])
    for name in pilot.steps:
        if name in config.private:
            yield _keys(config, name)
    for module in config.worker.preload:
        yield _preload(module)


def _keys(config: Config, step: str) -> Finding:
    """Read the files of a step's private options, as its worker will."""
    what = f"private options of {step}"
    try:
        wiring.private(msgspec.structs.replace(config, private={step: config.private[step]}))
    except ConfigError as error:
        return Finding("fail", what, one_line(error), f"put it where nodes see it, or mend private.{step}")
    return Finding("ok", what, "can be read")


def _step(config: Config, step: Step) -> Finding:
    what, use = f"step {step.name}", step.use or step.name
    kind, _, name = use.partition(":")
    if kind == "command" and name in config.commands:
        return _command(what, config.commands[name])
    try:
        load_step(use)
    except StepError as error:
        return Finding("fail", what, one_line(error), "pip install what it needs where pilots run")
    except Exception as error:
        return Finding("fail", what, f"does not load: {type(error).__name__}: {one_line(error)}", "repair it there")
    return Finding("ok", what, "loads")


def _command(what: str, command: Command) -> Finding:
    if command.setup is not None and not command.setup.is_file():
        return Finding("fail", what, f"its set-up script {command.setup} is not there", "put it where nodes see it")
    if command.image is None:
        program = sys.executable if command.argv[0] == "{python}" else command.argv[0]
        if command.setup is None and shutil.which(program) is None:
            return Finding("fail", what, f"{program} is no program here", "install it there, or give its whole path")
        return Finding("ok", what, f"{program} is here" if command.setup is None else f"set up by {command.setup}")
    return _image(what, command.image)


def _image(what: str, image: str) -> Finding:
    kind, _, name = image.partition(":")
    runtime = IMAGES[kind][0]
    if shutil.which(runtime) is None:
        return Finding("fail", what, f"{runtime} is not here, and its image {name} needs it", "load it in pilot script")
    if kind == "apptainer" and name.startswith("/") and not Path(name).exists():
        return Finding("fail", what, f"its image {name} is not there", "put it where nodes see it")
    return Finding("ok", what, f"{runtime} is here for {name}")


def _preload(module: str) -> Finding:
    """Import it in a process of its own: what crashes there crashes only that."""
    what = f"preload {module}"
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import importlib, sys; importlib.import_module(sys.argv[1])", module],
            capture_output=True, text=True, timeout=PRELOAD_S, check=False, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Finding("warn", what, f"takes more than {PRELOAD_S:.0f} s to import", "is its file system slow?")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Finding("fail", what, f"cannot be imported: {one_line(last)}", "pip install it where pilots run")
    return Finding("ok", what, "can be imported")
