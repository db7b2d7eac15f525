"""Bad input: one clear line each, said once, and the rest goes on."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from headframe.daemon.watcher.look import Refused

from .conftest import Bench

Make = Callable[..., Bench]


def test_a_name_that_does_not_match_is_said_once_and_again_when_changed_or_after_an_hour(bench: Make) -> None:
    one = bench()
    one.write("notes.txt")
    one.write("run_1_1.h5")
    one.scan_until_stable()
    (trouble,) = one.broker.troubles
    assert (trouble.code, trouble.subject, trouble.source) == ("name-unmatched", "in/notes.txt", "main")
    assert trouble.sentence.startswith("in/notes.txt: its name does not match run_")
    assert one.broker.names == ["run_1_1.h5"]
    one.scan(after=100)
    assert len(one.broker.troubles) == 1
    one.write("notes.txt", b"longer")
    one.scan_until_stable()
    assert len(one.broker.troubles) == 2
    one.scan(after=3601)
    assert len(one.broker.troubles) == 3


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (f"run_{2**63}_1.h5", "run-number-out-of-range"),
        (f"run_{'9' * 200}_1.h5", "run-number-out-of-range"),
        (f"run_1_{2**31}.h5", "sequence-out-of-range"),
        ("run_\u0661_1.h5", "name-unmatched"),
    ],
)
def test_numbers_that_do_not_fit_are_named(bench: Make, name: str, code: str) -> None:
    one = bench()
    one.write(name)
    one.scan_until_stable()
    assert one.broker.codes == [code]
    assert one.broker.files == []


def test_the_largest_numbers_fit(bench: Make) -> None:
    one = bench()
    one.write(f"run_{2**63 - 1}_{2**31 - 1}.h5")
    one.write(f"run_{'0' * 60}5_1.h5")
    one.scan_until_stable()
    assert sorted((file.run, file.sequence) for file in one.broker.files) == [(5, 1), (2**63 - 1, 2**31 - 1)]


def test_a_run_above_max_run_is_out_of_range(bench: Make) -> None:
    one = bench(max_run=999_999)
    one.write("run_1000000_1.h5")
    one.scan_until_stable()
    assert one.broker.codes == ["run-number-out-of-range"]


def test_an_empty_file_is_a_trouble_only_when_it_stays_empty(bench: Make) -> None:
    one = bench()
    one.write("run_1_1.h5", b"")
    one.write("run_1_2.h5", b"")
    one.scan()
    assert one.broker.messages == []
    one.write("run_1_1.h5", b"data")
    one.scan(after=6)
    assert [(trouble.code, trouble.subject) for trouble in one.broker.troubles] == [("empty-file", "in/run_1_2.h5")]
    one.scan(after=6)
    assert one.broker.names == ["run_1_1.h5"]


def test_a_file_that_vanishes_unannounced_is_just_gone(bench: Make) -> None:
    one = bench()
    path = one.write("run_1_1.h5")
    one.scan()
    path.unlink()
    one.scan(after=6)
    assert one.broker.messages == []


def test_unicode_spaces_and_newlines_are_fine_where_the_pattern_matches(bench: Make) -> None:
    one = bench(pattern=r"(?s)(?P<run>\d+)_(?P<sequence>\d+).*")
    for name in ("1_1 é∂.h5", "1_2 a b.h5", "1_3\nx.h5", "1_4 🦀.h5"):
        one.write(name)
    one.scan_until_stable()
    assert {file.name for file in one.broker.files} == {"1_1 é∂.h5", "1_2 a b.h5", "1_3\nx.h5", "1_4 🦀.h5"}


def test_an_unmatched_name_with_a_newline_gives_one_line(bench: Make) -> None:
    one = bench()
    one.write("bad\nname\x1b[31m")
    one.scan_until_stable()
    (trouble,) = one.broker.troubles
    assert trouble.subject == r"in/bad\nname\x1b[31m"
    assert "\n" not in trouble.sentence


def test_a_name_that_is_not_utf8_is_a_trouble(bench: Make) -> None:
    one = bench()
    Path(os.fsdecode(os.fsencode(one.folder) + b"/run_1_\xff.h5")).write_bytes(b"data")
    one.scan_until_stable()
    (trouble,) = one.broker.troubles
    assert (trouble.code, trouble.subject) == ("name-not-utf8", r"in/run_1_\xff.h5")


def test_links_that_lead_out_of_the_inbox_are_refused(bench: Make, tmp_path: Path) -> None:
    one = bench(follow_symlinks=True, pattern=r"(.*/)?run_(?P<run>\d+)_(?P<sequence>\d+)\.h5")
    outside = tmp_path / "run_9_9.h5"
    outside.write_bytes(b"data")
    (one.folder / "run_1_1.h5").symlink_to(outside)
    (one.folder / "run_1_2.h5").symlink_to("../../run_9_9.h5")
    (one.folder / "run_1_3.h5").symlink_to("/nowhere")
    (one.folder / "away").symlink_to(tmp_path)
    one.scan_until_stable()
    assert one.broker.codes == ["outside-inbox"] * 4
    assert one.broker.files == []


def test_links_inside_the_inbox_are_followed_only_where_asked(bench: Make) -> None:
    for follow, names, codes in (
        (True, ["real_1_1.h5", "run_1_1.h5"], []),
        (False, ["real_1_1.h5"], ["symbolic-link"]),
    ):
        one = bench(follow_symlinks=follow, pattern=r"(run|real)_(?P<run>\d+)_(?P<sequence>\d+)\.h5")
        one.write("real_1_1.h5")
        if follow:
            (one.folder / "run_1_1.h5").symlink_to("real_1_1.h5")
            (one.folder / "latest").symlink_to("real_1_1.h5")
            (one.folder / "loop").symlink_to(".")
        one.scan_until_stable()
        found = [code for code in one.broker.codes if code != "name-unmatched"]
        assert (one.broker.names, found) == (names, codes)


def test_pipes_and_sockets_are_not_files(bench: Make) -> None:
    one = bench()
    os.mkfifo(one.folder / "run_1_1.h5")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(one.folder / "run_1_2.h5"))
        one.scan_until_stable()
    assert one.broker.codes == ["not-a-file", "not-a-file"]


def test_a_missing_inbox_is_said_and_forgets_nothing(bench: Make, tmp_path: Path) -> None:
    one = bench()
    one.write("run_1_1.h5")
    one.scan()
    one.folder.rename(tmp_path / "elsewhere")
    one.scan()
    assert one.broker.codes == ["unreadable"]
    (tmp_path / "elsewhere").rename(one.folder)
    one.scan(after=6)
    assert one.broker.names == ["run_1_1.h5"]


def test_an_unreadable_folder_or_file_stops_only_itself(bench: Make) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything; see the test as another user below")
    one = bench()
    one.write("run_1_1.h5").chmod(0)
    one.write("run_1_2.h5")
    one.write("shut/x.h5").parent.chmod(0)
    one.scan_until_stable()
    (one.folder / "shut").chmod(0o755)
    assert [trouble.code for trouble in one.broker.troubles] == ["unreadable"] * 2
    assert one.broker.names == ["run_1_2.h5"]


def test_an_unreadable_folder_is_a_trouble_for_an_ordinary_user(bench: Make) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    one = bench(pattern=r"(.*/)?run_(?P<run>\d+)_(?P<sequence>\d+)\.h5")
    one.write("run_1_1.h5").chmod(0)
    one.write("run_1_2.h5").chmod(0o644)
    one.write("shut/run_1_3.h5").parent.chmod(0)
    child = os.fork()
    if child == 0:
        os._exit(_as_nobody(one))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _as_nobody(one: Bench) -> int:
    try:
        for folder in one.folder.parents:
            if folder.stat().st_mode & 0o5 != 0o5:
                folder.chmod(folder.stat().st_mode | 0o5)
        os.setgid(65534)
        os.setuid(65534)
        one.scan_until_stable()
        right = one.broker.codes == ["unreadable"] * 2 and one.broker.names == ["run_1_2.h5"]
        if not right:
            os.write(2, f"{one.broker.troubles} {one.broker.names}".encode())
        return 0 if right else 1
    except BaseException as error:
        os.write(2, repr(error).encode())
        return 2


def test_a_stop_while_the_broker_is_away_ends_the_sending(bench: Make) -> None:
    one = bench()
    one.broker.away = True
    one.write("run_1_1.h5")
    one.stop.set()
    one.scan_until_stable()
    assert one.broker.messages == []


def test_what_is_mended_is_said_to_be_over_and_only_that(bench: Make) -> None:
    one = bench(arrival="manifest", manifest=r"run_(?P<run>\d+)\.json")
    stray = one.write("notes.txt")
    one.write("run_1.json", b"not json")
    one.write("run_2.json", b'{"run": 2, "files": ["../away.h5"]}')
    one.write("run_3.json", b"not json either")
    one.scan_until_stable()
    one.scan(after=6.0)
    assert one.broker.codes == ["manifest-unreadable", "manifest-unreadable", "name-unmatched", "outside-inbox"]
    stray.unlink()
    one.write("run_1.json", b'{"run": 1, "files": []}')
    one.write("run_2.json", b'{"run": 2, "files": ["here.h5"]}')
    one.scan(after=6.0)
    mended = sorted((trouble.code, trouble.subject) for trouble in one.broker.troubles if trouble.mended)
    assert mended == [
        ("manifest-unreadable", "in/run_1.json"),
        ("name-unmatched", "in/notes.txt"),
        ("outside-inbox", "in/run_2.json"),
    ]


def test_nothing_is_mended_before_somebody_could_tell(bench: Make) -> None:
    one = bench()
    one.write("notes.txt")
    one.scan_until_stable()
    one.write("notes.txt", b"longer")
    one.scan(after=1.0)
    assert not any(trouble.mended for trouble in one.broker.troubles)


def test_a_scan_that_could_not_see_everything_mends_nothing(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = bench()
    stray = one.write("notes.txt")
    one.scan_until_stable()
    stray.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(
            "headframe.daemon.watcher.inbox.walk",
            lambda *_: iter([("shut", Refused(code="unreadable", sentence="no"))]),
        )
        one.scan(after=1.0)
    assert [trouble.code for trouble in one.broker.troubles] == ["name-unmatched", "unreadable"]
    one.scan(after=1.0)
    assert {(t.code, t.subject) for t in one.broker.troubles if t.mended} == {
        ("name-unmatched", "in/notes.txt"),
        ("unreadable", "in/shut"),
    }
