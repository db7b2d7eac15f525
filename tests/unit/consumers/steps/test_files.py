"""Whose fault an error of the file system is, and that what is copied is on disk by name."""

import errno
import os
from pathlib import Path

import pytest

from headframe.consumers.steps import files
from headframe.consumers.steps.api import InfrastructureError, PayloadError, Site
from headframe.consumers.steps.files import away, copy_checked, storage_errors, sync_folder

PLACE = (
    "ENOTCONN ESHUTDOWN EHOSTDOWN ENODEV ENOMEM ENFILE EMFILE EAGAIN EREMOTEIO ETIMEDOUT EHOSTUNREACH ENETDOWN "
    "ENOSPC EDQUOT ESTALE EIO EROFS"
)


@pytest.mark.parametrize("name", PLACE.split())
def test_an_error_of_the_place_is_tried_again(name: str) -> None:
    with pytest.raises(InfrastructureError, match="reading x"), storage_errors("reading x"):
        raise OSError(getattr(errno, name), "?", "/data/x")


@pytest.mark.parametrize(("number", "code"), [(errno.ENOENT, "input-missing"), (errno.EFBIG, "os-error")])
def test_another_is_charged(number: int, code: str) -> None:
    with pytest.raises(PayloadError) as caught, storage_errors("reading x"):
        raise OSError(number, "?", "/data/x")
    assert caught.value.code == code


def test_a_site_is_away_where_its_root_is_missing_or_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(name="daq", root=str(tmp_path / "daq"))
    assert "site daq is not there" in away(site)
    (tmp_path / "daq").mkdir()
    assert "is empty, and nothing is mounted on it" in away(site)
    with monkeypatch.context() as mounted:
        mounted.setattr(os.path, "ismount", lambda _: True)
        assert away(site) == ""
    (tmp_path / "daq" / "in").mkdir()
    assert away(site) == ""


@pytest.mark.parametrize("number", [errno.ENOTCONN, errno.ESTALE, errno.EIO])
def test_a_site_that_does_not_answer_is_away_but_not_one_that_may_not_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    raised: list[OSError] = [OSError(number, "?"), PermissionError(errno.EACCES, "?")]

    def failing(_: object) -> None:
        raise raised.pop(0)

    monkeypatch.setattr(files.os, "scandir", failing)
    site = Site(name="daq", root=str(tmp_path))
    assert os.strerror(number) in away(site)
    assert away(site) == ""


def test_a_copy_is_synced_and_then_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files.os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").readlink()))
    source, target = tmp_path / "a", tmp_path / "to" / "a"
    source.write_text("x")
    target.parent.mkdir()
    copy_checked(source, target, Site(name="work", root=str(tmp_path)))
    assert synced == [target, target.parent]


def test_a_file_system_that_cannot_sync_folders_does_well_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(_: int) -> None:
        raise OSError(errno.EINVAL, "?")

    monkeypatch.setattr(files.os, "fsync", refusing)
    sync_folder(tmp_path)
