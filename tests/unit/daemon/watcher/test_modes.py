"""Arrival by semaphore and by manifest."""

import json
import time
from collections.abc import Callable
from typing import Any

from headframe.daemon.watcher.inbox import Event

from .conftest import Bench

Make = Callable[..., Bench]
MANIFEST = {"arrival": "manifest", "manifest": r"(.*/)?run_(?P<run>\d+)\.json"}


def closed(path: str) -> Event:
    return Event(path=path, closed=True, at_ns=time.time_ns())


def manifest(one: Bench, name: str = "run_1.json", **content: Any) -> None:
    one.write(name, json.dumps(content).encode())


def test_a_file_waits_for_its_semaphore(bench: Make) -> None:
    one = bench(arrival="semaphore", semaphore="{name}.done")
    one.write("run_1_1.h5")
    one.scan_until_stable()
    one.watch.handle([closed("run_1_1.h5")])
    assert one.broker.messages == []
    one.write("run_1_1.h5.done", b"")
    one.watch.handle([closed("run_1_1.h5.done")])
    assert one.broker.names == ["run_1_1.h5"]
    assert one.broker.files[0].closed_ns is not None


def test_the_scan_finds_semaphores_too(bench: Make) -> None:
    one = bench(arrival="semaphore", semaphore="{stem}.ok")
    one.write("run_1_1.h5")
    one.write("run_1_1.ok", b"")
    one.write("run_1_2.h5")
    one.scan()
    assert one.broker.names == ["run_1_1.h5"]
    assert one.broker.troubles == []


def test_a_semaphore_by_stem_finds_its_file_at_once(bench: Make) -> None:
    one = bench(arrival="semaphore", semaphore="{stem}.ok")
    one.write("run_1_1.h5")
    one.write("run_1_10.h5")
    one.write("run_1_1.ok", b"")
    one.watch.handle([closed("run_1_1.ok")])
    assert one.broker.names == ["run_1_1.h5"]


def test_a_file_rewritten_under_an_old_semaphore_has_to_be_stable(bench: Make) -> None:
    one = bench(arrival="semaphore")
    one.write("run_1_1.h5", b"one")
    one.write("run_1_1.h5.done", b"")
    one.scan()
    one.write("run_1_1.h5", b"three")
    one.scan(after=1)
    assert len(one.broker.files) == 1
    one.scan(after=6)
    assert [file.size for file in one.broker.files] == [3, 5]


def test_a_semaphore_without_its_file_is_a_trouble(bench: Make) -> None:
    one = bench(arrival="semaphore")
    one.watch.handle([closed("run_1_1.h5.done")])
    assert one.broker.codes == ["file-vanished"]


def test_the_files_of_a_manifest_arrive_with_it(bench: Make) -> None:
    one = bench(**MANIFEST)
    one.write("run_1_0.h5")
    one.write("run_1_1.h5")
    one.scan_until_stable()
    assert one.broker.messages == []
    manifest(one, run=1, type="led", files=[{"name": "run_1_0.h5", "size": 4}, {"name": "run_1_1.h5", "size": 4}])
    one.watch.handle([closed("run_1.json")])
    assert one.broker.names == ["run_1_0.h5", "run_1_1.h5"]
    assert {file.kind for file in one.broker.files} == {"led"}


def test_a_manifest_gives_run_and_sequence_to_names_that_have_none(bench: Make) -> None:
    one = bench(arrival="manifest", manifest=r".*/manifest\.json", pattern=r".*\.root")
    one.write("data/Zmumu.root")
    one.write("data/sub/HZZ.root")
    manifest(one, "data/manifest.json", run=42, kind="root", files=["Zmumu.root", {"name": "sub/HZZ.root"}])
    one.scan_until_stable()
    found = {file.path: (file.run, file.sequence, file.kind, file.name) for file in one.broker.files}
    assert found == {
        "in/data/Zmumu.root": (42, 0, "root", "Zmumu.root"),
        "in/data/sub/HZZ.root": (42, 1, "root", "HZZ.root"),
    }


