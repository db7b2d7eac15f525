"""Reports that are too large for one message."""

from headframe.consumers.messages import LARGEST, Report, decode
from headframe.consumers.worker.reporting import bodies
from headframe.statemachine.records import Outcome, Reporter

THIRD = "x" * (LARGEST // 3)


def report(*sizes: str) -> Report:
    outcomes = tuple(
        Outcome(item=n, epoch=1, trigger="succeed", step="s", catalog={"x": text}) for n, text in enumerate(sizes)
    )
    return Report(reporter=Reporter(owner="anna", host="h"), lane="live", outcomes=outcomes, beats=((7, 1),))


def test_a_small_report_is_one_message() -> None:
    (body,) = bodies(report("a", "b"))
    assert decode(body, Report) == report("a", "b")


def test_a_large_report_is_split_and_says_everything_once() -> None:
    parts = [decode(body, Report) for body in bodies(report(*[THIRD] * 5))]
    assert len(parts) > 1
    assert [outcome.item for part in parts for outcome in part.outcomes] == [0, 1, 2, 3, 4]
    assert {outcome.trigger for part in parts for outcome in part.outcomes} == {"succeed"}
    assert sum(len(part.beats) for part in parts) == 1


def test_a_result_that_fits_in_no_message_fails_with_its_reason() -> None:
    parts = [decode(body, Report) for body in bodies(report("a", THIRD * 4))]
    good, bad = (outcome for part in parts for outcome in part.outcomes)
    assert good.trigger == "succeed"
    assert (bad.trigger, bad.reason_code, bad.permanent) == ("fail", "result-too-large", True)
    assert "let it write them to a product" in bad.reason
