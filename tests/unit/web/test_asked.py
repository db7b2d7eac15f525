from collections.abc import Callable
from typing import TypeVar

import pytest
from flask import Flask
from werkzeug.exceptions import BadRequest

from headframe.web import asked

Answer = TypeVar("Answer")


def ask(address: str, question: Callable[[], Answer]) -> Answer:
    with Flask("asked").test_request_context(address):
        return question()


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        ("", ()),
        ("1201", (1201,)),
        ("1201 1203,1205;1201", (1201, 1203, 1205)),
        (" 7-9  20 ", (7, 8, 9, 20)),
    ],
)
def test_run_numbers_are_read_as_people_write_them(written: str, numbers: tuple[int, ...]) -> None:
    assert ask("/?number=" + written.replace(" ", "+").replace(";", "%3B"), lambda: asked.numbers("number")) == numbers


@pytest.mark.parametrize("written", ["abc", "-3", "9-7", "1.5", "1e9", "1' or '1'='1", "1-999999999", "9" * 19, "१२"])
def test_what_is_no_run_number_is_refused_with_a_line(written: str) -> None:
    with (
        Flask("asked").test_request_context("/", query_string={"number": written}),
        pytest.raises(BadRequest) as refused,
    ):
        asked.numbers("number")
    assert len(str(refused.value.description)) < 120


def test_a_value_that_no_record_can_hold_is_refused() -> None:
    for bad in ("%00", "x" * 501):
        with pytest.raises(BadRequest):
            ask(f"/?kind={bad}", lambda: asked.word("kind"))


def test_an_empty_filter_is_no_filter() -> None:
    assert ask("/?kind=++", lambda: asked.word("kind")) is None
