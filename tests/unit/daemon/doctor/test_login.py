"""Doctor on the login node: one line a thing, and nothing that goes wrong ends it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headframe.daemon.config import Config
from headframe.daemon.finding import Finding
from headframe.daemon.slurm.contract import AwayError, Batch, Partition
from headframe.daemon.slurm.doctor import files
from headframe.daemon.slurm.doctor.login import examine
from headframe.daemon.slurm.doctor.patience import findings

from .double import Double, configured, node


def found(config: Config, batch: Batch) -> dict[str, Finding]:
    return {each.what: each for each in examine(config, tuple(config.pilots), lambda: (batch, "it is here"), {})}


def test_a_pilot_that_fits_is_said_to_fit(tmp_path: Path) -> None:
    double = Double()
    double.partitions_there = (Partition(name="main", state="UP", usable=True),)
    double.nodes_there = (node("n1"),)
    said = found(configured(tmp_path, 'partition = "main"'), double)
    for what in ("partition", "nodes", "script", "trial", "a large one"):
        assert said[f"pilot reco: {what}"].level == "ok", said
    assert said["back end"].sentence == "commands: it is here"
    assert said["pilot reco: trial"].sentence == "it would be taken: to start at once"


def test_the_trial_shows_slurm_the_real_script_under_a_name_that_is_no_pilots(tmp_path: Path) -> None:
    double = Double()
    found(configured(tmp_path, 'account = "m1234"\nqos = "realtime"'), double)
    assert all("--account=m1234" in job.script and "--qos=realtime" in job.script for job in double.tried)
    assert all(job.token.startswith("hfd-") for job in double.tried)


def test_slurms_own_words_are_shown_where_it_refuses(tmp_path: Path) -> None:
    said = found(configured(tmp_path), Double(refuse="Invalid qos specification"))
    assert said["pilot reco: trial"].level == "fail"
    assert "commands refuses it: Invalid qos specification" in said["pilot reco: trial"].sentence


def test_a_quote_that_is_not_closed_is_found_before_slurm_is_asked(tmp_path: Path) -> None:
    double = Double()
    said = found(configured(tmp_path, "script = ['echo \"open']"), double)
    assert said["pilot reco: script"].level == "fail"
    assert "pilot.reco.script: bash does not understand it" in said["pilot reco: script"].sentence
    assert double.tried == []


def test_a_folder_of_logs_that_is_missing_or_shut_is_said_with_what_to_do(tmp_path: Path) -> None:
    config = configured(tmp_path)
    (tmp_path / "logs").rmdir()
    said = found(config, Double())
    assert said["logs"].level == "fail"
    assert said["logs"].todo.startswith(f"mkdir -p {tmp_path / 'logs'}")


def test_a_batch_system_that_does_not_answer_is_one_finding_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    class Away(Double):
        def version(self) -> str:
            raise AwayError("slurmctld does not answer")

    said = found(configured(tmp_path), Away())
    assert (said["back end"].level, said["back end"].sentence) == ("fail", "slurmctld does not answer")
    assert said["logs"].level != "fail"
    assert "pilot reco: trial" not in said


def test_a_check_that_hangs_or_raises_is_a_finding() -> None:
    def hangs() -> Iterator[Finding]:
        threading.Event().wait()
        yield Finding("ok", "never", "")

    def raises() -> Iterator[Finding]:
        raise ValueError("a surprise\nof two lines")

    (hung,) = findings("it", hangs, seconds=0.1)
    assert (hung.level, hung.unreachable) == ("fail", True)
    (raised,) = findings("it", raises)
    assert raised.sentence == "could not be looked at: ValueError: a surprise of two lines"


def test_pilots_need_a_broker_that_they_can_reach(tmp_path: Path) -> None:
    config = configured(tmp_path)
    other = tmp_path / "pilots.toml"
    other.write_text((tmp_path / "headframe.toml").read_text().replace("amqp://127.0.0.1:1/", "memory:"))
    config = configured(tmp_path, launcher='config = "pilots.toml"')
    said = found(config, Double())
    assert "broker.url is memory:, which no pilot can reach" in said["pilots' configuration"].sentence


def test_variables_that_change_the_configuration_are_named(tmp_path: Path) -> None:
    (_, *rest) = files.configuration_findings(configured(tmp_path), {"HEADFRAME_BROKER__USER": "me"})
    assert any("HEADFRAME_BROKER__USER" in each.sentence for each in rest)


@pytest.mark.parametrize(("mode", "level"), [(0o600, "ok"), (0o640, "warn")])
def test_a_token_that_others_may_read_is_worth_a_warning(tmp_path: Path, mode: int, level: str) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "token").chmod(mode)
    (said,) = files.token_findings(configured(tmp_path, launcher='token_file = "token"'))
    assert said.level == level


def test_an_api_that_nobody_answers_at_is_said(tmp_path: Path) -> None:
    said = found(configured(tmp_path), Double())["REST API"]
    assert said.level == "fail"
    assert "http://127.0.0.1:1 does not answer" in said.sentence
