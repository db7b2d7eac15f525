"""The simulated detector against the numbers that it should follow."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headframe.consumers.tpc import light
from headframe.consumers.tpc.detector import DEFAULT, pmt_positions
from headframe.consumers.tpc.patterns import s1_pattern, s2_pattern
from headframe.consumers.tpc.simulate import write_raw
from headframe.consumers.tpc.yields import mean_yields, quanta, tritium_kev


def test_the_arrays_are_whole_hexagonal_shells() -> None:
    positions = pmt_positions(DEFAULT)
    assert positions.shape == (494, 2)
    for part in (positions[: DEFAULT.n_top], positions[DEFAULT.n_top :]):
        assert np.abs(part.mean(axis=0)).max() < 1e-9
        assert np.hypot(*part.T).max() == pytest.approx(DEFAULT.pmt_radius_mm)


@pytest.mark.parametrize(("recoil", "energy"), [("ER", 5.0), ("ER", 20.0), ("NR", 10.0), ("NR", 40.0)])
def test_quanta_follow_the_mean_yields_of_nest(recoil: Any, energy: float) -> None:
    made = quanta(DEFAULT, recoil, np.full(2000, energy), seed=1)
    assert made.mean(axis=0) == pytest.approx(mean_yields(DEFAULT, recoil, energy), rel=0.03)


def test_an_electron_recoil_makes_73_quanta_a_kev() -> None:
    # W = 13.7 eV: photons and electrons together, whatever the share (NEST's value differs by a few per cent)
    assert sum(mean_yields(DEFAULT, "ER", 10.0)) / 10 == pytest.approx(73, rel=0.05)


def test_a_nuclear_recoil_gives_less_charge_than_an_electron_recoil() -> None:
    assert mean_yields(DEFAULT, "NR", 20.0)[1] < 0.5 * mean_yields(DEFAULT, "ER", 20.0)[1]


def test_yields_depend_on_the_seed_alone() -> None:
    first = quanta(DEFAULT, "ER", np.full(20, 5.0), seed=4)
    tritium_kev(7, seed=9)
    assert (quanta(DEFAULT, "ER", np.full(20, 5.0), seed=4) == first).all()
    assert (quanta(DEFAULT, "ER", np.full(20, 5.0), seed=5) != first).any()


def test_tritium_ends_at_its_end_point() -> None:
    energies = tritium_kev(2000, seed=1)
    assert 0 <= energies.min() < energies.max() <= 18.6
    assert energies.mean() == pytest.approx(5.7, abs=0.4)


def test_s1_and_s2_have_the_size_that_the_gains_say() -> None:
    rng = np.random.default_rng(1)
    middle = light.Scatter("ER", 10.0, 0.0, 0.0, 0.0, DEFAULT.height_mm / 2, 500, 300)
    s1 = np.mean([len(light.s1(DEFAULT, rng, middle).channel) for _ in range(300)])
    s2 = np.mean([len(light.s2(DEFAULT, rng, middle).channel) for _ in range(300)])
    drift = DEFAULT.drift_us(middle.z)
    assert s1 == pytest.approx(500 * DEFAULT.g1, rel=0.03)
    assert s2 == pytest.approx(300 * DEFAULT.g2 * np.exp(-drift / DEFAULT.electron_lifetime_us), rel=0.03)


def test_patterns_are_probabilities_and_follow_the_place() -> None:
    for pattern in (s1_pattern(DEFAULT, 100.0, 50.0, 700.0), s2_pattern(DEFAULT, 100.0, 50.0)):
        assert pattern.sum() == pytest.approx(1)
        assert pattern.min() > 0
    nearest = pmt_positions(DEFAULT)[np.argmax(s2_pattern(DEFAULT, 300.0, -200.0))]
    assert np.hypot(*(nearest - [300.0, -200.0])) < 60


def test_twenty_events_are_written_in_well_under_a_second(tmp_path: Path) -> None:
    begin = time.process_time()  # of this process, whoever else keeps the machine busy
    write_raw(tmp_path / "a.h5", run=1, sequence=0, kind="science", seed=1, events=20)
    assert time.process_time() - begin < 2
    assert (tmp_path / "a.h5").stat().st_size < 6_000_000
