"""What needs somebody."""

from .fields import View


class Need(View, kw_only=False):
    """Something that needs somebody: a code, a sentence, the command to begin with; which step, lane or site."""

    code: str
    sentence: str
    command: str
    name: str = ""

    def __str__(self) -> str:
        """Give the sentence."""
        return self.sentence
