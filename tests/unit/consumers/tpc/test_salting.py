"""Salt: exactly what was asked, nothing else changed, and nothing that gives it away."""

import base64
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from headframe.consumers.steps import salt
from headframe.consumers.steps.api import PayloadError
from headframe.consumers.steps.files import checksums
from headframe.consumers.steps.sealing import SealError, key_id, make_keypair, open_sealed, seal
from headframe.consumers.tpc import rawfile
from headframe.consumers.tpc.reconstruction import TpcReconstructor
from headframe.consumers.tpc.salting import TpcSalter

FIXED = {"rate": 1, "distribution": "fixed"}


def salted(
    job: Any, science: Any, tmp_path: Path, keys: tuple[str, str], options: dict[str, Any] = FIXED, **changes: Any
) -> Any:
    """Run the step; give the path, the opened record and the result."""
    result = salt.run(job(science[0], "salt", options=options, **changes))
    return tmp_path / result.products[0].location.path, open_sealed(keys[0], result.salt), result


def without(segment: Any, indices: Any) -> Any:
    """The segment with these pulses taken out."""
    kept = np.setdiff1d(np.arange(len(segment.pulses.channel)), indices)
    event = np.repeat(np.arange(len(segment.event_pulses)), segment.event_pulses)
    counts = np.bincount(event[kept], minlength=len(segment.event_pulses)).astype(np.int32)
    return counts, segment.pulses.take(kept)


def indices(record: Any) -> Any:
    return np.concatenate(
        [np.zeros(0, int), *(np.arange(a, a + n) for one in record["salts"] for a, n in one["pulses"])]
    )


@pytest.mark.parametrize("number", [0, 1, 3])
def test_taking_the_salt_out_leaves_every_byte_as_it_was(
    science: Any, job: Any, tmp_path: Path, keys: tuple[str, str], number: int
) -> None:
    path, record, _ = salted(job, science, tmp_path, keys, {"rate": number, "distribution": "fixed"})
    raw, new = rawfile.read(science[0]), rawfile.read(path)
    assert len(record["salts"]) == number
    counts, pulses = without(new, indices(record))
    assert dict(new.attributes) == dict(raw.attributes)
    for name in ("event_number", "event_trigger_ns"):
        assert getattr(new, name).tobytes() == getattr(raw, name).tobytes()
    assert counts.tobytes() == raw.event_pulses.tobytes()
    for name in ("channel", "start_ns", "length", "samples"):
        assert getattr(pulses, name).tobytes() == getattr(raw.pulses, name).tobytes()
    assert (len(new.pulses.channel) > len(raw.pulses.channel)) == (number > 0)


def test_salted_pulses_lie_in_order_and_touch_no_other(
    science: Any, job: Any, tmp_path: Path, keys: tuple[str, str]
) -> None:
    path, _, _ = salted(job, science, tmp_path, keys)
    segment = rawfile.read(path)
    event = np.repeat(np.arange(len(segment.event_pulses)), segment.event_pulses)
    pulses = segment.pulses
    assert (np.lexsort((pulses.channel, pulses.start_ns, event)) == np.arange(len(event))).all()
    order = np.lexsort((pulses.start_ns, pulses.channel))
    ends = pulses.start_ns + pulses.length * 10
    same = np.diff(pulses.channel[order]) == 0
    assert (pulses.start_ns[order][1:][same] >= ends[order][:-1][same]).all()


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_salt_is_found_by_the_reconstruction_where_the_record_says(
    science: Any, job: Any, tmp_path: Path, keys: tuple[str, str], open_trees: Any, seed: int
) -> None:
    path, record, _ = salted(job, science, tmp_path, keys, seed=seed)
    TpcReconstructor({}).reconstruct(path, tmp_path / "rq.root")
    events, _ = open_trees(tmp_path / "rq.root")
    (one,) = record["salts"]
    row = events["event"].tolist().index(one["event"])
    scatter = one["scatter"]
    assert events["single_scatter"][row]
    assert events["z_mm"][row] == pytest.approx(scatter["z"], abs=3)
    assert np.hypot(events["x_mm"][row] - scatter["x"], events["y_mm"][row] - scatter["y"]) < 40


def test_the_raw_file_is_never_altered(science: Any, job: Any, tmp_path: Path, keys: tuple[str, str]) -> None:
    before = checksums(science[0]), science[0].stat().st_mtime_ns
    _, _, result = salted(job, science, tmp_path, keys)
    assert (checksums(science[0]), science[0].stat().st_mtime_ns) == before
    assert result.raw == before[0][1]


def test_nothing_public_tells_how_much_salt_there_is(
    science: Any, job: Any, tmp_path: Path, keys: tuple[str, str]
) -> None:
    seen = set()
    for number in (0, 1, 2, 5):
        options = {"rate": number, "distribution": "fixed"}
        path, _, result = salted(job, science, tmp_path, keys, options)
        (product,) = result.products
        assert product.metadata == {}
        assert [p.name for p in path.parent.iterdir()] == [science[0].name]
        sealed = len(result.salt.sealed)
        seen.add((product.name, product.size, product.configuration, product.software, sealed, result.events))
        assert path.stat().st_size == product.size
    assert len(seen) == 1


def test_salt_that_does_not_fit_into_the_reserve_stays_out(science: Any, tmp_path: Path) -> None:
    sizes = set()
    for number in (0, 1, 5):
        done = TpcSalter({"reserve": 65536}).salt(science[0], tmp_path / "a.h5", count=number, seed=1)
        sizes.add((tmp_path / "a.h5").stat().st_size)
        assert len(done.record["salts"]) <= 2
        assert done.record["asked"] == number
    assert len(sizes) == 1


