"""The raw format: the same bytes for the same seed, and one clear line for each kind of broken file."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from headframe.consumers.steps.api import PayloadError
from headframe.consumers.tpc import rawfile
from headframe.consumers.tpc.arrays import runs
from headframe.consumers.tpc.detector import DEFAULT
from headframe.consumers.tpc.simulate import write_raw


def refusal(path: Path) -> Any:
    with pytest.raises(PayloadError) as caught:
        rawfile.read_for(DEFAULT, path)
    assert caught.value.permanent
    assert path.name in caught.value.sentence
    assert "\n" not in caught.value.sentence
    return caught.value.code


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_raw(tmp_path / name, run=1, sequence=0, kind="calibration", seed=seed, events=5)
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1] != made[2]


def test_nothing_but_the_file_is_left_in_the_folder(tmp_path: Path) -> None:
    write_raw(tmp_path / "a.h5", run=1, sequence=0, kind="led", seed=1, events=3)
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_a_file_reads_back_as_written(science: Any) -> None:
    path, truth = science
    segment = rawfile.read(path)
    assert segment.events.first == 75
    assert segment.events.last == 99
    assert segment.attributes["run"] == 7
    assert segment.attributes["kind"] == "science"
    assert segment.event_trigger_ns.tolist() == [event.trigger_ns for event in truth]
    assert rawfile.to_bytes(segment) == path.read_bytes()


def test_no_truth_is_in_a_raw_file(science: Any) -> None:
    with h5py.File(science[0]) as file:
        names = []
        file.visit(names.append)
    assert sorted(set(names) - set(rawfile.DATASETS)) == ["events", "pulses"]


@pytest.mark.parametrize("kept", [9, 100, 1000, 0.3, 0.99, -1])
def test_a_truncated_file_is_refused(science: Any, tmp_path: Path, kept: float) -> None:
    content = science[0].read_bytes()
    cut = tmp_path / "cut.h5"
    cut.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    assert refusal(cut) == "truncated"


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "empty"), (b"not a detector file\n" * 50, "not-raw"), (b"\x89H", "truncated")]
)
def test_an_empty_or_foreign_file_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "bad.h5").write_bytes(content)
    assert refusal(tmp_path / "bad.h5") == code


def test_a_foreign_hdf5_file_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1, 2, 3]
    assert refusal(tmp_path / "other.h5") == "not-raw"


def test_damaged_samples_are_noticed(science: Any, tmp_path: Path) -> None:
    content = bytearray(science[0].read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    (tmp_path / "damaged.h5").write_bytes(content)
    assert refusal(tmp_path / "damaged.h5") == "damaged"


def test_random_damage_never_ends_in_another_kind_of_error(science: Any, tmp_path: Path) -> None:
    content, rng = science[0].read_bytes(), np.random.default_rng(3)
    for _ in range(40):
        broken = bytearray(content)
        for at in rng.integers(0, 3000, 12):
            broken[at] = rng.integers(256)
        try:
            rawfile.from_bytes(bytes(broken), "broken.h5")
        except PayloadError as error:
            assert error.permanent


def test_a_file_of_another_detector_is_refused(science: Any, tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    path.write_bytes(science[0].read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["detector"] = "somebody-elses"
    assert refusal(path) == "other-detector"


def test_contradictory_arrays_are_refused(science: Any, tmp_path: Path) -> None:
    path = tmp_path / "odd.h5"
    path.write_bytes(science[0].read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["last_event"] = 500
    assert refusal(path) == "damaged"


def test_runs_of_indices() -> None:
    assert runs(np.array([3, 4, 5, 9, 11, 12])) == [(3, 3), (9, 1), (11, 2)]
    assert runs(np.zeros(0, int)) == []
