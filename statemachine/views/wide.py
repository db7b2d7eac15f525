"""What a list refuses because it would have to read everything there is."""


class TooWideError(ValueError):
    """A filter that only narrows something smaller. The text says what to name besides."""
