"""How values read."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from headframe.daemon.cli.units import human_age, human_size, local_time, plain, printable, seconds, writer


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (9_994, "9.99 kB"),
        (9_996, "10.0 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (1_234_567_890, "1.23 GB"),
        (5 * 10**21, "5000 EB"),
    ],
)
def test_sizes_have_three_digits(n: int, text: str) -> None:
    assert human_size(n) == text


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=3), "3s"),
        (timedelta(minutes=2, seconds=5), "2m 5s"),
        (timedelta(hours=5), "5h"),
        (timedelta(days=3, hours=4, minutes=9), "3d 4h"),
        (timedelta(0), "0s"),
    ],
)
def test_ages_have_two_units(age: timedelta, text: str) -> None:
    assert human_age(age) == text


def test_times_are_the_sites_and_labelled() -> None:
    moment = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    assert local_time(moment, ZoneInfo("Europe/Rome")) == "2026-07-01 14:00:00 CEST"
    assert local_time(moment, ZoneInfo("Europe/Rome"), both=True).endswith("(2026-07-01 12:00:00 UTC)")
    assert local_time(moment, ZoneInfo("UTC"), both=True) == "2026-07-01 12:00:00 UTC"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("run_1.h5", "run_1.h5"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("gnp\u202e5h", "gnp\\u202e5h"),
        ("ünï 中", "ünï 中"),
        ("\udcff", "\\udcff"),
    ],
)
def test_names_cannot_steer_the_terminal(name: str, shown: str) -> None:
    assert printable(name) == shown


def test_durations_have_units() -> None:
    assert [seconds(text) for text in ("30", "30s", "5m", "1.5h", "2d", "250ms")] == [30, 30, 300, 5400, 172800, 0.25]
    for text in ("", "5 minutes", "-3s", "h"):
        with pytest.raises(ValueError, match="write 30s, 5m or 2h"):
            seconds(text)


def test_programs_get_exact_values() -> None:
    assert plain(None) == ""
    assert plain(True) == "true"
    assert plain(datetime(2026, 7, 1, 14, tzinfo=ZoneInfo("Europe/Rome"))) == "2026-07-01T12:00:00+00:00"
    write = writer(ZoneInfo("UTC"), exact=True, now=datetime.now(UTC))
    assert write(1_234_567, "size") == "1234567"
    assert write(None, "size") == "-"
