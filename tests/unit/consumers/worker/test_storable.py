"""Results that the conductor or PostgreSQL would refuse never leave the worker: each is refused with its field."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from headframe.consumers.steps.api import (
    Checksums,
    Copy,
    Events,
    Job,
    Location,
    PayloadError,
    Product,
    Result,
    SealedSalt,
)
from headframe.consumers.worker.storable import one_line, storable

GOOD = Checksums(adler32="0" * 8, blake3="0" * 64)
HUGE = 2**64 - 1


def product(**changes: Any) -> Product:
    said = {"name": "a.root", "type": "t", "location": Location(site="work", path="x/a.root"), "size": 1}
    return Product(**{**said, "checksums": GOOD, **changes})


def copy(**changes: Any) -> Copy:
    return Copy(**{"of": "raw", "location": Location(site="work", path="x/a"), "size": 1, "checksums": GOOD, **changes})


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(levels):
        inner = {"in": inner}
    return inner


@pytest.mark.parametrize(
    "result",
    [
        Result(),
        Result(products=(product(), product(name="b", location=Location(site="work", path="x/b")))),
        Result(products=(product(name="line\nend é", metadata={"unit\t": ["µs", None, 2**70, 1e300]}),)),
        Result(copies=(copy(), copy(location=Location(site="archive", path="x/a"))), raw=GOOD),
        Result(events=Events(first=-1, last=2**63 - 1, count=0), catalog=nested(90)),
        Result(products=(product(),), salt=SealedSalt(key_id="k", sealed="QUJD")),
    ],
)
def test_what_can_be_stored_comes_through_unchanged(job: Callable[..., Job], result: Result) -> None:
    assert storable(job(), result) == result


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (Result(products=(product(metadata={"k": ["x", "a\0b"]}),)), "products[0].metadata.k[1] has a NUL"),
        (Result(catalog={"a": {"k\0": 1}}), "a key of catalog.a has a NUL"),
        (Result(products=(product(software="a\0"),)), "products[0].software has a NUL"),
        (Result(products=(product(), product())), "2 products or copies have the name a.root"),
        (Result(products=(product(), product(name="b"))), "2 products or copies have the place work:x/a.root"),
        (Result(copies=(copy(), copy())), "have the place work:x/a"),
        (Result(events=Events(first=1, last=HUGE, count=2)), f"events.last is {HUGE}"),
        (Result(products=(product(events=Events(first=1, last=2, count=-1)),)), "products[0].events.count is -1"),
        (Result(products=(product(size=HUGE),)), "products[0].size is"),
        (Result(copies=(copy(size=-1),)), "copies[0].size is -1"),
        (Result(copies=(copy(product=99),)), "copies[0].product is 99, which is none of its inputs"),
        (Result(products=(product(name="x" * 256),)), "products[0].name has 256 bytes; possible are 255"),
        (Result(products=(product(checksums=Checksums(adler32="X", blake3="0" * 64)),)), "checksums.adler32 is not 8"),
        (Result(raw=Checksums(adler32="0" * 8, blake3="")), "raw.blake3 is not 64"),
        (Result(products=(product(),), salt=SealedSalt(key_id="k", sealed="?")), "salt.sealed is not base64"),
        (Result(catalog=nested(150)), "nested more than 100 levels deep"),
        (Result(catalog=nested(5000)), "recursion"),
        (Result(catalog={"x": object()}), "catalog.x: Encoding objects of type object is unsupported"),
        (Result(products=(product(metadata={"a": [1, {2, object()}]}),)), "products[0].metadata.a[1]: Encoding"),
        (Result(catalog={"name": "caf\udce9"}), "catalog.name: 'utf-8' codec"),
        (Result(products=(product(size="1"),)), "$.products[0].size"),
        (None, "null"),
    ],
)
def test_what_would_be_refused_is_a_permanent_fail_that_names_the_field(
    job: Callable[..., Job], result: Any, what: str
) -> None:
    with pytest.raises(PayloadError) as caught:
        storable(job(), result)
    assert caught.value.permanent
    assert caught.value.code == "bad-result"
    assert "what step count of a.h5 returned cannot be stored: " in one_line(caught.value.sentence)
    assert what in one_line(caught.value.sentence)


def test_a_number_that_is_none_is_left_out_as_json_does(job: Callable[..., Job]) -> None:
    assert storable(job(), Result(catalog={"mean": math.nan})).catalog == {"mean": None}


def test_a_reason_is_one_line_that_can_be_stored() -> None:
    assert one_line(" bad \0 byte\r\nand\x1b[31m\u2028more ") == "bad   byte and [31m more"
    assert one_line("caf\udce9") == "caf\\udce9"
    assert one_line("ü" * 3000) == "ü" * 1999 + "…"
