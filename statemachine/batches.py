"""Splitting into parcels. (`itertools.batched` comes with Python 3.12.)"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(values: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Give the values in tuples of `size`, the last one shorter where they do not divide."""
    rest = iter(values)
    while part := tuple(islice(rest, size)):
        yield part
