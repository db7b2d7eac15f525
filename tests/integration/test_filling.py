"""How fast a site fills follows from what was seen of it; old samples go, and each five minutes leave one."""

from datetime import timedelta

import pytest

from headframe.statemachine.store import measure
from headframe.statemachine.store.sites import Measured, SiteRow, declare
from headframe.statemachine.store.sites import measure as measure_sites
from headframe.statemachine.views import Filling, filling

from .small_machine import SmallMachine

TB = 10**12


def seen(machine: SmallMachine, free: int, wrong: str = "") -> None:
    """Let a host look at the site."""
    space = {} if wrong else {"total": 10 * TB, "free": free, "files": 100, "files_free": 50}
    with machine.engine.begin() as conn:
        measure_sites(conn, [Measured(site="work", space=space, wrong=wrong)], "node-1")


def samples(machine: SmallMachine, back_minutes: int, free: int) -> None:
    machine.sql(
        "insert into site_sample (site, at, free, total) "
        "values ('work', clock_timestamp() - make_interval(mins => :back), :free, :total)",
        back=back_minutes,
        free=free,
        total=10 * TB,
    )


def found(machine: SmallMachine) -> Filling:
    with machine.engine.connect() as conn:
        (only,) = filling(conn)
    return only


@pytest.fixture
def site(machine: SmallMachine) -> SmallMachine:
    with machine.engine.begin() as conn:
        declare(conn, [SiteRow(name="work", kind="processing", path="/work"), SiteRow(name="tape", kind="", path="")])
    return machine


def test_a_site_that_fills_says_when_it_is_full(site: SmallMachine) -> None:
    for minutes in range(5, 60, 5):
        samples(site, minutes, 2 * TB + minutes * 60 * 10**8)
    seen(site, 2 * TB)
    of = found(site)
    assert (of.site, of.free, of.total) == ("work", 2 * TB, 10 * TB)
    assert of.bytes_per_s == pytest.approx(10**8, rel=0.2)
    assert of.full_at is not None and of.bytes_per_s is not None
    left = site.sql_value("select cast(:at as timestamptz) - clock_timestamp()", at=of.full_at)
    assert left == pytest.approx(timedelta(seconds=2 * TB / of.bytes_per_s), abs=timedelta(minutes=2))


def test_a_site_that_empties_or_stays_is_never_full(site: SmallMachine) -> None:
    for minutes in (10, 40, 70):
        samples(site, minutes, 5 * TB - minutes * 10**9)
    seen(site, 5 * TB)
    emptying = found(site)
    assert emptying.bytes_per_s is not None and emptying.bytes_per_s < 0
    assert emptying.full_at is None
    site.sql("update site_sample set free = 5")
    assert found(site).bytes_per_s == 0
    assert found(site).full_at is None


def test_a_site_seen_for_a_few_minutes_has_no_rate_yet(site: SmallMachine) -> None:
    samples(site, 6, 3 * TB)
    seen(site, 2 * TB)
    assert (found(site).bytes_per_s, found(site).full_at) == (None, None)


def test_five_minutes_leave_one_sample_and_a_broken_site_none(site: SmallMachine) -> None:
    for free in (3 * TB, 2 * TB, 1 * TB):
        seen(site, free)
    seen(site, 0, wrong="/work: is not there")
    assert site.sql_value("select count(*) from site_sample") <= 2  # five minutes may end just now
    assert found(site).free == 1 * TB


def test_samples_go_after_a_week(site: SmallMachine) -> None:
    for days in (0, 6, 8):
        samples(site, days * 24 * 60, TB)
    with site.engine.begin() as conn:
        measure.forget_samples(conn, 100)
    assert site.sql_value("select count(*) from site_sample") == 2
