from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import create_engine

from headframe.web import display
from headframe.web.context import KEY, Context
from headframe.web.settings import Settings

SIZES = [(None, display.DASH), (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (250_000_000, "250 MB")]
NOW = datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def app(request: pytest.FixtureRequest) -> Iterator[Flask]:
    app = Flask("display")
    zone = ZoneInfo(getattr(request, "param", "America/Denver"))
    app.extensions[KEY] = Context(
        engine=create_engine("postgresql+psycopg2://"), settings=Settings(instance="i"), zone=zone
    )
    with app.test_request_context("/runs/7?phase=failed&after=abc&part=1"):
        yield app


@pytest.mark.usefixtures("app")
def test_a_time_is_shown_in_the_sites_zone_and_in_utc_both_labelled() -> None:
    shown = display.moment(NOW)
    assert "2026-11-20 20:04:05 MST" in shown
    assert "2026-11-21 03:04:05 UTC" in shown
    assert 'datetime="2026-11-21T03:04:05+00:00"' in shown


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("app", ["UTC"], indirect=True)
def test_a_site_in_utc_sees_each_time_once() -> None:
    assert display.moment(NOW).count("03:04:05 UTC") == 1


@pytest.mark.usefixtures("app")
def test_a_link_elsewhere_keeps_the_filters_and_never_asks_for_a_fragment() -> None:
    assert display.elsewhere(after=None) == "/runs/7?phase=failed"
    assert display.elsewhere(after="x&y") == "/runs/7?phase=failed&after=x%26y"


@pytest.mark.parametrize(
    ("number", "shown"),
    SIZES,
)
def test_sizes_have_three_digits_and_a_unit(number: int | None, shown: str) -> None:
    assert display.size(number) == shown


def test_counts_are_grouped_and_do_not_break() -> None:
    assert display.count(1234567) == "1\u202f234\u202f567"
