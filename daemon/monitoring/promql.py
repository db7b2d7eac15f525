"""Expressions over the families of `/metrics`, as dashboards ask them."""

INSTANCE = "headframe"
"""The label, put on by the scrape, that tells one instance of headframe from another."""
CHOSEN = f'{INSTANCE}="$instance"'
ONE_REPLICA = "max without (instance, pod)"
"""What is read from the database is the same at each replica of the web: this takes one of them, not their sum."""
WINDOW = "$__rate_interval"


def now(family: str, *matchers: str) -> str:
    """Give a family as it is: `now("headframe_items", 'phase="ready"')`."""
    return f"{ONE_REPLICA} ({family}{{{_chosen(matchers)}}})"


def rate(family: str, *matchers: str, window: str = WINDOW) -> str:
    """Give how much a counter of the database grows in a second."""
    return f"{ONE_REPLICA} (rate({family}{{{_chosen(matchers)}}}[{window}]))"


def own(family: str, *matchers: str) -> str:
    """Give a family that each process has for itself."""
    return f"{family}{{{_chosen(matchers)}}}"


def own_rate(family: str, *matchers: str) -> str:
    """Give how much a process's own counter grows in a second."""
    return f"rate({own(family, *matchers)}[{WINDOW}])"


def total(by: str, expression: str) -> str:
    """Sum an expression by some labels."""
    return f"sum by ({by}) ({expression})"


def quantile(share: float, by: str, buckets: str) -> str:
    """Give a quantile of a histogram's buckets, by some labels."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({labels}) ({buckets}))"


def _chosen(matchers: tuple[str, ...]) -> str:
    return ", ".join((CHOSEN, *matchers))
