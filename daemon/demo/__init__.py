"""`headframe demo`: a simulated detector, and the whole machine behind it."""

from .demo import run

__all__ = ["run"]
