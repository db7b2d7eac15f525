"""Forecasts: the bottleneck is the right step, and nine times in ten all is done by P90."""

from random import Random

import pytest

from headframe.statemachine.forecasting import SPAN_S, Line, bottleneck, student, times

SEEN = 12


def drawn(random: Random, rate: float, uneven: float) -> int:
    """Draw how many were done in a span: more uneven than chance alone where `uneven` is above 0."""
    mean = rate * (random.gammavariate(1 / uneven, uneven) if uneven else 1)
    end, n = random.expovariate(1), 0
    while end < mean:
        end += random.expovariate(1)
        n += 1
    return n


def ended(random: Random, rate: float, uneven: float, to_do: int) -> float:
    """Go on as before until all is done; give the seconds."""
    spans, left = 0.0, float(to_do)
    while left > 0:
        n = drawn(random, rate, uneven)
        spans += 1 if n < left else left / n
        left -= n
    return spans * SPAN_S


@pytest.mark.parametrize(
    ("rate", "uneven", "to_do"), [(20, 0.0, 400), (40, 0.05, 1000), (60, 0.2, 300), (60, 0.2, 3000)]
)
def test_nine_of_ten_are_done_by_p90_and_half_by_p50(rate: float, uneven: float, to_do: int) -> None:
    random = Random(20261121)
    tries, by_p50, by_p90 = 1500, 0, 0
    for _ in range(tries):
        counts = tuple(drawn(random, rate, uneven) for _ in range(SEEN))
        said = times(Line(step="reconstruct", to_do=to_do, waiting=to_do, counts=counts))
        took = ended(random, rate, uneven, to_do)
        assert said.p50_s is not None
        by_p50 += took <= said.p50_s
        by_p90 += said.p90_s is None or took <= said.p90_s
    assert 0.44 < by_p50 / tries < 0.56
    assert 0.86 < by_p90 / tries < 0.95


def test_the_bottleneck_is_where_what_waits_takes_longest() -> None:
    lines = [
        Line(step="salt", to_do=0, waiting=0, counts=(100, 100, 100)),
        Line(step="reconstruct", to_do=3200, waiting=3200, counts=(200, 205, 210)),
        Line(step="catalog", to_do=3210, waiting=2, counts=(200, 205, 210)),
    ]
    found = bottleneck(lines)
    assert found is not None
    assert found.step == "reconstruct"


def test_nothing_is_foretold_where_nothing_moves() -> None:
    still = Line(step="salt", to_do=5, waiting=5, counts=(0, 0, 0))
    assert bottleneck([still]) is None
    assert times(still).p50_s is None


def test_p90_is_unknown_while_too_little_was_seen_or_it_was_too_uneven() -> None:
    short = times(Line(step="salt", to_do=5, waiting=5, counts=(3, 4)))
    assert short.p50_s is not None
    assert short.p90_s is None
    assert times(Line(step="salt", to_do=500, waiting=5, counts=(0, 0, 0, 0, 90))).p90_s is None


@pytest.mark.parametrize(("freedom", "quantile"), [(3, 1.638), (5, 1.476), (11, 1.363), (60, 1.296)])
def test_quantiles_of_students_t_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert student(0.9, freedom) == pytest.approx(quantile, abs=0.01)


def test_what_is_done_already_takes_no_time() -> None:
    assert times(Line(step="salt", to_do=0, waiting=0, counts=())).p90_s == 0
