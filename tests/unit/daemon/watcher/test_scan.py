"""What the periodic scan finds without any event."""

import os
from collections.abc import Callable, Sequence

import pytest

from headframe.consumers.broker.base import Outgoing
from headframe.daemon.watcher.inbox import Event
from headframe.statemachine.records import ArrivedFile

from .conftest import Bench

Make = Callable[..., Bench]


def test_a_file_that_stays_the_same_is_sent_after_stable_s(bench: Make) -> None:
    one = bench()
    one.write("run_7_3.h5", b"12345")
    one.scan()
    assert one.broker.files == []
    one.scan(after=6)
    (file,) = one.broker.files
    assert (file.site, file.path, file.name, file.run, file.sequence) == ("raw", "in/run_7_3.h5", "run_7_3.h5", 7, 3)
    assert (file.size, file.kind, file.inbox, file.closed_ns) == (5, None, "main", None)
    assert file.mtime_ns == (one.folder / "run_7_3.h5").stat().st_mtime_ns


def test_a_file_that_grows_is_not_sent(bench: Make) -> None:
    one = bench()
    for size in range(1, 5):
        one.write("run_1_1.h5", b"x" * size)
        one.scan(after=6)
    assert one.broker.files == []


def test_a_stable_file_is_sent_before_the_next_scan(bench: Make) -> None:
    one = bench()
    one.write("run_1_1.h5")
    one.scan()
    assert one.watch.look_again() == one.clock.now + 5
    one.clock.now += 5
    one.watch.look_again()
    assert one.broker.names == ["run_1_1.h5"]


def test_what_the_database_knows_is_not_sent_and_not_asked_again_at_each_scan(bench: Make) -> None:
    one = bench()
    one.write("run_1_1.h5")
    one.scan_until_stable()
    one.database.accept(one.broker.files)
    for _ in range(5):
        one.scan(after=11)
    assert one.broker.names == ["run_1_1.h5"]
    assert one.database.asked == 3
    one.scan(after=601)
    assert one.database.asked == 4


def test_a_message_lost_by_the_broker_is_sent_again_but_not_more_often_than_resend_s(bench: Make) -> None:
    one = bench()
    one.write("run_1_1.h5")
    one.scan_until_stable()
    one.scan(after=3)
    assert len(one.broker.files) == 1
    one.scan(after=8)
    assert len(one.broker.files) == 2


def test_a_conductor_that_is_away_finds_few_messages_of_a_file_not_one_of_each_scan(bench: Make) -> None:
    one = bench()
    for number in range(3):
        one.write(f"run_1_{number}.h5")
    one.scan_until_stable()
    for _ in range(360):
        one.scan(after=10)
    # After 10, 20, 40, 80, 160, 320 and 600 s, and then each 600 s.
    assert len(one.broker.files) <= 3 * 13
    sent = len(one.broker.files)
    for _ in range(61):
        one.scan(after=10)
    assert len(one.broker.files) == sent + 3


def test_a_file_that_the_database_knew_and_lost_is_sent_again_as_soon_as_a_new_one(bench: Make) -> None:
    one = bench()
    one.write("run_1_1.h5")
    one.scan_until_stable()
    for _ in range(8):
        one.scan(after=10)
    one.database.accept(one.broker.files)
    one.scan(after=601)
    one.database.rows.clear()
    one.scan(after=601)
    sent = len(one.broker.files)
    one.scan(after=11)
    assert len(one.broker.files) == sent + 1


def test_the_same_scan_waits_while_the_database_is_away_and_loses_nothing(bench: Make) -> None:
    one = bench()
    one.write("run_1_1.h5")
    one.database.away = True
    for _ in range(2):
        with pytest.raises(ConnectionError):
            one.scan(after=6)
    assert one.broker.files == []
    one.database.away = False
    one.scan()
    assert one.broker.names == ["run_1_1.h5"]


