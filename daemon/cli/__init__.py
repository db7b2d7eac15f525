"""The command line `headframe`. Nothing heavy is imported until a command needs it."""

from .main import main

__all__ = ["main"]
