"""The plug-ins that a configuration names: each is installed here, and loads. Others are left alone."""

from collections.abc import Iterator
from importlib import metadata

from ..consumers.steps.reconstruct import ReconstructOptions
from ..consumers.steps.salt import SaltOptions
from ..statemachine.database import first_line
from ..statemachine.pipeline import Step
from .config import Config
from .finding import Finding


def plugin_findings(config: Config) -> Iterator[Finding]:
    """Load each; one whose packages are not installed is only worth a warning: its workers may be elsewhere."""
    wrong = [found for group, name in dict.fromkeys(named(config)) if (found := _wrong(group, name)) is not None]
    yield from wrong or [Finding("ok", "entry points", "all that the configuration names load")]


def named(config: Config) -> Iterator[tuple[str, str]]:
    """Give group and name of each entry point that steps and run databases stand for."""
    for pipeline in config.pipelines().values():
        for step in pipeline.steps:
            yield from _of_step(step)
    for source in config.rundb.values():
        yield "headframe.rundb", source.use


def _of_step(step: Step) -> Iterator[tuple[str, str]]:
    use = step.use or step.name
    if use.startswith("command:"):
        return
    yield "headframe.steps", use
    if use == "salt":
        yield "headframe.salters", str(step.options.get("salter", SaltOptions().salter))
    elif use == "reconstruct":
        yield "headframe.reconstructors", str(step.options.get("reconstructor", ReconstructOptions().reconstructor))


def _wrong(group: str, name: str) -> Finding | None:
    what = f"{group} {name}"
    point = next(iter(metadata.entry_points(group=group, name=name)), None)
    if point is None:
        return Finding("fail", what, "is not installed", "pip install the package that has it, or mend its name")
    try:
        point.load()
    except ModuleNotFoundError as error:
        todo = "needed only where its workers run: pip install 'headframe[tpc]' or the package"
        return Finding("warn", what, f"needs {error.name}, which is not installed", todo)
    except Exception as error:
        return Finding("fail", what, f"does not load: {first_line(error)}", f"repair or remove {point.value}")
    return None
