"""What needs somebody."""

from .fields import View


class Need(View, kw_only=False):
    """Something that needs somebody: a code, a sentence, the command to begin with; which step, lane or site.

    `known` says who has acknowledged the alert of it, until when, and why.
    """

    code: str
    sentence: str
    command: str
    name: str = ""
    known: str = ""

    def __str__(self) -> str:
        """Give the sentence."""
        return self.sentence
