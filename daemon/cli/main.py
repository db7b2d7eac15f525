"""The entry point: the table of commands, and how whatever goes wrong becomes one line and an exit code."""

import contextlib
import gc
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from .codes import Code
from .session import Session

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Looking": {
        "status": ("looking", "the whole instance on one screen; ends 1 if somebody must act"),
        "alerts": ("alerts", "what needs somebody; acknowledge it; try who is told"),
        "get": ("get", "list runs, files, campaigns, sites, attempts"),
        "describe": ("describe", "all that is known of one run, file, campaign or site"),
        "why": ("whys", "why a run or file is where it is, and what unblocks it"),
        "logs": ("logs", "the log of a file's attempt"),
        "failures": ("failures", "failures that say the same, and what they have in common"),
        "usage": ("usage", "time, CPU time, memory and time in the queue that steps and pilots used"),
        "catalog": ("catalog", "find what can be read of a run, and where"),
        "wait": ("waiting", "wait until runs or files have reached a state"),
    },
    "Acting": {
        "requeue": ("act", "try failed ones again"),
        "hold": ("act", "let nothing happen to them until released"),
        "cancel": ("act", "stop them where they run, and hold them"),
        "release": ("act", "let held ones go on"),
        "abandon": ("act", "give failed or held ones up"),
        "recover": ("act", "take abandoned ones back"),
        "reset": ("act", "send them back to an earlier state"),
        "run": ("runs", "close, expect, waive, reopen, reclassify a run; note, quality"),
        "operation": ("operations", "cancel a large action that a daemon carries out"),
        "campaign": ("campaigns", "create, grow, pause, resume, close a campaign over runs"),
        "dead": ("dead", "list, show, replay, forget dead letters"),
        "pause": ("pausing", "let a step, a lane, a site, a worker or a node rest"),
        "resume": ("pausing", "let what was paused go on"),
        "drain": ("pausing", "let a worker finish and leave"),
        "pilots": ("pilots", "list, show, cancel, drain batch jobs that run workers"),
    },
    "Access": {
        "user": ("people", "local users: add, list, role, password, disable"),
        "token": ("people", "tokens of programs: make, list, revoke"),
    },
    "Checking": {
        "verify": ("checking", "check every invariant; ends 1 with what is broken"),
        "doctor": ("checking", "check all that headframe needs here"),
        "config": ("configuring", "check the configuration, preview names"),
        "monitoring": ("monitoring", "rules, configurations and dashboards for Prometheus, Alertmanager, Grafana"),
        "slurm": ("slurming", "check a cluster for pilots, show their script"),
    },
    "Processes": {
        "up": ("processes", "everything in one process tree"),
        "demo": ("processes", "a simulated detector, from file to catalog"),
        "db": ("db", "upgrade, check the schema; roles, sizes, old history; after a recovery: recovered"),
        "backup": ("backing", "take a backup of the database, while all goes on"),
        "restore": ("backing", "bring a backup back into the database"),
        "broker": ("brokers", "declare queues, exchanges and policies"),
        "watch": ("processes", "watch the inboxes"),
        "conductor": ("processes", "apply reports and send work out"),
        "sweeper": ("processes", "repair what got lost"),
        "worker": ("processes", "do steps"),
        "pilot": ("piloting", "run workers on a node of a cluster"),
        "launcher": ("launching", "keep pilots on a cluster"),
        "web": ("processes", "serve the pages"),
    },
}
COMMANDS = {name: place for section in SECTIONS.values() for name, place in section.items()}


class ReaderLeftError(Exception):
    """The reader of the output has seen enough, as in `headframe get files | head`."""


