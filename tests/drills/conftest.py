"""What the drills share with the fault suite: a maker of centres to be broken."""

from ..faults.conftest import centres

__all__ = ["centres"]
