"""The reconstruction against the truth of simulated files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from headframe.consumers.steps import reconstruct
from headframe.consumers.steps.api import Checksums, PayloadError
from headframe.consumers.steps.files import checksums
from headframe.consumers.tpc.classify import PulseType
from headframe.consumers.tpc.detector import DEFAULT
from headframe.consumers.tpc.reconstruction import TpcReconstructor
from headframe.consumers.tpc.simulate import write_raw


def singles(truth: Any, most_kev: float = 1e9) -> Any:
    """Index and scatter of the events with one scatter of at least 2 keV (ER) or 8 keV (NR)."""
    for index, event in enumerate(truth):
        if len(event.scatters) == 1:
            scatter = event.scatters[0]
            if scatter.energy_kev > (2 if scatter.recoil == "ER" else 8) and scatter.energy_kev < most_kev:
                yield index, scatter


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, open_trees: Any) -> Any:
    """150 events of a science run: truth, event columns, pulse columns."""
    folder = tmp_path_factory.mktemp("many")
    truth = write_raw(folder / "a.h5", run=1, sequence=0, kind="science", seed=11, events=150)
    TpcReconstructor({}).reconstruct(folder / "a.h5", folder / "a.root")
    return truth, *open_trees(folder / "a.root")


def test_nearly_every_single_scatter_is_found_as_one(many: Any) -> None:
    truth, events, _ = many
    chosen = [index for index, _ in singles(truth)]
    assert len(chosen) > 40
    assert np.mean(events["s1_pulse"][chosen] >= 0) > 0.95
    assert np.mean(events["single_scatter"][chosen]) > 0.95


def test_drift_time_and_height_agree_with_the_truth(many: Any) -> None:
    truth, events, _ = many
    off = [events["drift_us"][i] - DEFAULT.drift_us(s.z) for i, s in singles(truth)]
    assert abs(np.nanmedian(off)) < 0.15
    assert np.nanpercentile(np.abs(off), 90) < 0.6


def test_positions_agree_with_the_truth(many: Any) -> None:
    truth, events, _ = many
    off = [np.hypot(events["x_mm"][i] - s.x, events["y_mm"][i] - s.y) for i, s in singles(truth)]
    assert np.nanmedian(off) < 6
    assert np.nanpercentile(off, 90) < 20


def test_corrected_areas_give_the_light_and_charge_that_were_made(many: Any) -> None:
    truth, events, _ = many
    light = [events["cs1_phd"][i] / (s.photons * DEFAULT.g1) for i, s in singles(truth)]
    charge = [events["cs2_phd"][i] / (s.electrons * DEFAULT.g2) for i, s in singles(truth)]
    assert np.nanmedian(light) == pytest.approx(1, abs=0.06)
    assert np.nanmedian(charge) == pytest.approx(1, abs=0.05)


def test_energy_of_electron_recoils_is_reconstructed(many: Any) -> None:
    truth, events, _ = many
    ratio = [events["energy_kev"][i] / s.energy_kev for i, s in singles(truth) if s.recoil == "ER"]
    assert np.nanmedian(ratio) == pytest.approx(1, abs=0.06)


def test_multiple_scatters_are_told_from_single_ones(many: Any) -> None:
    truth, events, _ = many
    apart = [
        index
        for index, event in enumerate(truth)
        if len(event.scatters) > 1
        and np.diff(np.sort([s.z for s in event.scatters])).max() > 12
        and min(s.electrons for s in event.scatters) > 20
    ]
    assert len(apart) > 5
    assert np.mean(events["scatters"][apart] > 1) > 0.9


def test_empty_triggers_hold_no_scatter(many: Any) -> None:
    truth, events, _ = many
    empty = [index for index, event in enumerate(truth) if event.source in ("noise", "random")]
    assert np.mean(events["scatters"][empty] == 0) > 0.95


def test_lone_electrons_have_the_size_of_one_electron(many: Any) -> None:
    _, _, pulses = many
    sizes = pulses["area_phd"][pulses["type"] == PulseType.SINGLE_ELECTRON]
    assert len(sizes) > 50
    assert np.median(sizes) == pytest.approx(DEFAULT.electron_phd, rel=0.1)


def test_every_event_has_a_row_and_its_pulses_are_its_own(reconstructed: Any) -> None:
    events, pulses = reconstructed
    assert events["event"].tolist() == list(range(75, 100))
    for row, number in enumerate(events["event"]):
        own = pulses["event"] == number
        assert own.sum() == events["pulses"][row]
        assert pulses["pulse"][own].tolist() == list(range(own.sum()))
        if events["s2_pulse"][row] >= 0:
            assert pulses["area_phd"][own][events["s2_pulse"][row]] == events["s2_phd"][row]


@pytest.mark.parametrize("kind", ["calibration", "led", "background"])
def test_other_kinds_of_run_are_reconstructed(tmp_path: Path, open_trees: Any, kind: str) -> None:
    write_raw(tmp_path / "a.h5", run=1, sequence=0, kind=kind, seed=2, events=6)
    TpcReconstructor({}).reconstruct(tmp_path / "a.h5", tmp_path / "a.root")
    events, _ = open_trees(tmp_path / "a.root")
    assert len(events["event"]) == 6


@pytest.mark.parametrize("number", [0, 1])
def test_a_file_with_hardly_any_events_is_reconstructed(tmp_path: Path, open_trees: Any, number: int) -> None:
    write_raw(tmp_path / "a.h5", run=1, sequence=0, kind="science", seed=2, events=number)
    TpcReconstructor({}).reconstruct(tmp_path / "a.h5", tmp_path / "a.root")
    events, _ = open_trees(tmp_path / "a.root")
    assert len(events["event"]) == number


def test_the_step_gives_a_checksummed_product_that_opens(science: Any, job: Any, tmp_path: Path) -> None:
    work = job(science[0], "reconstruct", summed=True)
    result = reconstruct.run(work)
    (product,) = result.products
    path = tmp_path / product.location.path
    assert product.name == "run000007_0003_rq.root"
    assert product.type == "reconstructed"
    assert (product.size, product.checksums) == checksums(path)
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in path.parent.iterdir()] == [product.name]
    assert (product.events.first, product.events.last, product.events.count) == (75, 99, 25)
    with uproot.open(path) as file:
        assert file["events"].num_entries == 25
        assert file["pulses"].num_entries == product.metadata["pulses"]
        assert "xenon-7t-1" in file["detector"]


def test_the_same_input_gives_the_same_product(science: Any, job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (reconstruct.run(job(science[0], "reconstruct")).products[0] for _ in range(2))
    assert first.checksums == second.checksums


def test_an_input_with_another_checksum_is_refused(science: Any, job: Any) -> None:
    work = job(science[0], "reconstruct")
    other = Checksums(adler32="0" * 8, blake3="0" * 64)
    content = work.inputs[0].content
    changed = type(content)(
        role="raw", location=content.location, name=content.name, size=content.size, checksums=other
    )
    work = job(science[0], "reconstruct", inputs=(type(work.inputs[0])(content=changed, path=work.inputs[0].path),))
    with pytest.raises(PayloadError) as caught:
        reconstruct.run(work)
    assert caught.value.code == "checksum-mismatch"


def test_data_of_another_run_are_refused_unless_allowed(science: Any, job: Any) -> None:
    with pytest.raises(PayloadError) as caught:
        reconstruct.run(job(science[0], "reconstruct", run=8))
    assert caught.value.code == "wrong-run"
    allowed = reconstruct.run(job(science[0], "reconstruct", run=8, options={"check_identity": False}))
    assert allowed.products[0].name == "run000008_0003_rq.root"


@pytest.mark.parametrize(
    "options", [{"reconstructor": "nobody"}, {"settings": {"depth": 3}}, {"check_identity": "perhaps"}]
)
def test_a_wrong_option_is_a_permanent_error(science: Any, job: Any, options: dict[str, Any]) -> None:
    with pytest.raises(PayloadError) as caught:
        reconstruct.run(job(science[0], "reconstruct", options=options))
    assert caught.value.code == "bad-option"
    assert caught.value.permanent


def test_a_broken_input_is_a_permanent_error_with_its_reason(job: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.h5").touch()
    with pytest.raises(PayloadError) as caught:
        reconstruct.run(job(tmp_path / "empty.h5", "reconstruct"))
    assert (caught.value.code, caught.value.permanent) == ("empty", True)
