"""Doctor's jobs: they look at the node, meet the login node half way, and leave nothing behind."""

from collections.abc import Callable
from pathlib import Path

import pytest

from headframe.daemon.config import Config
from headframe.daemon.finding import Finding
from headframe.daemon.slurm.doctor import inside, visit
from headframe.daemon.slurm.doctor.inside import examine_inside
from headframe.daemon.slurm.doctor.visit import Visit

from .double import Double, configured


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "POLL_S", 0.05)
    monkeypatch.setattr(inside, "LOOK_S", 0.01)


def looked(
    config: Config, batch: Double, wait_s: float = 120, say: Callable[[str], None] = print
) -> dict[str, Finding]:
    return {
        f"{each.what} {n}" if n else each.what: each
        for n, each in numbered(examine_inside(config, tuple(config.pilots), batch, wait_s, say))
    }


def numbered(findings: object) -> list[tuple[int, Finding]]:
    """Number findings about the same thing."""
    times: dict[str, int] = {}
    made = []
    for each in findings:  # type: ignore[attr-defined]
        made.append((times.get(each.what, 0), each))
        times[each.what] = times.get(each.what, 0) + 1
    return made


def about(said: dict[str, Finding], what: str) -> list[Finding]:
    return [each for each in said.values() if each.what.endswith(f": {what}")]


def left(folder: Path) -> list[str]:
    """Give what lies below the folders of logs and sites."""
    found = [str(path) for name in ("logs", "work", "daq") for path in (folder / name).rglob("*")]
    return [path for path in found if not path.endswith("/daq/inbox")]


def test_a_job_meets_the_login_node_in_every_place_and_leaves_nothing(tmp_path: Path) -> None:
    config = configured(tmp_path, 'script = ["export SLURMD_NODENAME=n7"]')
    (tmp_path / "daq" / "a.h5").write_bytes(b"")
    said = looked(config, Double(runs=True))
    met = [each.sentence for each in (*about(said, "site work"), *about(said, "logs"))]
    assert any("a mark went to the login node and back" in each for each in met), said
    assert all(each.level == "ok" for each in (*about(said, "logs"), *about(said, "site daq"))), said
    assert [each.sentence for each in about(said, "site daq")] == [
        f"{tmp_path}/daq can be read, and has what the login node sees there"
    ]
    assert about(said, "clock")[0].sentence == "agrees with the login node's"
    assert all(each.what.startswith("pilot reco on n7: ") for each in said.values())
    assert about(said, "broker")[0].level == "fail"
    assert about(said, "REST API")[0].level == "warn"
    assert about(said, "step place")[0].level == "ok"
    assert about(said, "inbox raw")[0].level == "ok"
    assert "key cannot be read" in about(said, "private options of place")[0].sentence
    assert [path for path in left(tmp_path) if not path.endswith((".log", "a.h5"))] == []


def test_a_site_that_is_another_place_on_the_node_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "MEETING_S", 1.0)
    (tmp_path / "elsewhere").mkdir()
    config = configured(tmp_path)
    theirs = (tmp_path / "headframe.toml").read_text().replace('"service"', '"node"')
    theirs = theirs.replace('[site.work]\npath = "work"', '[site.work]\npath = "work"\npaths = {node = "elsewhere"}')
    (tmp_path / "pilots.toml").write_text(theirs)
    config = configured(tmp_path, 'script = ["export HEADFRAME_TEST=1"]', 'config = "pilots.toml"')
    said = looked(config, Double(runs=True))
    wrong = [each for each in about(said, "site work") if each.level == "fail"]
    assert wrong[0].sentence.startswith(f"{tmp_path}/elsewhere is not the place that the login node calls so"), said


def test_a_job_that_waits_too_long_is_cancelled_and_its_reason_is_said(tmp_path: Path) -> None:
    double = Double(ends=False)
    heard: list[str] = []
    (said,) = looked(configured(tmp_path), double, wait_s=0.5, say=heard.append).values()
    assert "job 1 is PENDING (Resources); no answer in" in said.sentence
    assert double.cancelled == ["1"]
    assert heard == ["pilot reco: job 1 is PENDING (Resources)"]
    assert left(tmp_path) == []


def test_a_job_that_leaves_no_answer_is_known_by_its_last_words(tmp_path: Path) -> None:
    config = configured(tmp_path, "script = ['echo no module; exit 1']")
    (said,) = looked(config, Double(runs=True)).values()
    assert said.level == "fail"
    assert "ended without an answer, failed: no module" in said.sentence
    (kept,) = left(tmp_path)
    assert kept.endswith("-1.log")


def test_a_refused_job_is_a_line_and_leaves_nothing(tmp_path: Path) -> None:
    (said,) = looked(configured(tmp_path), Double(refuse="Invalid account")).values()
    assert said.sentence == "cannot be submitted: Invalid account"
    assert left(tmp_path) == []


def test_whoever_is_interrupted_leaves_no_job_behind(tmp_path: Path) -> None:
    double = Double(ends=False)

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        looked(configured(tmp_path), double, say=interrupted)
    assert double.cancelled == ["1"]
    assert left(tmp_path) == []


def test_the_job_asks_for_what_a_pilot_asks_for_but_a_short_time_and_one_node(tmp_path: Path) -> None:
    lines = 'qos = "realtime"\nreservation = "shift"\nnodes = 4\nwalltime = "8:00:00"\nscript = ["module load x"]'
    script = Visit(configured(tmp_path, lines), "reco").wanted().script
    for line in ("--qos=realtime", "--reservation=shift", "--nodes=1", "--time=0-00:20:00"):
        assert f"#SBATCH {line}\n" in script
    assert "\nmodule load x\nexec " in script
    assert "#SBATCH --job-name=hfd-" in script
