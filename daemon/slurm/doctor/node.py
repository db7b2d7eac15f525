"""What a job of doctor's looks at on its node: all that a pilot there will need."""

import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from .... import __version__
from ...broker_doctor import broker_findings
from ...config import Config, ConfigError, load
from ...config.load import find
from ...finding import Finding
from . import exchange
from .node_resources import environment_findings, resource_findings
from .node_sites import meeting_findings, site_findings
from .node_steps import step_findings
from .patience import findings
from .service import service_findings


def visit(config_file: Path | None, name: str, out: Path, environ: Mapping[str, str]) -> exchange.Answer:
    """Look at this node for a pilot of this name; write the answer for the login node to `out`."""
    ask = exchange.read(out.parent / exchange.ASK, exchange.Ask)
    answer = exchange.Answer(host=_host(environ), findings=tuple(_look(config_file, name, out, ask, environ)))
    exchange.write(out, answer)
    return answer


def _host(environ: Mapping[str, str]) -> str:
    return environ.get("SLURMD_NODENAME") or socket.gethostname().split(".")[0]


def _look(
    config_file: Path | None, name: str, out: Path, ask: exchange.Ask | None, environ: Mapping[str, str]
) -> Iterator[Finding]:
    if ask is None:
        todo = "start it by headframe slurm doctor --inside"
        yield Finding("warn", "login node", f"nothing to compare with: no {out.parent / exchange.ASK}", todo)
    try:
        config = load(config_file, environ)
    except ConfigError as error:
        yield from (Finding("fail", "configuration", mistake, "mend it there") for mistake in error.mistakes)
        return
    if name not in config.pilots:
        yield Finding("fail", "configuration", f"{config.source} has no [pilot.{name}]", "add it there")
        return
    # First of all: the login node waits for the marks, and the clocks are compared by how quickly it answers.
    yield from findings("meeting", lambda: meeting_findings(config, out.parent, ask), seconds=180)
    yield from _same(config, find(config_file, environ), ask)
    yield from findings("broker", lambda: _broker(config))
    yield from (_mild(finding) for finding in findings("REST API", lambda: _service(config)))
    yield from findings("sites", lambda: site_findings(config, ask), seconds=120)
    yield from findings("steps", lambda: step_findings(config, config.pilots[name]), seconds=600)
    yield from findings("resources", lambda: resource_findings(config.pilots[name], ask, environ))
    yield from findings("environment", lambda: environment_findings(environ))


def _same(config: Config, source: Path, ask: exchange.Ask | None) -> Iterator[Finding]:
    """Compare headframe and its configuration with the login node's."""
    todo = "install the same one; pilots start what launcher.command says"
    if ask is not None and ask.version != __version__:
        yield Finding("warn", "headframe", f"{__version__} here, {ask.version} on the login node", todo)
    else:
        yield Finding("ok", "headframe", f"{__version__}, by {sys.executable}")
    if ask is not None and exchange.digest(source) != ask.digest:
        yield Finding("fail", "configuration", f"{source} is another file than on the login node", "use one file")
    else:
        yield Finding("ok", "configuration", f"{config.source}{', the same as on the login node' if ask else ''}")


def _broker(config: Config) -> Iterator[Finding]:
    if config.broker.url == "memory:":
        yield Finding("fail", "broker", "memory: cannot be reached from here", "set broker.url to a RabbitMQ")
        return
    yield from broker_findings(config)


def _service(config: Config) -> Iterator[Finding]:
    if not config.launcher.url:
        yield Finding("ok", "REST API", "launcher.url is not set here, and pilots do not need it")
        return
    yield from service_findings(config)


def _mild(finding: Finding) -> Finding:
    """Pilots do without the REST API: what is wrong with it is worth a line, no more."""
    if finding.level == "ok":
        return finding
    return Finding("warn", finding.what, f"{finding.sentence} (pilots do without it)", finding.todo)
