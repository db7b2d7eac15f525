"""The lanes that work and reports go in, those to be preferred first."""

from typing import Literal

LANES: tuple[Literal["live"], Literal["bulk"]] = ("live", "bulk")
"""What has queues: what stands in any other lane would be sent to nobody."""
