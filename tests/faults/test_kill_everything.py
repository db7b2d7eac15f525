"""kill -9 of the whole of `headframe up` in the middle of a run, started again: all cataloged, nothing lost."""

import json
import os
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headframe.consumers.steps.files import checksums
from headframe.consumers.tpc.reconstruction import warm_up
from headframe.consumers.tpc.simulate import write_raw
from headframe.daemon.demo.folder import prepare

from .tree_process import Tree, seed

RUN = 41


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    config = prepare(tmp_path / "in a folder")
    text = config.read_text().replace('level = "warning"', 'level = "info"')
    config.write_text(text + "\n[sweeper]\ninterval_s = 1\nlost_hint_s = 5\n")
    (config.parent / "sites/mine/inbox").mkdir(parents=True)
    made = Tree(config)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """Compile the reconstruction beforehand: in a fresh checkout each process would do so, anew after each kill."""
    warm_up()


@pytest.mark.timeout(900)
def test_a_tree_killed_again_and_again_catalogs_every_file_once(tree: Tree) -> None:
    _kill_and_recover(tree, files=25, kills=2)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_500_files_survive_ten_kills(tree: Tree) -> None:
    _kill_and_recover(tree, files=500, kills=10)


def _kill_and_recover(tree: Tree, files: int, kills: int) -> None:
    chance = random.Random(seed())
    detector = Detector(tree.config.parent / "sites/mine/inbox", files)
    tree.start()
    detector.start()
    for number in range(kills):
        _await_moment(tree, detector, chance, inside_salt=number == 0)
        print(f"kill {number + 1}: {tree.kill()} processes")
        detector.check_raw()
        tree.start()
    detector.join()
    assert detector.goes_on()
    done = tree.command("wait", "--for", "state=cataloged", "run", str(RUN), "--timeout", f"{500 + files}s")
    assert done.returncode == 0, done.stdout + done.stderr + tree.last_words()
    detector.check_raw()
    verified = tree.command("verify", "--deep")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    listed = tree.command("get", "files", "--run", str(RUN), "-o", "name", "--no-headers").stdout.split()
    assert len(listed) == files
    assert tree.stop() == 0, tree.last_words()


def _await_moment(tree: Tree, detector: "Detector", chance: random.Random, *, inside_salt: bool) -> None:
    """Wait for work to be under way, then a little longer; inside a salt attempt where so wanted."""
    attempts = tree.config.parent / "sites/mine/attempts"
    before = set(_salt_attempts(attempts))
    if inside_salt:

        def begun() -> bool:
            return detector.goes_on() and bool(set(_salt_attempts(attempts)) - before)

        tree.wait_for(begun, 300, "a file in the salt step")
        return
    tree.wait_for(attempts.exists, 300, "an attempt")
    threading.Event().wait(chance.uniform(0.5, 4.0))


def _salt_attempts(attempts: Path) -> list[Path]:
    """Give the folders of salt's attempts; others come and go meanwhile, which `rglob` raises for."""
    found = os.walk(attempts)
    return [Path(folder, name) for folder, names, _ in found if folder.endswith("-salt") for name in names]


class Detector(threading.Thread):
    """Writes raw files whatever happens to the rest, then the run's manifest; remembers what it wrote."""

    def __init__(self, inbox: Path, files: int) -> None:
        super().__init__(daemon=True)
        self.inbox, self.files = inbox, files
        self.written: dict[Path, object] = {}
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            self._write()
        except Exception as error:
            self.failure = error

    def goes_on(self) -> bool:
        """Raise what has ended it too early; else it writes, or has written all."""
        if self.failure is not None:
            raise AssertionError(f"the detector ended after {len(self.written)} files") from self.failure
        return True

    def _write(self) -> None:
        self._announce({"closed": False})
        for sequence in range(1, self.files + 1):
            path = self.inbox / f"run{RUN:06d}_{sequence:04d}.h5"
            write_raw(
                path, run=RUN, sequence=sequence, kind="science", seed=sequence, events=2, first_event=2 * sequence
            )
            self.written[path] = checksums(path)
        self._announce({"closed": True, "expected": self.files})

    def _announce(self, said: dict[str, object]) -> None:
        fresh = self.inbox / ".manifest"
        fresh.write_text(json.dumps({"run": RUN, "type": "science", "started": 1.8e9, **said}))
        fresh.rename(self.inbox / f"run{RUN:06d}.json")

    def check_raw(self) -> None:
        for path, sums in list(self.written.items()):
            assert checksums(path) == sums, f"{path.name} is not what the detector wrote"
