"""The command line starts at once, and says all that it can."""

import resource
import subprocess
import sys

import pytest

from headframe.daemon import processes
from headframe.daemon.cli.main import COMMANDS, cli
from headframe.daemon.cli.processes import COMMANDS as COMMANDS_OF
from headframe.daemon.cli.session import Session

HEAVY = ("sqlalchemy", "rich", "flask", "pika", "alembic", "transitions", "msgspec", "structlog", "yaml", "numpy")
RUN = "from headframe.daemon.cli import main; main({arguments!r})"


def python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def seconds(code: str) -> float:
    """Give the processor's seconds, the least of some tries: others use the machine too."""
    times = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        python(code)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["get", "--help"], ["requeue", "--help"]])
def test_nothing_heavy_is_imported_to_show_help(arguments: list[str]) -> None:
    code = (
        f"import sys\ntry:\n    from headframe.daemon.cli import main; main({arguments!r})\n"
        f"except SystemExit: pass\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert python(code).stdout.splitlines()[-1] == "[]"


def test_the_version_is_there_well_under_a_fifth_of_a_second() -> None:
    assert seconds(RUN.format(arguments=["--version"])) - seconds("pass") < 0.15


def test_rich_is_not_wanted_where_nobody_looks() -> None:
    code = (
        "import sys\nfrom headframe.daemon.cli import get, output, columns, text, looking, whys, describe\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert python(code).stdout.strip() == "[]"


def test_every_command_of_the_table_is_there_and_has_help() -> None:
    import click

    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help


def test_the_issues_vocabulary_is_there() -> None:
    wanted = (
        "up demo db watch conductor sweeper worker web status get describe logs catalog wait requeue hold cancel "
        "release abandon recover reset run operation pause resume drain dead why verify doctor config broker "
        "user token campaign failures usage pilot pilots launcher slurm "
        "backup restore alerts monitoring"
    )
    assert set(wanted.split()) == set(COMMANDS)


def test_an_unknown_command_names_the_nearest() -> None:
    found = python(RUN.format(arguments=["requeu"]))
    assert found.returncode == 2
    assert "did you mean requeue?" in found.stderr
    assert found.stdout == ""


@pytest.mark.parametrize(
    ("words", "lanes"),
    [
        ((), ("live", "bulk")),
        (("--lanes", "bulk"), ("bulk",)),
        (("--lanes", "bulk,live"), ("live", "bulk")),
        (("--lanes", "bulk", "--lanes", "live"), ("live", "bulk")),
    ],
)
@pytest.mark.parametrize("role", ["conductor", "worker"])
def test_conductors_and_workers_can_be_started_for_a_lane(
    role: str, words: tuple[str, ...], lanes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(processes, f"run_{role}", lambda _, lanes: started.append(lanes))
    monkeypatch.setattr(Session, "config", None)
    COMMANDS_OF[role].main([*words], obj=Session(None, {}), standalone_mode=False)
    assert started == [lanes]


def test_a_lane_that_there_is_not_is_a_usage_error() -> None:
    done = python(RUN.format(arguments=["conductor", "--lanes", "fast"]))
    assert done.returncode == 2
    assert "there is no lane 'fast'; expected live, bulk, or live,bulk" in done.stderr
