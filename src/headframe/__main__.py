"""`python -m headframe`: the same as the command `headframe`."""

from .daemon.cli import main

main()
