"""A step that does as files beside it say: it fails while there is `fail`, and goes on while there is `wait`."""

from pathlib import Path

SCRIPT = """#!/bin/sh
cd "$(dirname "$0")" || exit 75
while [ -e wait ]; do sleep 0.1; done
[ ! -e fail ]
"""
COMMAND = """
[command.work]
argv = ["./step.sh"]
"""


class Work:
    """The step of one instance, and the words it obeys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        script = folder / "step.sh"
        script.write_text(SCRIPT)
        script.chmod(0o755)

    def order(self, word: str) -> None:
        """Have it `fail`, or `wait`, from now on."""
        (self.folder / word).touch()

    def relent(self, word: str) -> None:
        """No longer."""
        (self.folder / word).unlink()
