"""The job script: what it asks for, what it says to the pilot, and that nothing gets into it that should not."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from headframe.daemon.config import Config
from headframe.daemon.slurm.script import ScriptError, Wanted, check_shell, render

from ..config.test_load import made

TOKEN = "hf-headframe-0a1b-0123456789abcdef"
FULL = {
    "workers": 8,
    "cores": 32,
    "memory": "64G",
    "walltime": "4:00:00",
    "partition": "realtime",
    "account": "m1234",
    "qos": "realtime",
    "reservation": "night",
    "constraint": "cpu",
    "exclusive": True,
    "options": ["--licenses=scratch", "--comment=night shift"],
    "script": ["module load python", "export HEADFRAME_HOST_CLASS='compute'"],
}


def configured(folder: Path, launcher: dict[str, Any] | None = None, **pilot: Any) -> Config:
    url = {"url": "https://headframe.example", **(launcher or {})}
    return made(folder, launcher=url, pilot={"reco": {"steps": ["reconstruct"], **pilot}})


def script(config: Config, **more: Any) -> str:
    return render(config, Wanted(token=TOKEN, name="reco", **more)).script


def asked(text: str) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH ")]


def test_everything_that_is_configured_is_asked_for(tmp_path: Path) -> None:
    assert asked(script(configured(tmp_path, **FULL), exclude=("n7", "n2"))) == [
        f"--job-name={TOKEN}",
        f"--output={tmp_path}/pilots/{TOKEN}-%j.log",
        "--open-mode=append",
        "--nodes=1",
        "--ntasks-per-node=1",
        "--cpus-per-task=32",
        "--time=0-04:00:00",
        "--signal=B:USR1@120",
        "--no-requeue",
        "--mem=65536M",
        "--partition=realtime",
        "--account=m1234",
        "--qos=realtime",
        "--reservation=night",
        "--constraint=cpu",
        "--exclusive",
        "--licenses=scratch",
        '--comment="night shift"',
        "--exclude=n2,n7",
    ]


def test_the_shell_becomes_the_pilot_after_the_sites_own_lines(tmp_path: Path) -> None:
    config = configured(tmp_path, {"command": ["/opt/head frame/bin/headframe"]}, **FULL)
    lines = script(config, expect={"reconstruct": 12.34, "salt": 1.0}).splitlines()
    assert lines[-3:-1] == FULL["script"]
    assert lines[-1] == (
        f"exec '/opt/head frame/bin/headframe' --config {tmp_path}/headframe.toml pilot --name reco --token {TOKEN}"
        " --expect reconstruct=12.3 --walltime 14400"
    )
    assert f"export HEADFRAME_CONFIG={tmp_path}/headframe.toml" in lines


def test_the_launchers_key_to_slurm_is_forgotten_before_the_sites_own_lines_run(tmp_path: Path) -> None:
    written = script(configured(tmp_path, script=['echo "key: ${SLURM_JWT:-none}"; exit'])).replace("exec ", "true ")
    done = subprocess.run(
        ["bash"], input=written, capture_output=True, text=True, env={"SLURM_JWT": "secret"}, check=True
    )
    assert done.stdout == "key: none\n"


def test_large_pilots_ask_for_more(tmp_path: Path) -> None:
    text = script(configured(tmp_path, memory="1G", walltime="1:00:00", large=1.5), large=True)
    assert {"--mem=1536M", "--time=0-01:30:00"} <= set(asked(text))
    assert text.rstrip().endswith(f"--token {TOKEN} --large --walltime 5400")


def test_on_several_nodes_srun_starts_one_on_each(tmp_path: Path) -> None:
    text = script(configured(tmp_path, nodes=3, workers=2))
    assert "--nodes=3" in asked(text)
    assert "\nexec srun --ntasks-per-node=1 --nodes=3 --cpus-per-task=2 --wait=0 --kill-on-bad-exit=0 " in text


def test_nodes_that_the_site_excludes_stay_excluded(tmp_path: Path) -> None:
    options = asked(script(configured(tmp_path, options=["--exclude=n1"]), exclude=("n3", "n;4")))
    assert options[-1] == "--exclude=n1,n3"
    assert sum("--exclude" in option for option in options) == 1


def test_a_folder_of_logs_may_have_blanks_and_percent_signs(tmp_path: Path) -> None:
    made_job = render(configured(tmp_path, {"logs": "50% of it"}), Wanted(token=TOKEN, name="reco"))
    assert asked(made_job.script)[1] == f'--output="{tmp_path}/50%% of it/{TOKEN}-%j.log"'
    assert made_job.log == f"{tmp_path}/50%% of it/{TOKEN}-%j.log"


def test_a_shell_runs_the_script_to_its_end(tmp_path: Path) -> None:
    config = configured(tmp_path, {"command": ["echo", "it's", "$HOME", "a;b"]}, script=["echo 'first \"line\"'"])
    check_shell(config, Wanted(token=TOKEN, name="reco"), script(config))
    done = subprocess.run(["bash"], input=script(config), capture_output=True, text=True, check=True)
    first, last = done.stdout.splitlines()
    assert first == 'first "line"'
    assert last.startswith("it's $HOME a;b --config ")


@pytest.mark.parametrize(
    "lines",
    [["echo 'open"], ["if true; then"], ["cat <<END"], ["echo $(("], ["fi"], ["echo 'a", "b"]],
)
def test_lines_that_bash_does_not_understand_are_an_error_that_names_them(tmp_path: Path, lines: list[str]) -> None:
    # The quote in the command's own words would close the one that the site left open.
    config = configured(tmp_path, {"command": ["head'frame"]}, script=lines)
    with pytest.raises(
        ScriptError, match=r"^pilot\.reco\.script: bash does not understand it: bash: line \d"
    ) as caught:
        check_shell(config, Wanted(token=TOKEN, name="reco"), script(config))
    assert "\n" not in str(caught.value)


def test_a_signal_to_drain_that_comes_too_early_does_not_end_the_job(tmp_path: Path) -> None:
    config = configured(tmp_path, {"command": ["true"]}, script=["kill -USR1 $$", "echo alive"])
    done = subprocess.run(["bash"], input=script(config), capture_output=True, text=True, check=True)
    assert done.stdout == "alive\n"


def test_no_secret_stands_in_a_script(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hft_dont_tell")
    text = script(configured(tmp_path, {"token_file": "token"}, **FULL))
    assert "hft_dont_tell" not in text and f"{tmp_path}/token" not in text
