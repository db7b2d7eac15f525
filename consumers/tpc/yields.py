"""Light and charge from NEST (Szydagis et al., JINST 6 (2011) P10002) by way of nestpy (doi:10.5281/zenodo.1345595).

nestpy wraps the C++ code, whose random generator is one for the whole process: every call here seeds it
first and holds a lock until it is done, so that results depend on the seed alone.
"""

import threading
from functools import cache
from typing import Any, Literal

import nestpy
import numpy as np

from .arrays import Array
from .detector import Detector

Recoil = Literal["ER", "NR"]
_lock = threading.Lock()


@cache
def _calculator() -> Any:
    return nestpy.NESTcalc(nestpy.detectors.VDetector())


def _interaction(recoil: Recoil) -> Any:
    return nestpy.interactions.beta if recoil == "ER" else nestpy.interactions.NR


def mean_yields(detector: Detector, recoil: Recoil, energy_kev: float) -> tuple[float, float]:
    """Mean photons and electrons that a recoil of this energy makes."""
    with _lock:
        yields = _yields(detector, recoil, energy_kev)
    return yields.PhotonYield, yields.ElectronYield


def quanta(detector: Detector, recoil: Recoil, energies_kev: Array, seed: int) -> Array:
    """Photons and electrons with NEST's fluctuations; shape (len(energies), 2), int64."""
    with _lock:
        nestpy.RandomGen.rndm().set_seed(seed)
        found = [_calculator().GetQuanta(_yields(detector, recoil, float(e))) for e in energies_kev]
    return np.array([(q.photons, q.electrons) for q in found], np.int64).reshape(-1, 2).clip(min=0)


def tritium_kev(count: int, seed: int) -> Array:
    """Energies of tritium beta decays in keV (end point 18.6), shape (count,)."""
    with _lock:
        nestpy.RandomGen.rndm().set_seed(seed)
        return np.array([nestpy.spectra.CH3T_spectrum(0.0, 18.6) for _ in range(count)])


def _yields(detector: Detector, recoil: Recoil, energy_kev: float) -> Any:
    return _calculator().GetYields(
        _interaction(recoil),
        energy=energy_kev,
        density=detector.density_g_per_cm3,
        drift_field=detector.drift_field_v_per_cm,
    )
