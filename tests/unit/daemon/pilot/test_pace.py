"""How long steps take on a node."""

from headframe.daemon.pilot.pace import MEASURED, Pace


def test_what_was_expected_counts_until_it_took_longer() -> None:
    pace = Pace({"reconstruct": 10.0})
    pace.took("reconstruct", 3.0)
    assert pace.takes() == {"reconstruct": 10.0}
    pace.took("reconstruct", 30.0)
    assert pace.takes() == {"reconstruct": 30.0}


def test_95_of_100_take_no_longer() -> None:
    pace = Pace({})
    for seconds in range(1, 101):
        pace.took("salt", float(seconds))
    assert pace.takes() == {"salt": 95.0}


def test_what_is_long_ago_is_forgotten() -> None:
    pace = Pace({})
    pace.took("salt", 1000.0)
    for _ in range(MEASURED):
        pace.took("salt", 1.0)
    assert pace.takes() == {"salt": 1.0}
