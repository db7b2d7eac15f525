"""Ids of traces and spans: digests of names, so that who knows a file knows its trace, and nothing has to travel."""

from hashlib import blake2b


def trace_id(instance: str, campaign: str, trace: str) -> int:
    """Give the id of the trace of a file in a campaign; `trace` is what the log lines have."""
    return _digest(16, instance, campaign, trace)


def span_id(trace: int, *what: object) -> int:
    """Give the id of one of a trace's spans."""
    return _digest(8, trace, *what)


def _digest(size: int, *parts: object) -> int:
    return int.from_bytes(blake2b("\0".join(map(str, parts)).encode(), digest_size=size).digest())
