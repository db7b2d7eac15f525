"""The demonstration, as a user runs it: what it leaves on disk and in the catalog is looked at from outside."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from sqlalchemy import Engine, text

from headframe.consumers.steps.files import checksums
from headframe.consumers.steps.sealing import open_sealed
from headframe.consumers.tpc import rawfile
from headframe.daemon import embedded, wiring
from headframe.daemon.config import Config, load
from headframe.statemachine.records import SealedSalt

pytestmark = pytest.mark.timeout(900)  # where nobody compiled the reconstruction before, that is done meanwhile
SALT = """
select run.kind, f.path as raw, r.site, r.path, s.key_id, s.sealed
from file f join run on run.id = f.run_id
left join product p on p.file_id = f.id and p.step = 'salt' and p.superseded_at is null
left join replica r on r.product_id = p.id and r.step = 'salt'
left join salt_record s on s.product_id = p.id
order by f.id
"""
COPIES = """
select run.kind, f.path as raw, f.blake3, r.site, r.path, r.role from replica r
join file f on f.id = r.file_id join run on run.id = f.run_id where r.step = 'place' order by f.id
"""
PRODUCTS = """
select p.events, r.site, r.path, r.link from product p join replica r on r.product_id = p.id and r.step = p.step
where p.type = 'reconstructed' order by p.id
"""


def headframe(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, for whom the reconstruction has been compiled before."""
    env = {**os.environ, "NUMBA_CACHE_DIR": ""}
    return subprocess.run(
        [sys.executable, "-m", "headframe", *words], capture_output=True, text=True, timeout=800, check=False, env=env
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a demo") / "in a folder with spaces"
    done = headframe("demo", "--exit", "--folder", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "22 files of 3 runs cataloged" in done.stdout
    return folder


@pytest.fixture(scope="module")
def config(demo: Path) -> Any:
    made = load(demo / "headframe.toml", {})
    yield made
    embedded.release(made)


@pytest.fixture(scope="module")
def engine(config: Config) -> Engine:
    return wiring.engine(config, "test")


def rows(engine: Engine, statement: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(statement)).all())


def place(config: Config, row: Any) -> Path:
    return config.site(row.site).open_path(row.path)


def raw(config: Config, row: Any) -> Path:
    return config.site("mine").open_path(row.raw)


def test_every_science_file_has_one_salt_and_every_other_byte_is_as_it_was(config: Config, engine: Engine) -> None:
    private = (config.folder / "keys/committee.private").read_text().strip()
    science = [row for row in rows(engine, SALT) if row.kind == "science"]
    assert len(science) == 16
    for row in science:
        sealed = SealedSalt(key_id=row.key_id, sealed=base64.b64encode(bytes(row.sealed)).decode())
        record = open_sealed(private, sealed)
        assert len(record["salts"]) == 1, row.raw
        before, after = rawfile.read(raw(config, row)), rawfile.read(place(config, row))
        added = np.concatenate([np.arange(a, a + n) for a, n in record["salts"][0]["pulses"]])
        kept = np.setdiff1d(np.arange(len(after.pulses.channel)), added)
        assert len(added) > 0
        assert dict(after.attributes) == dict(before.attributes)
        assert after.event_number.tobytes() == before.event_number.tobytes()
        assert after.event_trigger_ns.tobytes() == before.event_trigger_ns.tobytes()
        left = after.pulses.take(kept)
        for name in ("channel", "start_ns", "length", "samples"):
            assert getattr(left, name).tobytes() == getattr(before.pulses, name).tobytes(), (row.raw, name)


def test_calibration_files_are_bit_identical_and_never_salted(config: Config, engine: Engine) -> None:
    copies = [row for row in rows(engine, COPIES) if row.kind == "calibration"]
    assert len(copies) == 6
    for row in copies:
        assert row.role == "raw"
        assert place(config, row).read_bytes() == raw(config, row).read_bytes()
    assert all(row.sealed is None for row in rows(engine, SALT) if row.kind == "calibration")


def test_what_is_placed_of_science_is_the_salted_file_and_never_the_raw_one(config: Config, engine: Engine) -> None:
    copies = [row for row in rows(engine, COPIES) if row.kind == "science"]
    assert len(copies) == 16
    for row in copies:
        assert row.role == "salt"
        assert checksums(place(config, row))[1].blake3 != row.blake3
        assert checksums(raw(config, row))[1].blake3 == row.blake3


def test_each_product_opens_in_uproot_under_its_readable_name(config: Config, engine: Engine) -> None:
    products = rows(engine, PRODUCTS)
    assert len(products) == 22
    for row in products:
        for path in (place(config, row), config.site(row.site).open_path(row.link)):
            with uproot.open(path) as opened:
                assert opened["events"].num_entries == row.events == 20
                assert opened["pulses"].num_entries > 20


def test_verify_deep_finds_nothing_broken(demo: Path, config: Config, engine: Engine) -> None:
    done = headframe("--config", str(demo / "headframe.toml"), "verify", "--deep")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_catalog_finds_the_file_of_an_event(demo: Path, config: Config, engine: Engine) -> None:
    words = ("catalog", "find", "--run", "1", "--event", "25", "--type", "reconstructed", "-o", "json")
    done = headframe("--config", str(demo / "headframe.toml"), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    entries = found if isinstance(found, list) else found["items"]
    assert len(entries) == 1
    assert "0002" in json.dumps(entries[0])