def test_a_file_whose_time_goes_backwards_or_into_the_future_is_sent_once_it_is_stable(bench: Make) -> None:
    one = bench()
    for number, when in enumerate((0, 2**33, -5)):
        path = one.write(f"run_1_{number}.h5")
        os.utime(path, (when, when))
    one.scan()
    os.utime(one.folder / "run_1_0.h5", (1000, -9999))
    one.scan(after=6)
    assert one.broker.names == ["run_1_1.h5", "run_1_2.h5"]
    one.scan(after=6)
    assert one.broker.names == ["run_1_0.h5", "run_1_1.h5", "run_1_2.h5"]


def test_a_rewritten_file_is_sent_again(bench: Make) -> None:
    one = bench()
    one.write("run_1_1.h5", b"one")
    one.scan_until_stable()
    one.database.accept(one.broker.files)
    one.scan(after=6)
    one.write("run_1_1.h5", b"other")
    one.scan_until_stable()
    assert [file.size for file in one.broker.files] == [3, 5]


def test_a_thousand_files_go_out_in_messages_of_at_most_500(bench: Make) -> None:
    one = bench()
    for number in range(1100):
        one.write(f"run_1_{number}.h5")
    one.scan_until_stable()
    assert len(set(one.broker.names)) == 1100
    assert max(len(message.files) for message in one.broker.messages) <= 500


def test_nothing_is_remembered_of_what_has_gone(bench: Make) -> None:
    one = bench()
    for number in range(20):
        one.write(f"run_1_{number}.h5")
    one.scan()
    for path in one.folder.iterdir():
        path.unlink()
    one.scan()
    assert len(one.watch._inspect.memory) == 0
    assert one.broker.troubles == []


def test_the_type_comes_from_the_name_else_from_the_inbox(bench: Make) -> None:
    one = bench(pattern=r"(?:(?P<kind>[a-z]+)_)?(?P<run>\d+)_(?P<sequence>\d+)", kind="science")
    one.write("led_1_1")
    one.write("1_2")
    one.scan_until_stable()
    assert {file.name: file.kind for file in one.broker.files} == {"led_1_1": "led", "1_2": "science"}


def test_folders_are_part_of_the_path_that_has_to_match(bench: Make) -> None:
    one = bench(pattern=r"run_(?P<run>\d+)/part (?P<sequence>\d+)\.h5")
    one.write("run_000012/part 7.h5")
    one.scan_until_stable()
    (file,) = one.broker.files
    assert (file.run, file.sequence, file.path, file.name) == (12, 7, "in/run_000012/part 7.h5", "part 7.h5")


def test_ignored_names_and_folders_are_passed_over(bench: Make) -> None:
    one = bench(ignore=(".*", "*.tmp", "lost+found"))
    for name in (".hidden", "run_1_1.h5.tmp", "lost+found/run_1_1.h5", "deep/.git/x"):
        one.write(name)
    one.scan_until_stable()
    assert one.broker.messages == []


def test_two_watchers_on_one_inbox_are_harmless(bench: Make) -> None:
    one, two = bench(), bench()
    two.database = one.database
    two.watch._known = one.database.known
    one.write("run_1_1.h5")
    one.scan_until_stable()
    one.database.accept(one.broker.files)
    two.scan_until_stable()
    assert two.broker.files == []


def test_a_file_closed_while_the_scan_asks_the_database_about_it_is_sent_once(bench: Make) -> None:
    one = bench()
    one.write("run_1_1.h5")
    one.scan()
    ask = one.database.known

    def known(files: Sequence[ArrivedFile]) -> list[bool]:
        one.watch.handle([Event(path="run_1_1.h5", closed=True, at_ns=1)])
        return ask(files)

    one.watch._known = known
    one.scan(after=6)
    assert one.broker.names == ["run_1_1.h5"]


def test_a_file_met_again_while_it_is_being_sent_is_sent_once(bench: Make) -> None:
    one = bench()
    one.write("run_1_1.h5")
    one.scan()
    publish = one.broker.publish

    def publish_slowly(messages: Sequence[Outgoing]) -> list[bool]:
        one.broker.publish = publish  # type: ignore[method-assign]
        one.scan(after=6)
        return publish(messages)

    one.broker.publish = publish_slowly  # type: ignore[method-assign]
    one.watch.handle([Event(path="run_1_1.h5", closed=True, at_ns=1)])
    assert one.broker.names == ["run_1_1.h5"]
