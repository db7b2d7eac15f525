"""`[launcher]` and `[pilot.<name>]`: what they become, and which mistakes in them are named."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from headframe.daemon.config import load
from headframe.daemon.config.launching import LauncherConfig, PilotConfig

from .test_load import EXAMPLE, made, mistakes

URL = {"url": "https://headframe.example.org"}


def pilot(**more: Any) -> dict[str, Any]:
    return {"launcher": URL, "pilot": {"reco": {"steps": ["reconstruct"], **more}}}


def test_a_pilot_needs_steps_and_has_defaults_for_the_rest(tmp_path: Path) -> None:
    config = made(tmp_path, **pilot(walltime="1-12:00:00", memory="64G"))
    assert (config.pilots["reco"].walltime, config.pilots["reco"].memory) == (36 * 3600, 64 << 30)
    assert config.pilots["reco"].lanes == ("live", "bulk")
    assert (config.launcher.name, config.launcher.interval_s) == ("main", 10.0)


def test_paths_start_at_the_folder_of_the_configuration(tmp_path: Path) -> None:
    config = made(tmp_path, **{**pilot(), "launcher": {**URL, "command": ["./bin/headframe", "--debug"]}})
    assert config.launcher.logs == tmp_path / "pilots"
    assert config.launcher.command == (f"{tmp_path}/bin/headframe", "--debug")
    config = made(tmp_path, launcher={**URL, "logs": "x", "token_file": "token", "config": "/other.toml"})
    assert config.launcher.logs == tmp_path / "x"
    assert config.launcher.token_file == tmp_path / "token"
    assert config.launcher.config == Path("/other.toml")


@pytest.mark.parametrize(
    ("more", "key", "what"),
    [
        ({"steps": ["recontruct"]}, "steps", 'did you mean "reconstruct"?'),
        ({"steps": []}, "steps", "is empty"),
        ({"lanes": ["fast"]}, "lanes", 'there is no lane "fast"'),
        ({"lanes": []}, "lanes", "is empty"),
        ({"min": 5, "max": 4}, "min", "max is 4"),
        ({"walltime": "0:02:00", "drain_s": 120}, "walltime", "expected more than that"),
        ({"walltime": "4h"}, "walltime", '"4:00:00"'),
        ({"drain_s": 70000}, "drain_s", "65535"),
        ({"memory": "64"}, "memory", '"64G"'),
        ({"memory": "4K"}, "memory", "1M or more"),
        ({"partition": "real time"}, "partition", "cannot stand in a #SBATCH line"),
        ({"partition": "realtime\n#SBATCH --uid=0"}, "partition", r"realtime\n#SBATCH"),
        ({"account": "m'123"}, "account", "cannot stand in a #SBATCH line"),
        ({"qos": "-realtime"}, "qos", "cannot stand in a #SBATCH line"),
        ({"reservation": "$(id)"}, "reservation", "cannot stand in a #SBATCH line"),
        ({"constraint": 'cpu"'}, "constraint", "cannot stand in a #SBATCH line"),
        ({"options": ["-p x"]}, "options", "is no option"),
        ({"options": ["--comment=a\nb"]}, "options", "cannot stand in a #SBATCH line"),
        ({"options": ["--comment=don't"]}, "options", "cannot stand in a #SBATCH line"),
        ({"options": ["--array=1-9"]}, "options", "a pilot is one job"),
        ({"options": ["--arr=1-9"]}, "options", "a pilot is one job"),
        ({"options": ["--time=1"]}, "options", "set walltime"),
        ({"options": ["--comment = x"]}, "options", "is no option"),
        ({"script": ["module load python\nrm -r /"]}, "script[0]", "expected one line of shell for each entry"),
        ({"script": ["true", "echo \0"]}, "script[1]", "has a line end or a NUL in it"),
        ({"script": ["#SBATCH --exclusive"]}, "script[0]", "into options"),
        ({"script": ["echo a \\"]}, "script[0]", "would swallow the next line"),
        ({"large": 0.5}, "large", "from 1"),
    ],
)
def test_each_mistake_of_a_pilot_is_one_line_with_its_key(
    tmp_path: Path, more: dict[str, Any], key: str, what: str
) -> None:
    found = mistakes(tmp_path, **pilot(**more))[f"pilot.reco.{key}"]
    assert what in found
    assert "\n" not in found


def needing(bytes_: int, **more: Any) -> dict[str, Any]:
    step = {"name": "reconstruct", "to": "reconstructed", "use": "noop", "makes": "nothing", "memory": bytes_}
    return {**pilot(workers=4, **more), "pipeline": {"default": {"initial": "arrived", "step": [step]}}}


def test_a_step_that_may_use_more_than_its_workers_share_is_a_mistake_with_the_numbers(tmp_path: Path) -> None:
    found = mistakes(tmp_path, **needing(3 << 30, memory="8G"))["pilot.reco.memory"]
    assert (
        "each of 4 workers 2048 MiB, but step reconstruct (pipeline.default.step[0].memory) may use 3072 MiB" in found
    )
    assert "expected 12288M or more, or fewer workers" in found


def test_so_is_one_that_would_find_too_little_in_a_large_pilot(tmp_path: Path) -> None:
    found = mistakes(tmp_path, **needing(2 << 30, memory="8G", large=1.5))["pilot.reco.large"]
    assert "1.5 leaves each of 4 workers 3072 MiB" in found
    assert "asks for 4096 MiB once it ran out of its 2048" in found


def test_what_fits_and_what_nobody_knows_is_none(tmp_path: Path) -> None:
    assert made(tmp_path, **needing(2 << 30, memory="8G")).pilots["reco"].memory == 8 << 30
    assert made(tmp_path, **needing(64 << 30)).pilots["reco"].memory == 0


def test_a_pilot_is_told_before_its_end_though_it_is_large(tmp_path: Path) -> None:
    found = mistakes(tmp_path, **pilot(walltime="0:02:00", drain_s=150, large=2))["pilot.reco.walltime"]
    assert "a pilot is told 150 s (drain_s) before its end" in found


@pytest.mark.parametrize(
    ("more", "key", "what"),
    [
        ({"url": "headframe.example.org"}, "url", "expected https://host"),
        ({"url": "https://me:secret@headframe.example.org"}, "url", "token_file"),
        ({**URL, "name": "a b"}, "name", "is no name"),
        ({**URL, "logs": 'a"b'}, "logs", "cannot stand in a #SBATCH line"),
        ({**URL, "command": ["a\nb"]}, "command", "expected one line"),
        ({**URL, "back_end": "slurmrestd"}, "slurmrestd", "is missing"),
        ({**URL, "back_end": "slrum"}, "back_end", "allowed:"),
        ({**URL, "refused_s": 60, "refused_max_s": 10}, "refused_max_s", "expected no less"),
    ],
)
def test_each_mistake_of_the_launcher_is_named(tmp_path: Path, more: dict[str, Any], key: str, what: str) -> None:
    found = mistakes(tmp_path, **{**pilot(), "launcher": more})[f"launcher.{key}"]
    assert what in found
    assert "secret" not in found


@pytest.mark.parametrize(
    "more",
    [
        {"script": ["echo 'a' \"b\" $HOME `id`", "if true; then", "  module load python", "fi", r"echo \\"]},
        {"options": ["--licenses=scratch,home", "--gres=gpu:1", "--comment=night shift", "--no-kill"]},
        {"constraint": "gpu&(haswell|knl*2)", "account": "m1234_g"},
    ],
)
def test_what_sites_need_is_possible(tmp_path: Path, more: dict[str, Any]) -> None:
    made(tmp_path, **pilot(**more))


@pytest.mark.parametrize(("workers", "said"), [(8, "8 workers 8192 MiB, but step work"), (6, "")])
def test_a_step_that_may_use_more_than_a_workers_share_is_a_mistake(tmp_path: Path, workers: int, said: str) -> None:
    steps = [{"name": "work", "to": "worked", "use": "reconstruct", "site": "work", "memory": 10 << 30}]
    more = {"pipeline": {"default": {"step": steps}}, "launcher": URL}
    reco = {"steps": ["work"], "memory": "64G", "workers": workers}
    if said:
        assert said in mistakes(tmp_path, **more, pilot={"reco": reco})["pilot.reco.memory"]
    else:
        made(tmp_path, **more, pilot={"reco": reco})


def test_a_host_that_only_starts_pilots_needs_no_database(tmp_path: Path) -> None:
    assert made(tmp_path, **pilot(), database={}).launcher.url


@pytest.mark.parametrize(("head", "record"), [("[launcher]", LauncherConfig), ("[pilot.", PilotConfig)])
def test_the_example_names_every_key_of_launcher_and_pilots(head: str, record: type[msgspec.Struct]) -> None:
    lines = EXAMPLE.read_text().partition(f"\n{head}")[2].partition("\n[")[0].splitlines()
    named = {line.lstrip("# ").partition(" =")[0] for line in lines if " =" in line}
    assert {field.name for field in msgspec.structs.fields(record)} <= named


def test_what_the_example_says_of_pilots_is_right() -> None:
    config = load(EXAMPLE, {})
    assert config.pilots["reconstruct"].walltime == 4 * 3600
    given = msgspec.structs.asdict(config.launcher)
    for field in msgspec.structs.fields(LauncherConfig):
        if field.name not in ("url", "token_file", "logs"):
            assert given[field.name] == field.default