def test_the_draw_depends_on_seed_and_secret(science: Any, job: Any, tmp_path: Path, keys: tuple[str, str]) -> None:
    def places(**changes: Any) -> Any:
        return salted(job, science, tmp_path, keys, **changes)[1]["salts"]

    first = places()
    secret = {"committee_public_key": keys[1], "salt_secret": "known in another pit"}
    assert places() == first
    assert places(seed=6) != first
    assert places(private=secret) != first


def test_poisson_draws_have_the_mean_that_was_asked(science: Any, job: Any) -> None:
    options = salt.SaltOptions(rate=1.5)
    drawn = [
        salt.draw_count(options, salt.random.Random(salt.draw_key(job(science[0], "salt", seed=seed))))
        for seed in range(400)
    ]
    assert np.mean(drawn) == pytest.approx(1.5, abs=0.25)
    assert np.var(drawn) == pytest.approx(1.5, abs=0.45)


def test_the_same_job_gives_the_same_file_again(science: Any, job: Any, tmp_path: Path, keys: tuple[str, str]) -> None:
    first, second = (salted(job, science, tmp_path, keys)[2].products[0].checksums for _ in range(2))
    assert first == second


def test_without_a_committee_key_nothing_is_salted(science: Any, job: Any) -> None:
    for private, code in (({}, "no-committee-key"), ({"committee_public_key": "abc"}, "bad-committee-key")):
        work = job(science[0], "salt", private=private)
        with pytest.raises(PayloadError) as caught:
            salt.run(work)
        assert (caught.value.code, caught.value.permanent) == (code, True)


@pytest.mark.parametrize(
    "options",
    [{"rate": -1}, {"rate": 0.5, "distribution": "fixed"}, {"distribution": "even"}, {"salter": "sugar"},
     {"settings": {"most": "many"}},
        {"settings": {"mots": 3}},
        {"settings": {"most": 99}},
        {"rat": 1.0}, {"rate": float("nan")},
        {"rate": float("inf"), "distribution": "fixed"}],
)  # fmt: skip
def test_a_wrong_option_is_named(science: Any, job: Any, options: dict[str, Any]) -> None:
    with pytest.raises(PayloadError) as caught:
        salt.run(job(science[0], "salt", options=options))
    assert (caught.value.code, caught.value.permanent) == ("bad-option", True)


def test_a_rewritten_input_is_refused(science: Any, job: Any, tmp_path: Path) -> None:
    path = tmp_path / science[0].name
    path.write_bytes(science[0].read_bytes())
    work = job(path, "salt")
    path.write_bytes(science[0].read_bytes()[:-5])
    with pytest.raises(PayloadError) as caught:
        salt.run(work)
    assert caught.value.code == "input-changed"


def test_a_truncated_input_is_a_clear_permanent_error(science: Any, job: Any, tmp_path: Path) -> None:
    path = tmp_path / "cut.h5"
    path.write_bytes(science[0].read_bytes()[:-500])
    with pytest.raises(PayloadError) as caught:
        salt.run(job(path, "salt"))
    assert (caught.value.code, caught.value.permanent) == ("truncated", True)


def test_a_sealed_record_opens_only_with_the_committees_key() -> None:
    private, public = make_keypair()
    sealed = seal(public, {"salts": [1]})
    assert sealed.key_id == key_id(public)
    assert open_sealed(private, sealed) == {"salts": [1]}
    with pytest.raises(SealError):
        open_sealed(make_keypair()[0], sealed)
    assert b"salts" not in base64.b64decode(sealed.sealed)


def test_sealed_records_all_have_one_length() -> None:
    _, public = make_keypair()
    lengths = {len(seal(public, {"salts": ["x" * n]}).sealed) for n in (0, 10, 1000, 4000)}
    assert len(lengths) == 1
    with pytest.raises(SealError):
        seal(public, {"salts": ["x" * 5000]})


def test_salting_a_small_file_takes_less_than_a_second(science: Any, tmp_path: Path) -> None:
    begin = time.process_time()  # of this process, whoever else keeps the machine busy
    TpcSalter({}).salt(science[0], tmp_path / "a.h5", count=1, seed=1)
    assert time.process_time() - begin < 2


def test_what_the_format_does_not_know_is_kept(science: Any, tmp_path: Path) -> None:
    path = tmp_path / "more.h5"
    path.write_bytes(science[0].read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["weather"] = np.array([1.5, 2.5])
        file["slow/pressure"] = np.arange(5, dtype=np.float32)
    TpcSalter({}).salt(path, tmp_path / "salted.h5", count=1, seed=1)
    with h5py.File(tmp_path / "salted.h5") as file:
        assert file.attrs["weather"].tolist() == [1.5, 2.5]
        assert file["slow/pressure"][()].tobytes() == np.arange(5, dtype=np.float32).tobytes()


@pytest.mark.parametrize("secret", [None, "", "short", " " * 40])
def test_without_a_secret_that_nobody_guesses_nothing_is_salted(
    science: Any, job: Any, keys: tuple[str, str], secret: str | None
) -> None:
    private = {"committee_public_key": keys[1]} | ({} if secret is None else {"salt_secret": secret})
    with pytest.raises(PayloadError) as caught:
        salt.run(job(science[0], "salt", private=private))
    assert (caught.value.code, caught.value.permanent) == ("no-salt-secret", True)
