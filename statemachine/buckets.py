"""Buckets of time, eight to a doubling: what two sets of them say together is their sum, and a quantile of it is within
five per cent.
"""

from collections.abc import Mapping

TO_A_DOUBLING = 8


def middle(bucket: int) -> float:
    """Give the time, in seconds, that stands for all in a bucket: its geometric middle."""
    return float(2 ** ((bucket + 0.5) / TO_A_DOUBLING))


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """Give the time within which this share of all was done; none where there is nothing."""
    rest = share * sum(counts.values())
    for bucket in sorted(counts):
        rest -= counts[bucket]
        if rest <= 1e-9 and counts[bucket]:
            return middle(bucket)
    return None