def test_a_file_that_comes_after_its_manifest_arrives_as_soon_as_it_has_its_size(bench: Make) -> None:
    one = bench(**MANIFEST)
    manifest(one, run=1, files=[{"name": "run_1_0.h5", "size": 8}])
    one.scan()
    one.write("run_1_0.h5", b"half")
    one.watch.handle([closed("run_1_0.h5")])
    assert one.broker.files == []
    one.write("run_1_0.h5", b"complete")
    one.watch.handle([closed("run_1_0.h5")])
    assert one.broker.names == ["run_1_0.h5"]
    assert one.broker.troubles == []


def test_a_truncated_file_is_a_trouble_once_it_is_stable(bench: Make) -> None:
    one = bench(**MANIFEST)
    manifest(one, run=1, files=[{"name": "run_1_0.h5", "size": 8}])
    one.write("run_1_0.h5", b"half")
    one.scan_until_stable()
    assert one.broker.codes == ["size-differs"]
    assert "4 bytes" in one.broker.troubles[0].sentence
    assert one.broker.files == []


def test_a_file_that_no_manifest_names_is_a_trouble_after_a_while(bench: Make) -> None:
    one = bench(**MANIFEST)
    manifest(one, run=1, files=["run_1_0.h5"])
    one.write("run_1_0.h5")
    one.write("run_1_1.h5")
    one.scan_until_stable()
    assert one.broker.codes == []
    one.scan(after=600)
    assert one.broker.codes == ["unannounced"]
    assert one.broker.names == ["run_1_0.h5"] * 2


def test_a_manifest_that_is_not_json_is_a_trouble_and_a_mended_one_works(bench: Make) -> None:
    one = bench(**MANIFEST)
    one.write("run_1_0.h5")
    one.write("run_1.json", b'{"run": 1,')
    one.scan()
    assert one.broker.codes == []
    one.scan(after=6)
    assert one.broker.codes == ["manifest-unreadable"]
    manifest(one, run=1, files=[{"name": "run_1_0.h5", "size": 4}])
    one.scan(after=6)
    assert one.broker.names == ["run_1_0.h5"]


def test_a_manifest_of_wrong_shape_is_named_with_its_key(bench: Make) -> None:
    one = bench(**MANIFEST)
    for number, files in enumerate(([{"name": 5}], [{"name": "x", "size": -1}], [{"name": "x", "sequence": 2**40}])):
        manifest(one, f"run_{number}.json", run=number, files=files)
    manifest(one, "run_7.json", run=8)
    manifest(one, "run_9.json", run=2**70)
    one.watch.handle([closed(f"run_{number}.json") for number in (0, 1, 2, 7, 9)])
    found = {trouble.subject: trouble.sentence for trouble in one.broker.troubles}
    assert "files[0].name" in found["in/run_0.json"]
    assert "files[0].size: -1" in found["in/run_1.json"]
    assert "files[0].sequence" in found["in/run_2.json"]
    assert "run: it says 8" in found["in/run_7.json"]
    assert "run" in found["in/run_9.json"]


def test_a_manifest_cannot_reach_out_of_the_inbox(bench: Make) -> None:
    one = bench(**MANIFEST)
    (one.folder.parent / "run_1_0.h5").write_bytes(b"data")
    one.write("run_1_1.h5")
    manifest(one, run=1, files=["../run_1_0.h5", "/etc/passwd", {"name": "run_1_1.h5", "size": 4}])
    one.scan()
    assert one.broker.codes == ["outside-inbox"] * len(one.broker.codes)
    assert any("../run_1_0.h5" in trouble.sentence for trouble in one.broker.troubles)
    assert one.broker.names == ["run_1_1.h5"]


def test_a_file_whose_name_and_manifest_disagree_on_the_run_is_a_trouble(bench: Make) -> None:
    one = bench(**MANIFEST)
    one.write("run_2_0.h5")
    manifest(one, run=1, files=["run_2_0.h5"])
    one.scan_until_stable()
    assert one.broker.codes == ["run-differs"]


def test_an_announced_file_that_vanishes_unsent_is_a_trouble(bench: Make) -> None:
    one = bench(**MANIFEST)
    manifest(one, run=1, files=[{"name": "run_1_0.h5", "size": 8}])
    path = one.write("run_1_0.h5", b"half")
    one.scan()
    path.unlink()
    one.scan(after=1)
    assert one.broker.codes == ["file-vanished"]