class Commands(click.Group):
    """Knows its commands by name and one line; a command's module is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Give the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f".{COMMANDS[cmd_name][0]}", __package__)
        command: click.Command = module.COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands by section, without importing them."""
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, line) for name, (_, line) in commands.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader who leaves is no failure, which click would make of it."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderLeftError from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; name the nearest one where there is none."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; headframe --help lists them"
            ctx.fail(f"there is no command {args[0]}{hint}")
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from ... import __version__

        click.echo(f"headframe {__version__}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The configuration; else $HEADFRAME_CONFIG, ./headframe.toml, /etc/headframe/headframe.toml.",
)
@click.option(
    "--url", metavar="URL", help="Ask the service at this address; else $HEADFRAME_URL. Needs no configuration."
)
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="With a URL: the file that holds your token; else $HEADFRAME_TOKEN_FILE.",
)
@click.option("--debug", is_flag=True, hidden=True, help="Show stack traces.")
@click.pass_context
def cli(ctx: click.Context, config_file: Path | None, url: str | None, token_file: Path | None, debug: bool) -> None:
    """Carry a detector's files from arrival to catalog.

    Exit codes: 0 done, 1 failed, 2 usage, 3 partly, 4 not found, 5 not allowed, 6 not reachable, 124 timed out.
    """
    ctx.obj = Session(config_file, os.environ, debug=debug, url=url, token_file=token_file)
    ctx.call_on_close(ctx.obj.close)


COLLECT_AFTER = 50_000
"""After so many new objects the garbage collector looks, not after 700: that took a fifth of the time of a start."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; always ends the process, never with a stack trace."""
    gc.set_threshold(COLLECT_AFTER)
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except (BrokenPipeError, ReaderLeftError):
        code = Code.DONE
        _discard_output()
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    try:
        result = cli.main(args=arguments, prog_name="headframe", standalone_mode=False)
        return result if isinstance(result, int) else Code.DONE
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        click.echo("headframe: stopped, nothing more was done", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (BrokenPipeError, ReaderLeftError):
        raise
    except Exception as error:
        if "--debug" in (arguments if arguments is not None else sys.argv):
            raise
        return _explained(error)


def _explained(error: Exception) -> int:
    """Say what went wrong in one line a mistake; the name decides, so that nothing is imported for it."""
    lines, code = _known(error)
    for line in lines:
        click.echo(f"headframe: {line}", err=True)
    return code


EXPECTED = {
    "ConfigError": Code.FAILED,
    "NotFoundError": Code.NOT_FOUND,
    "RefusedError": Code.FAILED,
    "PipelineError": Code.FAILED,
    "BackupError": Code.FAILED,
    "BrokerRefusedError": Code.FAILED,
    "NotOneError": Code.USAGE,
    "BadCursorError": Code.USAGE,
    "DatabaseUnavailableError": Code.UNREACHABLE,
    "BrokerUnavailableError": Code.UNREACHABLE,
    "ClientError": Code.FAILED,
    "SchemaTooNewError": Code.FAILED,
    "SchemaNewerError": Code.FAILED,
    "StillNeededError": Code.FAILED,
    "HalfRestoredError": Code.FAILED,
}
BY_STATUS = {
    400: Code.USAGE,
    401: Code.NOT_ALLOWED,
    403: Code.NOT_ALLOWED,
    404: Code.NOT_FOUND,
    429: Code.UNREACHABLE,
    503: Code.UNREACHABLE,
}
"""How a command ends that a service refused; else as one that failed."""


def _known(error: Exception) -> tuple[list[str], int]:
    name = type(error).__name__
    if name in EXPECTED:
        code = EXPECTED[name]
        hint = ["headframe doctor says what is missing"] if code is Code.UNREACHABLE else []
        return [*str(error).split("\n"), *hint], code
    if name == "ProblemError":
        return [*str(error).split("\n")], BY_STATUS.get(getattr(error, "status", 0), Code.FAILED)
    if name == "UnreachableError":
        return [str(error)], Code.UNREACHABLE
    if isinstance(error, PermissionError) or _pgcode(error) == "42501":
        return [f"not allowed: {_first_line(error)}"], Code.NOT_ALLOWED
    if isinstance(error, OSError):
        return [_first_line(error)], Code.FAILED
    return [f"internal error: {name}: {_first_line(error)} (headframe --debug shows where)"], Code.FAILED


def _first_line(error: Exception) -> str:
    cause: Any = getattr(error, "orig", None) or error
    return str(cause).strip().split("\n", 1)[0]


def _pgcode(error: Exception) -> str:
    return getattr(getattr(error, "orig", None), "pgcode", None) or ""


def _discard_output() -> None:
    """Keep the interpreter from complaining about the closed pipe when it flushes at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
