"""Whether a file is still being written, as far as this host can tell."""

import os
from pathlib import Path

from headframe.daemon.watcher.look import nobody_writes


def test_a_file_open_for_writing_is_not_taken_for_complete(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb"):
        assert not nobody_writes(str(path))
    assert nobody_writes(str(path))


def test_a_reader_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()
    with path.open("rb"):
        assert nobody_writes(str(path))


def test_what_cannot_be_opened_is_not_known(tmp_path: Path) -> None:
    assert not nobody_writes(str(tmp_path / "none"))
    os.mkfifo(tmp_path / "pipe")
    assert not nobody_writes(str(tmp_path / "pipe"))
